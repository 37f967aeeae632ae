"""The settings: a file and its package are read whole or refused in one sentence, and every key is documented."""

from pathlib import Path

import msgspec
import pytest

from device.package import NoPackageError
from device.settings import UnitFile, read
from hub.settings import HubFile
from provisioning.package import ElectionFile
from tests.house.pages import meanings, settings
from tests.wire.samples import DEPLOYMENT, HUB, OPENERS, OTHER_HUB, PACKAGE, PACKAGES, sample
from wire.errors import OurFault
from wire.note import Verifier
from wire.package import FILE, Loudness
from wire.record import Mode
from wire.settings import Broker, Tls

GOOD = {
    "unit": '"u-7"',
    "card": '"card"',
    "key": '"/etc/testigo/unit.pem"',
    "packages": f'"{PACKAGES.verifier}"',
}


def written(folder: Path, **other: str | None) -> Path:
    """A settings file beside a package; a key with None is left out."""
    (folder / FILE).write_bytes(sample(FILE))
    lines = [f"{key} = {value}" for key, value in (GOOD | other).items() if value is not None]
    path = folder / "unit.toml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def fault_in(path: Path) -> str:
    with pytest.raises(OurFault) as raised:
        read(path)
    return str(raised.value)


def test_a_good_file_is_read_with_all_that_its_package_says_and_absolute_paths(tmp_path: Path) -> None:
    found = read(written(tmp_path))
    assert (found.unit, found.deployment, found.profile.id) == ("u-7", DEPLOYMENT, "ve-2024-presidential")
    assert (found.mode, found.receipts, found.fleet, found.number) == (Mode.TRAINING, 2, 2000, PACKAGE.number)
    assert (found.sound, list(found.roster)) == (Loudness.QUIET, ["110000001.01", "110000001.02"])
    assert (found.card, found.key) == (tmp_path / "card", Path("/etc/testigo/unit.pem"))
    assert (found.packages, found.package) == (PACKAGES.verifier, tmp_path / FILE)
    assert found.hubs == {"hub-a": HUB.verifier, "hub-b": OTHER_HUB.verifier}
    assert list(found.cards) == ["cards"]
    assert found.recipients == tuple(opener.recipient for opener in OPENERS[:2])


def test_brokers_are_ranked_as_the_package_ranks_them_and_called_as_the_unit_may(tmp_path: Path) -> None:
    tls = '{ ca = "ca.pem", certificate = "tls.pem", key = "tls.key" }'
    ours = Tls("ca.pem", "tls.pem", "tls.key")
    found = read(written(tmp_path, tls=tls, username='"u-7"', password='"secret"')).brokers
    named = [(broker.host, broker.port, broker.hub) for broker in found]
    assert named == [("hub-a.example", 8883, "hub-a"), ("192.0.2.7", 8883, "hub-b")]
    assert {(broker.tls, broker.username, broker.password) for broker in found} == {(ours, "u-7", "secret")}
    assert read(written(tmp_path)).brokers[0] == Broker("hub-a.example", 8883, hub="hub-a")


def test_a_package_that_is_not_there_or_of_another_authority_is_refused_in_words(tmp_path: Path) -> None:
    path = written(tmp_path, package='"none"')
    with pytest.raises(NoPackageError) as raised:
        read(path)
    none = f"{tmp_path / 'card' / FILE}: No such file or directory; {tmp_path / 'none'}: No such file or directory"
    assert str(raised.value) == f"no deployment package can be used: {none}: bring a good one to the card"
    path = written(tmp_path, packages=f'"{Verifier("packages", HUB.verifier.spki)}"')
    with pytest.raises(NoPackageError, match=r"signed by packages with key [0-9a-f]{8}, which is not trusted here"):
        read(path)


@pytest.mark.parametrize("key", GOOD)
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    path = written(tmp_path, **{key: None})
    assert fault_in(path) == (f"{path}: Object missing required field `{key}`: correct that setting (docs/settings.md)")


@pytest.mark.parametrize(("key", "near"), [("keys", "key"), ("packages_", "packages"), ("passwort", "password")])
def test_an_unknown_key_is_named_with_the_nearest_known_one(tmp_path: Path, key: str, near: str) -> None:
    path = written(tmp_path, **{key: "1"})
    assert fault_in(path) == f"{path}: there is no setting '{key}'; the nearest is '{near}' (docs/settings.md)"


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("unit", '""', "$.unit"),
        ("unit", '"Unidad 7"', "$.unit"),
        ("unit", "7", "$.unit"),
        ("card", "1", "$.card"),
        ("packages", '"packages"', "packages: verifier key of 'packages'"),
        ("packages", f'"{HUB.verifier}"', "packages: expected the key packages, found hub-a: copy packages.pub"),
        ("tls", '{ ca = "ca.pem" }', "$.tls"),
        ("tls", '{ ca = "a", certificate = "b", key = "c", keys = "d" }', "`keys` - at `$.tls`"),
    ],
)
def test_a_bad_value_is_refused_in_one_sentence_that_names_file_and_place(
    tmp_path: Path, key: str, value: str, fault: str
) -> None:
    path = written(tmp_path, **{key: value})
    said = fault_in(path)
    assert said.startswith(f"{path}: ")
    assert fault in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"unit = ", ": not TOML: "),
        (b"unit = 1\nunit = 2\n", ": not TOML: "),
        (b"", ": Object missing required field `unit`"),
        (b"\xff\xfe", ": not UTF-8 text: give the right file with --settings"),
    ],
)
def test_what_is_no_settings_file_is_refused_in_words(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "unit.toml"
    path.write_bytes(content)
    assert fault in fault_in(path)


def test_a_file_that_is_not_there_or_a_folder_is_refused_in_words(tmp_path: Path) -> None:
    assert fault_in(tmp_path / "no.toml") == (
        f"settings {tmp_path / 'no.toml'}: No such file or directory: give the right file with --settings"
    )
    assert fault_in(tmp_path).endswith(": Is a directory: give the right file with --settings")


@pytest.mark.parametrize("struct", [UnitFile, HubFile, ElectionFile, Broker, Tls])
def test_every_key_is_documented(struct: type[msgspec.Struct]) -> None:
    said = meanings(struct)
    assert tuple(sorted(said)) == tuple(sorted(struct.__struct_fields__))
    for key, meaning in said.items():
        assert meaning
        assert f"| `{key}` | " in settings()
        assert f" | {meaning} |" in settings()
