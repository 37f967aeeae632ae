"""The count: totals and the exported rows, from either kind of sheet."""

import csv
import hashlib
import re
from pathlib import Path

import pytest

from hub.count import export, text
from tests.hub.conftest import HubHere
from tests.hub.some_unit import SomeUnit, some_payload
from wire import note, profiles
from wire.errors import OurFault
from wire.package import Roster
from wire.record import Mode, Record

BRAZIL = (
    "QRBU:1:1 VRQR:1.5 VRCH:20180830 ORIG:VOTA ORLC:LEG PROC:223 DTPL:20181007 PLEI:228 TURN:1 FASE:O UNFE:ZZ MUNI:"
    "30848 ZONA:1 SECA:483 AGRE:486.941.488.1123 IDUE:1586544 IDCA:253036502661719936089670 VERS:6.32.0.4 LOCA:1015"
    " APTO:626 COMP:195 FALT:431 DTAB:20181007 HRAB:080000 DTFC:20181007 HRFC:170030 IDEL:295 CARG:1 TIPO:0 VERC:20"
    "1809171907 12:16 13:7 15:1 17:103 18:5 19:7 27:2 30:17 45:13 50:1 51:3 APTA:626 NOMI:175 BRAN:5 NULO:15 TOTC:1"
    "95 HASH:714CAF293004CB24BF312B43D3B832DDC91BB3A4501C9A652C87D7DB141DE8C915A954CEB1841582E21B5FADCFA2DB39AB6E75"
    "7220ECC30C89F5B5F6B73FE7C0 ASSI:F2E52864C5853EEF7C9400013D663406C57E8BD0850256A8514D37ED989C2551816CB4D106B15E"
    "AAA3E8ED30EA48F3C81ED2D9EE79C12ACE577EC121F81BAE08"
)
"""A boletim de urna of 2018, as officially published: municipality 30848, zone 1, section 483."""


@pytest.fixture
def fed(hub: HubHere) -> HubHere:
    """A hub that holds some of everything."""
    one, two = hub.unit("unit-1"), hub.unit("unit-2")
    hub.take(*(one.press(some_payload(number)) for number in (1, 2, 3)))
    hub.clock += 60
    hub.take(two.press(some_payload(2)), two.press(some_payload(3, votes=9)), two.press("hello"), two.press())
    hub.take(two.press(some_payload(4), mode=Mode.TRAINING))
    return hub


def test_totals_are_the_sums_over_the_mesas_that_count(fed: HubHere) -> None:
    counted = fed.count()
    assert (counted.counted, counted.conflicts, counted.training) == (2, ["110000000.04"], 1)
    votes = [int(vote) for mesa in (1, 2) for vote in some_payload(mesa).split("!")[1].split(",")]
    assert sum(counted.votes["presidential"].values()) == sum(votes)
    assert counted.votes["presidential"]["NM"] == sum(votes[:13]) + sum(votes[38:51])
    assert (counted.nulos, counted.vacios) == ({"presidential": 4}, {"presidential": 0})


def test_totals_for_people_say_what_does_not_count(fed: HubHere) -> None:
    said = text(fed.count())
    for words in ("2 mesas count", "1 mesa in conflict", "110000000.04", "2 records without an acta", "1 training"):
        assert words in said


def test_totals_for_people_tell_one_from_many(hub: HubHere) -> None:
    hub.take(hub.unit("unit-1").press(some_payload(1)), hub.unit("unit-2").press("hello"))
    said = text(hub.count())
    assert said.startswith("1 mesa counts\n")
    assert "\n1 record without an acta, not counted:\n" in said


def mesa(number: int) -> str:
    return f"110000000.{number + 1:02}"


def test_with_a_roster_the_count_says_how_many_mesas_are_expected_and_missing(fed: HubHere) -> None:
    fed.roster = Roster.of(mesa(number) for number in range(1, 9))
    counted = fed.count()
    assert (counted.expected, counted.counted, counted.missing, len(counted.conflicts)) == (8, 2, 5, 1)
    assert text(counted).startswith("2 mesas count of 8 expected; 5 are missing\n")


def test_a_mesa_that_is_not_of_the_roster_does_not_count_until_it_is(fed: HubHere, tmp_path: Path) -> None:
    fed.roster = Roster.of(mesa(number) for number in (1, 3))
    counted = fed.count()
    assert (counted.counted, counted.missing, counted.unexpected) == (1, 0, [mesa(2)])
    assert f"1 mesa not of the roster, not counted:\n  {mesa(2)}\n" in text(counted)
    file = tmp_path / "rows.csv"
    export(fed.ledger, profiles.named(fed.profile), fed.roster, fed.mode, file, force=False)
    rows = list(csv.DictReader(file.read_text("utf-8").splitlines()))
    assert [row["mesa"] for row in rows if row["status"] == "unexpected"] == [mesa(2)]
    fed.roster = Roster.of(mesa(number) for number in (1, 2, 3))
    assert (fed.count().counted, fed.count().unexpected) == (2, [])


def test_two_readings_of_a_mesa_that_is_not_of_the_roster_are_no_conflict(fed: HubHere) -> None:
    """Else anybody could fill that list, which a person has to work through, with mesas that do not exist."""
    fed.roster = Roster.of(mesa(number) for number in (1, 2))
    assert (fed.count().conflicts, fed.count().unexpected) == ([], [mesa(3)])


def test_a_hub_in_training_counts_no_live_record_and_a_live_one_no_training_record(fed: HubHere) -> None:
    live = fed.count()
    assert (live.counted, live.training) == (2, 1)
    fed.mode = Mode.TRAINING
    training = fed.count()
    assert (training.counted, training.votes, training.waiting, training.training) == (0, {}, 2, 1)
    assert text(training).startswith(
        "this hub is in training and counts nothing: 2 live readings held\n0 mesas count\n"
    )
    fed.mode = Mode.LIVE
    assert fed.count() == live


