"""The settings: a unit's file is read whole or refused in one sentence, and every key is documented."""

from pathlib import Path

import msgspec
import pytest

from device.settings import BROKERS_MAX, UnitFile, read
from hub.settings import HubFile
from tests.house.pages import meanings, settings
from tests.wire.samples import HUB, OPENERS, OTHER_HUB, STRANGER
from wire.errors import OurFault
from wire.note import Verifier
from wire.record import Mode
from wire.settings import Broker, Tls

A, B = (f'"{opener.recipient}"' for opener in OPENERS[:2])
BROKER = '{ host = "127.0.0.1", port = 8883 }'
GOOD = {
    "unit": '"u-7"',
    "deployment": '"trial"',
    "profile": '"ve-2024-presidential"',
    "mode": '"live"',
    "card": '"card"',
    "key": '"/etc/testigo/unit.pem"',
    "hubs": f'["{HUB.verifier}", "{OTHER_HUB.verifier}"]',
    "recipients": f"[{A}, {B}]",
    "brokers": f"[{BROKER}]",
}


def written(folder: Path, **other: str | None) -> Path:
    """A settings file; a key with None is left out."""
    lines = [f"{key} = {value}" for key, value in (GOOD | other).items() if value is not None]
    path = folder / "unit.toml"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def fault_in(path: Path) -> str:
    with pytest.raises(OurFault) as raised:
        read(path)
    return str(raised.value)


def test_a_good_file_is_read_with_keys_and_profile_and_absolute_paths(tmp_path: Path) -> None:
    found = read(written(tmp_path, receipts="2"))
    assert (found.unit, found.deployment, found.profile.id) == ("u-7", "trial", "ve-2024-presidential")
    assert (found.mode, found.receipts, found.fleet) == (Mode.LIVE, 2, 2000)
    assert found.brokers == (Broker("127.0.0.1", 8883),)
    assert (found.card, found.key) == (tmp_path / "card", Path("/etc/testigo/unit.pem"))
    assert found.hubs == {"hub-a": HUB.verifier, "hub-b": OTHER_HUB.verifier}
    assert found.recipients == tuple(opener.recipient for opener in OPENERS[:2])


def test_brokers_are_ranked_as_the_file_ranks_them(tmp_path: Path) -> None:
    tables = "".join(f'[[brokers]]\nhost = "hub-{rank}"\nport = 1883\n' for rank in range(BROKERS_MAX))
    path = written(tmp_path, brokers=None)
    path.write_text(path.read_text("utf-8") + tables, "utf-8")
    assert [broker.host for broker in read(path).brokers] == [f"hub-{rank}" for rank in range(BROKERS_MAX)]


@pytest.mark.parametrize("key", GOOD)
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    path = written(tmp_path, **{key: None})
    assert fault_in(path) == (f"{path}: Object missing required field `{key}`: correct that setting (docs/settings.md)")


@pytest.mark.parametrize(("key", "near"), [("hub", "hubs"), ("recipient", "recipients"), ("mod", "mode")])
def test_an_unknown_key_is_named_with_the_nearest_known_one(tmp_path: Path, key: str, near: str) -> None:
    path = written(tmp_path, **{key: "1"})
    assert fault_in(path) == f"{path}: there is no setting '{key}'; the nearest is '{near}' (docs/settings.md)"


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("unit", '""', "$.unit"),
        ("unit", '"Unidad 7"', "$.unit"),
        ("unit", "7", "$.unit"),
        ("deployment", '"a/b"', "$.deployment"),
        ("deployment", '"+"', "$.deployment"),
        ("mode", '"practice"', "$.mode"),
        ("card", "1", "$.card"),
        ("hubs", "[]", "$.hubs"),
        ("hubs", '["hub-a"]', "verifier key of 'hub-a'"),
        ("hubs", '[""]', "verifier key of ''"),
        ("recipients", f"[{A}]", "$.recipients"),
        ("recipients", f"[{A}, {A}]", "recipients: the same seal key stands twice"),
        ("recipients", f'[{A}, "escrow+seal+AAAA"]', "seal key of 'escrow'"),
        ("recipients", f'[{A}, "escrow"]', "seal key of 'escrow'"),
        ("receipts", "0", "$.receipts"),
        ("receipts", "3", "receipts = 3 needs as many hubs of different names, found 2"),
        ("receipts", '"one"', "$.receipts"),
        ("fleet", "0", "$.fleet"),
        ("fleet", "100001", "$.fleet"),
        ("hubs", f'["{HUB.verifier}", "{STRANGER.verifier}"]', "receipts = 1 needs as many hubs of different names"),
        (
            "hubs",
            f'["{HUB.verifier}", "{Verifier("hub-b", HUB.verifier.spki)}"]',
            "hubs: hub-a and hub-b have the same key: one hub is to be one receipt: give each its own",
        ),
        ("profile", '"ve-2031"', "there is no profile 've-2031': use one of br-bu-1.5, ve-2024-presidential"),
        ("brokers", "[]", "$.brokers"),
        ("brokers", "[{}]", "$.brokers[0]"),
        ("brokers", f"[{', '.join([BROKER] * (BROKERS_MAX + 1))}]", "$.brokers"),
        ("brokers", f'[{BROKER}, {{ host = "h", port = 0 }}]', "$.brokers[1].port"),
        ("brokers", '[{ host = "h", port = 65536 }]', "$.brokers[0].port"),
        ("brokers", '[{ host = "h", port = 1, tsl = {} }]', "`tsl` - at `$.brokers[0]`"),
        ("brokers", '[{ host = "h", port = 1, tls = { ca = "ca.pem" } }]', "$.brokers[0].tls"),
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


@pytest.mark.parametrize("struct", [UnitFile, HubFile, Broker, Tls])
def test_every_key_is_documented(struct: type[msgspec.Struct]) -> None:
    said = meanings(struct)
    assert tuple(sorted(said)) == tuple(sorted(struct.__struct_fields__))
    for key, meaning in said.items():
        assert meaning
        assert f"| `{key}` | " in settings()
        assert f" | {meaning} |" in settings()
