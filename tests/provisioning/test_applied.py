"""What is carried to a hub's machine: it takes its place there whole, and only if the authority signed it, and last."""

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hub import register
from provisioning import broker
from provisioning.__main__ import main
from provisioning.apply import apply, reload
from provisioning.authority import Authority
from sim.broker import Broker
from tests.provisioning.conftest import HUB, PASSPHRASE
from tests.provisioning.test_broker_access import SECONDS, Call, is_let_in
from wire.belonging import FILE, FILES
from wire.errors import OurFault


class Machine:
    """A hub's machine, and the stick that things are carried there on.

    Attributes:
        at: the folder of the broker's files.
        register: the hub's.
        stick: what was carried.
        told: how often Mosquitto was told.
        authority: whose things are carried there.
    """

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.at, self.register, self.stick = folder / "testigo", folder / "hub" / "register.txt", folder / "stick"
        self.told = 0
        self.authority = authority
        shutil.copytree(authority.folder / "hubs" / HUB / "broker", self.at)
        self.register.parent.mkdir()
        shutil.copy(authority.folder / "register.txt", self.register)
        self.stick.mkdir()

    def carry(self) -> None:
        """Brings what the authority made last."""
        for name in (*FILES, FILE):
            shutil.copy(self.authority.folder / name, self.stick)

    def apply(self) -> tuple[int, int]:
        """What `testigo-provision apply` does."""
        return apply(self.stick, self.at, self.register, self.tell)

    def tell(self) -> None:
        self.told += 1

    def state(self) -> dict[str, bytes]:
        """All that is there."""
        paths = [*self.at.iterdir(), *self.register.parent.iterdir()]
        return {str(path): path.read_bytes() for path in paths if path.is_file()}


@pytest.fixture
def machine(authority: Authority, units: list[Path], tmp_path: Path) -> Machine:
    return Machine(authority, tmp_path / "machine")


def test_what_was_carried_takes_its_place_and_may_do_so_again(
    authority: Authority, units: list[Path], machine: Machine
) -> None:
    machine.carry()
    assert machine.apply() == (2, 0)
    authority.revoke(units[0].name)
    machine.carry()
    assert machine.apply() == (1, 1)
    assert machine.apply() == (1, 1)
    assert machine.told == 3
    assert set(register.read(machine.register)) == {units[1].name}
    for name in set(FILES) - {"register.txt"}:
        assert (machine.at / name).read_bytes() == (authority.folder / name).read_bytes()
        assert stat.S_IMODE((machine.at / name).stat().st_mode) == 0o600


def _an_added_unit(machine: Machine, authority: Authority, tmp_path: Path) -> None:
    with (machine.stick / "register.txt").open("a") as file:
        file.write((authority.folder / "packages.pub").read_text())


def _a_right_more(machine: Machine, authority: Authority, tmp_path: Path) -> None:
    (machine.stick / "access").write_text("topic readwrite #\n")


def _somebody_less_to_put_out(machine: Machine, authority: Authority, tmp_path: Path) -> None:
    (machine.stick / "revoked.txt").write_text("")


def _a_file_of_before(machine: Machine, authority: Authority, tmp_path: Path) -> None:
    shutil.copy(machine.at / "crl.pem", machine.stick)


def _a_file_that_lacks(machine: Machine, authority: Authority, tmp_path: Path) -> None:
    (machine.stick / "crl.pem").unlink()


def _no_note(machine: Machine, authority: Authority, tmp_path: Path) -> None:
    (machine.stick / FILE).unlink()


def _another_authoritys(machine: Machine, authority: Authority, tmp_path: Path) -> None:
    foreign = Authority.make(tmp_path / "foreign", "trial", PASSPHRASE)
    for name in (*FILES, FILE):
        shutil.copy(foreign.folder / name, machine.stick)


def _a_link(machine: Machine, authority: Authority, tmp_path: Path) -> None:
    shutil.move(machine.stick / "access", tmp_path)
    (machine.stick / "access").symlink_to(tmp_path / "access")


def _a_pipe(machine: Machine, authority: Authority, tmp_path: Path) -> None:
    (machine.stick / "access").unlink()
    os.mkfifo(machine.stick / "access")


def _too_much(machine: Machine, authority: Authority, tmp_path: Path) -> None:
    (machine.stick / FILE).write_bytes(bytes(100_000))


SPOILED: dict[Callable[[Machine, Authority, Path], None], str] = {
    _an_added_unit: "register.txt: not the one that was signed",
    _a_right_more: "access: not the one that was signed",
    _somebody_less_to_put_out: "revoked.txt: not the one that was signed",
    _a_file_of_before: "crl.pem: not the one that was signed",
    _a_file_that_lacks: "crl.pem: No such file",
    _no_note: "belonging.note: No such file",
    _another_authoritys: "not trusted here",
    _a_link: "access: no plain file",
    _a_pipe: "access: no plain file",
    _too_much: "longer than 65536 bytes",
}