def test_every_reading_is_a_row_and_each_export_is_the_same(fed: HubHere, tmp_path: Path) -> None:
    profile = profiles.named(fed.profile)
    file, again = tmp_path / "rows.csv", tmp_path / "again.csv"
    assert export(fed.ledger, profile, Roster(), Mode.LIVE, file, force=False) == 7
    fed.restart()
    export(fed.ledger, profile, Roster(), Mode.LIVE, again, force=False)
    assert file.read_bytes() == again.read_bytes()
    rows = list(csv.DictReader(file.read_text("utf-8").splitlines()))
    assert [(row["status"], row["mesa"], row["units"]) for row in rows[:4]] == [
        ("counted", "110000000.02", "1"),
        ("counted", "110000000.03", "2"),
        ("conflict", "110000000.04", "1"),
        ("conflict", "110000000.04", "1"),
    ]
    assert [row["status"] for row in rows[4:]] == ["unread", "unread", "training"]
    assert rows[0]["presidential/PSUV"] == some_payload(1).split("!")[1].split(",")[0]
    assert re.fullmatch(r"2024-07-28T\d\d:\d\d:\d\dZ", rows[0]["seen"])


def test_an_export_overwrites_only_when_it_is_told_to(fed: HubHere, tmp_path: Path) -> None:
    profile, file = profiles.named(fed.profile), tmp_path / "rows.csv"
    file.write_text("mine", "utf-8")
    with pytest.raises(OurFault, match="--force"):
        export(fed.ledger, profile, Roster(), Mode.LIVE, file, force=False)
    assert file.read_text("utf-8") == "mine"
    export(fed.ledger, profile, Roster(), Mode.LIVE, file, force=True)
    assert file.read_text("utf-8").startswith("status,mesa")
    assert not list(tmp_path.glob(".*.part"))


def test_an_export_writes_over_nothing_else_and_leaves_nothing_half_written(
    sqlite_hub: HubHere, tmp_path: Path
) -> None:
    profile, others = profiles.named(sqlite_hub.profile), tmp_path / "theirs"
    others.write_text("theirs", "utf-8")
    (tmp_path / ".rows.csv.part").symlink_to(others)
    export(sqlite_hub.ledger, profile, Roster(), Mode.LIVE, tmp_path / "rows.csv", force=False)
    assert others.read_text("utf-8") == "theirs"
    before = sorted(tmp_path.iterdir())
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OurFault, match=r"folder\.csv"):
        export(sqlite_hub.ledger, profile, Roster(), Mode.LIVE, tmp_path / "folder.csv", force=True)
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "folder.csv"])


def test_an_export_to_nowhere_says_so(fed: HubHere, tmp_path: Path) -> None:
    with pytest.raises(OurFault, match="folder"):
        export(fed.ledger, profiles.named(fed.profile), Roster(), Mode.LIVE, tmp_path / "no" / "rows.csv", force=False)


def test_a_keyed_sheet_counts_and_some_of_its_codes_do_not(database: str, tmp_path: Path) -> None:
    hub = HubHere(database, tmp_path, profile="br-bu-1.5")
    one, two = hub.unit("unit-1"), hub.unit("unit-2")
    hub.take(one.press(BRAZIL, profile="br-bu-1.5"))
    assert hub.count().votes["1"]["17"] == 103
    part = "QRBU:2:2 " + BRAZIL.split(" ", 1)[1]
    hub.take(two.press(part, profile="br-bu-1.5"))
    counted = hub.count()
    assert (counted.counted, len(counted.incomplete)) == (1, 1)
    assert "2 of 2" in counted.incomplete[0].words
    hub.stop()


def test_parts_of_a_sheet_stand_together_beside_their_first_and_never_count(hub: HubHere) -> None:
    unit = hub.unit("unit-1")
    whole = unit.record([some_payload(1)])
    hub.take(unit.publish(whole))
    first = identity_of(unit, whole)
    bare = unit.record()
    hub.take(unit.publish(bare))
    second = identity_of(unit, bare)
    for of, part in ((first, 2), (second, 2), (first, 3), ("f" * 64, 2)):
        hub.take(unit.publish(unit.record(first=of, part=part)))
    counted = hub.count()
    assert counted.counted == 1
    assert [each.words for each in counted.parts] == [
        "part 2 of a record that is not held in its chain",
        "part 2 of record 1",
        "part 3 of record 1",
        "part 2 of record 2",
    ]
    assert [each.seq for each in counted.unread] == [2]
    assert "4 pictures of the rest of a sheet, not counted:" in text(counted)


def test_a_part_in_which_an_acta_was_read_counts_as_what_it_says_once(hub: HubHere) -> None:
    unit = hub.unit("unit-1")
    whole = unit.record([some_payload(1)])
    hub.take(unit.publish(whole))
    first = identity_of(unit, whole)
    for mesa, mode in ((1, Mode.LIVE), (2, Mode.LIVE), (2, Mode.LIVE), (3, Mode.TRAINING)):
        hub.take(unit.publish(unit.record([some_payload(mesa)], first=first, part=2, mode=mode)))
    hub.take(unit.publish(unit.record(first=first, part=3, mode=Mode.TRAINING)))
    counted = hub.count()
    assert (counted.counted, counted.conflicts, counted.parts, counted.training) == (2, [], [], 2)


def identity_of(unit: SomeUnit, record: Record) -> str:
    return hashlib.sha256(note.text_of(note.write(record, unit.signer))).hexdigest()
