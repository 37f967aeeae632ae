"""The deployment package's making: what units take, from what the operators say; and nothing that they would refuse."""

from pathlib import Path

import pytest

from device.package import Packages
from provisioning.__main__ import main
from provisioning.authority import Authority
from provisioning.package import deploy
from provisioning.roster import RosterError
from tests.provisioning.conftest import HUB, PASSPHRASE
from tests.wire.samples import CARDS
from wire import package, profiles
from wire.errors import OurFault
from wire.note import Verifier
from wire.package import FILE, Address, Loudness
from wire.record import Mode

ELECTION = f"""
profile = "ve-2024-presidential"
day = 2024-07-28T06:00:00-04:00
mode = "live"
roster = "roster.csv"
sound = "quiet"
fleet = 250
cards = ["{CARDS.verifier}"]

[[brokers]]
hub = "{HUB}"
host = "hub-a.example"
port = 8883
"""


@pytest.fixture
def election(tmp_path: Path) -> Path:
    (tmp_path / "roster.csv").write_text("centro,mesa\n010101001,01\n010101001,02\n")
    return written(tmp_path)


def written(folder: Path, old: str = "", new: str = "") -> Path:
    assert old in ELECTION
    path = folder / "election.toml"
    path.write_text(ELECTION.replace(old, new) if old else ELECTION)
    return path


def test_a_package_says_what_the_operators_say_and_whom_the_authority_knows(
    authority: Authority, election: Path
) -> None:
    made = deploy(authority, election)
    pub = (authority.folder / "hubs" / HUB / "hub.pub").read_text().split()
    trusted = Verifier.parse((authority.folder / "packages.pub").read_text().strip())
    found = package.read((authority.folder / FILE).read_bytes(), trusted)
    stated = found.package
    assert (stated.deployment, stated.number, stated.mode, stated.day) == ("trial", 1, Mode.LIVE, 1_722_160_800)
    assert (stated.fleet, stated.receipts, stated.sound) == (250, 1, Loudness.QUIET)
    assert stated.brokers == (Address("hub-a.example", HUB, 8883),)
    assert stated.hubs == (pub[0],)
    assert stated.recipients == (pub[1], (authority.folder / "escrow.pub").read_text().strip())
    assert (list(found.cards), list(found.roster)) == (["cards"], ["010101001.01", "010101001.02"])
    assert found.profile == profiles.named("ve-2024-presidential")
    said = "package 1 of trial: LIVE, day 2024-07-28 10:00 UTC, 2 mesas expected, hubs hub-a, receipts 1, "
    assert str(made).startswith(f"{said}units start quiet\n")


def test_its_number_rises_by_itself_and_units_take_one_after_the_other(
    authority: Authority, election: Path, tmp_path: Path
) -> None:
    unit = Packages(tmp_path, authority.packages().verifier)
    for number in (1, 2, 3):
        made = deploy(authority, election)
        assert made.deployment.package.number == number
        assert unit.take((authority.folder / FILE).read_bytes()) == number
        assert made.changed == (), "nothing but its number and time"
    training = str(deploy(authority, written(tmp_path, 'mode = "live"', 'mode = "training"')))
    assert training.startswith("package 4 of trial: TRAINING, ")
    assert "\nchanged since package 3: mode\n" in training


def test_a_hub_that_was_revoked_is_in_no_later_package(authority: Authority, election: Path, tmp_path: Path) -> None:
    authority.add_hub("hub-b", ["127.0.0.1"])
    assert list(deploy(authority, election).deployment.hubs) == [HUB, "hub-b"]
    authority.revoke("hub-b")
    later = deploy(authority, election)
    assert list(later.deployment.hubs) == [HUB]
    assert later.changed == ("hubs", "recipients")
    authority.revoke(HUB)
    with pytest.raises(OurFault, match="0 hubs belong: a package names 1 to 15"):
        deploy(authority, election)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"ve-2024-presidential"', '"ve-2030"', "there is no profile 've-2030'"),
        ('"ve-2024-presidential"', '"none.toml"', "none.toml: No such file or directory"),
        ("06:00:00-04:00", "06:00:00", "$.day"),
        ("T06:00:00-04:00", "", "$.day"),
        ('mode = "live"', 'mode = "test"', "$.mode"),
        ('mode = "live"', "", "missing required field `mode`"),
        ("fleet = 250", "flet = 250", "there is no setting 'flet'; the nearest is 'fleet'"),
        ("fleet = 250", "receipts = 2", "receipts: 2 are to receipt, there are 1 hubs"),
        (f'hub = "{HUB}"', 'hub = "hub-z"', "brokers: hub-a.example is hub-z's, which is none of the hubs"),
        ("port = 8883", "port = 0", "$.brokers[0].port"),
        ('host = "hub-a.example"', 'host = "a b"', "$.brokers[0].host"),
        (str(CARDS.verifier), "cards", "verifier key of 'cards'"),
        ('roster = "roster.csv"', 'roster = "none.csv"', "none.csv: No such file or directory"),
    ],
)
def test_what_units_would_refuse_is_not_made(
    authority: Authority, election: Path, tmp_path: Path, old: str, new: str, words: str
) -> None:
    del election
    with pytest.raises(OurFault) as raised:
        deploy(authority, written(tmp_path, old, new))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (authority.folder / FILE).exists()


def test_a_roster_with_faults_is_not_taken_and_the_package_before_stays(
    authority: Authority, election: Path, tmp_path: Path
) -> None:
    deploy(authority, election)
    before = (authority.folder / FILE).read_bytes()
    (tmp_path / "roster.csv").write_text("centro,mesa\n10101001,1\n")
    with pytest.raises(RosterError) as raised:
        deploy(authority, election)
    assert len(raised.value.faults) == 2
    assert (authority.folder / FILE).read_bytes() == before


def test_a_profile_that_reads_otherwise_needs_an_id_of_its_own(
    authority: Authority, election: Path, tmp_path: Path
) -> None:
    deploy(authority, election)
    text = profiles.source("ve-2024-presidential").decode()
    (tmp_path / "own.toml").write_text(text.replace("[14, 833]", "[1, 833]"))
    changed = written(tmp_path, '"ve-2024-presidential"', '"own.toml"')
    with pytest.raises(OurFault, match="ve-2024-presidential is another than in package 1, under the same id"):
        deploy(authority, changed)
    (tmp_path / "own.toml").write_text(text.replace('id = "ve-2024-presidential"', 'id = "ve-2024-b"'))
    assert deploy(authority, changed).deployment.profile.id == "ve-2024-b"


@pytest.mark.parametrize("spoiled", [b"rot", b""])
def test_where_the_last_package_was_spoiled_no_number_is_given_out_twice(
    authority: Authority, election: Path, spoiled: bytes
) -> None:
    deploy(authority, election)
    (authority.folder / FILE).write_bytes(spoiled)
    with pytest.raises(OurFault, match="the number of the next package follows it: take it from a copy"):
        deploy(authority, election)


def test_the_program_makes_a_package_and_says_what_it_is(
    authority: Authority, election: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE)
    asked = ["deploy", str(authority.folder), str(election), "--passphrase-file", str(secret)]
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert told.startswith("package 1 of trial: LIVE, day ")
    assert told.endswith(f"{authority.folder / FILE}: carry it to every hub, and on a stick to every unit\n")
    (tmp_path / "roster.csv").write_text("centro,mesa\n,\n")
    assert main(asked) == 2
    told_badly = capsys.readouterr()
    assert told_badly.out == "line 2: it is empty: remove it\n"
    assert "1 fault: nothing was taken" in told_badly.err