@pytest.mark.parametrize("spoil", SPOILED, ids=lambda spoil: spoil.__name__.strip("_"))
def test_what_the_authority_did_not_make_so_changes_nothing(
    spoil: Callable[[Machine, Authority, Path], None],
    authority: Authority,
    units: list[Path],
    machine: Machine,
    tmp_path: Path,
) -> None:
    machine.carry()
    machine.apply()
    authority.revoke(units[0].name)
    machine.carry()
    spoil(machine, authority, tmp_path)
    before = machine.state()
    with pytest.raises(OurFault, match=SPOILED[spoil]) as raised:
        machine.apply()
    assert "nothing was changed" in str(raised.value)
    assert (machine.state(), machine.told) == (before, 1)


def test_a_register_that_the_hub_does_not_read_is_not_made(machine: Machine) -> None:
    machine.carry()
    machine.register = machine.register.with_name("regster.txt")
    with pytest.raises(OurFault, match=r"regster\.txt: there is none: nothing was changed; name the one of hub\.toml"):
        machine.apply()
    assert not machine.register.exists()


def test_nobody_comes_back_with_an_older_set(authority: Authority, units: list[Path], machine: Machine) -> None:
    machine.carry()
    older = shutil.copytree(machine.stick, machine.stick.with_name("older"))
    authority.revoke(units[0].name)
    machine.carry()
    machine.apply()
    machine.stick = older
    with pytest.raises(OurFault, match=r"number . of trial, but here is number . of trial: nothing was"):
        machine.apply()


def _revoked_here(authority: Authority, units: list[Path]) -> None:
    authority.revoke(units[0].name)


def _enrolled_here(authority: Authority, units: list[Path]) -> None:
    list(authority.add_units(2))


def _a_hub_more_here(authority: Authority, units: list[Path]) -> None:
    authority.add_hub("hub-b", ["localhost"])


def _a_hub_less_here(authority: Authority, units: list[Path]) -> None:
    authority.revoke(HUB)


@pytest.mark.parametrize("change", [_revoked_here, _enrolled_here, _a_hub_more_here, _a_hub_less_here])
def test_of_two_copies_that_went_different_ways_none_undoes_the_other_and_both_can_be_brought_together(
    change: Callable[[Authority, list[Path]], None], authority: Authority, units: list[Path], tmp_path: Path
) -> None:
    other = replace(authority, folder=shutil.copytree(authority.folder, tmp_path / "other"))
    machine = Machine(authority, tmp_path / "machine")
    change(authority, units)
    machine.carry()
    machine.apply()
    other.revoke(units[1].name)
    list(other.add_units(5))
    machine.authority = other
    machine.carry()
    before = machine.state()
    with pytest.raises(OurFault, match=r"does not know .* it is the other: nothing was changed"):
        machine.apply()
    assert machine.state() == before
    folders = [str(folder) for folder in (authority.folder / "hubs", authority.folder / "units", other.folder)]
    subprocess.run(["cp", "-an", *folders], check=True)
    other.publish()
    machine.carry()
    machine.apply()
    assert {home.name for home in authority.folder.glob("*/*") if (home / "revoked").exists()} | {units[1].name} == set(
        (machine.at / "revoked.txt").read_text().split()
    )


def test_each_change_has_a_higher_number(authority: Authority) -> None:
    numbers = [number(authority)]
    for change in (
        lambda: list(authority.add_cards(1)),
        lambda: list(authority.add_units(1)),
        lambda: authority.add_hub("hub-b", ["localhost"]),
        lambda: authority.revoke(next(iter(authority.enrolled()))),
        lambda: authority.revoke(next(iter(authority.cards()))),
        lambda: authority.revoke("hub-b"),
    ):
        change()
        authority.publish()
        numbers.append(number(authority))
    assert numbers == sorted(set(numbers))


def number(authority: Authority) -> int:
    text = (authority.folder / FILE).read_text()
    return int(text.partition('"number":')[2].partition("}")[0])


@pytest.mark.e2e
def test_who_is_revoked_is_out_of_a_running_broker_by_one_command(
    authority: Authority, units: list[Path], machine: Machine, plugin: Path, tmp_path: Path
) -> None:
    shutil.copy(plugin, machine.at)
    pid_file = tmp_path / "mosquitto.pid"
    lines = [*broker.configuration(machine.at, "trial"), f"pid_file {pid_file}", "log_type information"]
    said = ["apply", str(machine.stick), "--at", str(machine.at), "--register", str(machine.register)]
    with Broker(tmp_path / "broker", *lines) as running:
        call = Call(running, authority.folder / "ca.pem")
        gone, stays = call(units[0]), call(units[1])
        assert is_let_in(gone)
        assert is_let_in(stays)
        authority.revoke(units[0].name)
        machine.carry()
        assert main([*said, "--pid-file", str(pid_file)]) == 0
        assert gone.gone.wait(SECONDS)
        assert not is_let_in(call(units[0]))
        assert not stays.gone.is_set()
        for caller in call.callers:
            caller.close()


@pytest.mark.parametrize("pid", ["1", "none", "4194304", None])
def test_no_other_program_is_told(pid: str | None, tmp_path: Path) -> None:
    pid_file = tmp_path / "mosquitto.pid"
    if pid is not None:
        pid_file.write_text(f"{pid}\n")
    with pytest.raises(OurFault, match="no Mosquitto that runs"):
        reload(pid_file)
