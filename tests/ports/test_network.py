"""The network's promises, on every body: the simulator's air, and the joiner over a stand-in for nmcli."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

import pytest

from device.ports import BodyEvent, Network, NetworkJoined
from hardware.joiner import Joiner, keyfile
from hardware.network import CardNetwork
from sim.body import SimNetwork
from sim.clock import SteppedClock
from wire.control import Network as Named

NAME, PASSPHRASE = "Teléfono de José", "with \\ and = and ;"

NMCLI = """#!/bin/sh
# As nmcli does: `up` joins what was loaded, if it is in the air; 4 is "Connection activation failed".
here=$(dirname "$0")
case "$4" in
    load) cp "$5" "$here/loaded" ;;
    up) cmp -s "$here/loaded" "$here/air" || exit 4 ;;
esac
"""


class Bench(Protocol):
    """A network port, and what is in the air."""

    port: Network

    def stands(self, name: str, passphrase: str) -> None:
        """Such a network is in reach."""
        ...

    def answer(self) -> BodyEvent:
        """What is posted next; it fails if nothing is."""
        ...


class SimBench:
    def __init__(self, _folder: Path) -> None:
        self._clock, self._posted = SteppedClock(), SimpleQueue[BodyEvent]()
        self._sim = SimNetwork(self._clock, self._posted.put)
        self.port: Network = self._sim

    def stands(self, name: str, passphrase: str) -> None:
        self._sim.in_reach[name] = passphrase

    def answer(self) -> BodyEvent:
        self._clock.run(120_000)
        return self._posted.get_nowait()

    def close(self) -> None:
        assert self._posted.empty()


class RealBench:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._posted = SimpleQueue[BodyEvent]()
        nmcli = folder / "nmcli"
        nmcli.write_text(NMCLI)
        nmcli.chmod(0o755)
        self.keyfiles = folder / "keyfiles"
        joiner = Joiner(folder, os.getuid(), os.getgid(), self.keyfiles, [str(nmcli)])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: self._look(joiner), daemon=True)
        self._thread.start()
        self.port: Network = CardNetwork(folder, self._posted.put, 30)

    def stands(self, name: str, passphrase: str) -> None:
        (self._folder / "air").write_text(keyfile(Named(name, passphrase)))

    def answer(self) -> BodyEvent:
        return self._posted.get(timeout=30)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        assert self._posted.empty()

    def _look(self, joiner: Joiner) -> None:
        while not self._stop.wait(0.01):
            joiner.look()


@pytest.fixture(params=[SimBench, RealBench])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made = request.param(tmp_path)
    yield made
    made.close()


def test_a_network_in_reach_is_joined(bench: Bench) -> None:
    bench.stands(NAME, PASSPHRASE)
    bench.port.join(NAME, PASSPHRASE)
    assert bench.answer() == NetworkJoined()


def test_an_open_network_is_joined_without_a_passphrase(bench: Bench) -> None:
    bench.stands(NAME, "")
    bench.port.join(NAME, "")
    assert bench.answer() == NetworkJoined()


@pytest.mark.parametrize(("name", "passphrase"), [("elsewhere", PASSPHRASE), (NAME, "another passphrase")])
def test_one_that_is_not_there_or_takes_another_passphrase_is_told_without_its_name(
    bench: Bench, name: str, passphrase: str
) -> None:
    bench.stands(NAME, PASSPHRASE)
    bench.port.join(name, passphrase)
    assert bench.answer() == NetworkJoined("there is no such network here, or it takes another passphrase")


def test_each_wish_has_its_own_answer(bench: Bench) -> None:
    bench.port.join(NAME, PASSPHRASE)
    assert bench.answer() != NetworkJoined()
    bench.stands(NAME, PASSPHRASE)
    bench.port.join(NAME, PASSPHRASE)
    assert bench.answer() == NetworkJoined()


def test_of_two_networks_the_real_unit_has_the_last_one_and_for_root_alone(tmp_path: Path) -> None:
    bench = RealBench(tmp_path)
    for name in ("first", "second"):
        bench.port.join(name, PASSPHRASE)
        bench.answer()
    (file,) = bench.keyfiles.iterdir()
    assert file.read_text() == keyfile(Named("second", PASSPHRASE))
    assert file.stat().st_mode & 0o777 == 0o600
    bench.close()


def test_without_a_joiner_the_answer_says_so(tmp_path: Path) -> None:
    posted = SimpleQueue[BodyEvent]()
    CardNetwork(tmp_path / "nowhere", posted.put).join(NAME, PASSPHRASE)
    answer = posted.get(timeout=30)
    assert isinstance(answer, NetworkJoined)
    assert "start hardware.joiner" in answer.failure


def test_a_wish_that_is_a_link_or_no_wish_is_passed_over(tmp_path: Path) -> None:
    keyfiles = tmp_path / "keyfiles"
    joiner = Joiner(tmp_path, os.getuid(), os.getgid(), keyfiles, ["false"])
    wish = tmp_path / "wish" / "wish"
    wish.symlink_to("/etc/passwd")
    joiner.look()
    wish.unlink()
    for content in (b"\xff" * 5000, b'{"network":{"kind":"network","name":"a\\n[x]","passphrase":""},"number":1}'):
        wish.write_bytes(content)
        joiner.look()
    assert not keyfiles.exists()
