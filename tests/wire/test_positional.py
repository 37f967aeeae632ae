"""The tests of the positional layout, by Venezuela's profile of 2024: votes are read exactly, or a refusal says why."""

import csv
import re
import string
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.wire.samples import VE_PAYLOAD
from wire import profiles
from wire.acta import Acta, Contest, Refusal
from wire.positional import Positional

PROFILE = profiles.named("ve-2024-presidential")
PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "ve2024"

QUOTED = "240111020.01.1.0001!149,6,9,3,13,2,0,2,11,4,1,1,3,1,0,0,1,1,0,0,1,0,0,1,1,0,0,0,0,0,0,0,0,8,23,334,2,2!0!0"
"""A published acta of 2024, Comando Con Venezuela."""

WIDTHS = {"NM": 13, "LM": 6, "JABE": 1, "JOBR": 4, "AE": 6, "CF": 1, "DC": 2, "EG": 3, "EM": 1, "BERA": 1}
OWNERS = [owner for owner, width in WIDTHS.items() for _ in range(width)]
"""Whose the 38 positions are, left to right: the council's ballot."""

counts = st.integers(0, 999_999)


class Sheet(NamedTuple):
    """What stands on a sheet; a test that wants it wrong puts anything at all here."""

    centro: Any
    mesa: Any
    f3: Any
    f4: Any
    votes: Any
    nulos: Any
    vacios: Any


sheets = st.builds(
    Sheet,
    centro=st.from_regex("[0-9]{9}", fullmatch=True),
    mesa=st.integers(1, 99),
    f3=st.from_regex("[0-9]{1,8}", fullmatch=True),
    f4=st.from_regex("[0-9]{1,8}", fullmatch=True),
    votes=st.lists(counts, min_size=38, max_size=38),
    nulos=counts,
    vacios=counts,
)


def printed(sheet: Sheet) -> str:
    votes = ",".join(map(str, sheet.votes))
    return f"{sheet.centro}.{sheet.mesa:02}.{sheet.f3}.{sheet.f4}!{votes}!{sheet.nulos}!{sheet.vacios}"


def acta_of(payload: str) -> Acta:
    acta = PROFILE.read([payload])
    assert isinstance(acta, Acta), acta
    return acta


def refusal_of(*payloads: str) -> Refusal:
    refusal = PROFILE.read(payloads)
    assert isinstance(refusal, Refusal), refusal
    return refusal


def totals_of(contest: Contest) -> dict[str, int]:
    totals = dict.fromkeys(WIDTHS, 0)
    for option, votes in contest.votes:
        totals[PROFILE.candidate(contest.id, option)] += votes
    return totals


def test_a_published_acta_is_read_as_it_was_counted() -> None:
    acta = acta_of(QUOTED)
    (contest,) = acta.contests
    assert acta.mesa == "240111020.01"
    assert dict(acta.fields) == {"centro": "240111020", "mesa": "01", "f3": "1", "f4": "0001"}
    assert totals_of(contest) == dict(zip(WIDTHS, (204, 3, 0, 2, 1, 0, 0, 365, 2, 2), strict=True))
    assert (contest.valid, contest.nulos, contest.vacios) == (579, 0, 0)
    assert (acta.profile, acta.doubts, acta.seal) == ("ve-2024-presidential", (), "")


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published payloads of 2024 are not on this machine")
def test_every_published_payload_is_read_with_the_published_totals() -> None:
    with (PUBLISHED / "mesas.csv").open(newline="", encoding="utf-8") as file:
        rows = {f"{row['centro']}.{int(row['mesa']):02}": row for row in csv.DictReader(file)}
    with (PUBLISHED / "payloads.csv").open(newline="", encoding="utf-8") as file:
        payloads = [row["payload"] for row in csv.DictReader(file)]
    assert len(payloads) == 15
    for payload in payloads:
        acta = acta_of(payload)
        (contest,) = acta.contests
        assert acta.doubts == ()
        assert totals_of(contest) == {owner: int(rows[acta.mesa][owner]) for owner in WIDTHS}


@given(sheets)
def test_every_valid_payload_is_read_back_exactly(sheet: Sheet) -> None:
    acta = acta_of(printed(sheet))
    (contest,) = acta.contests
    assert acta.mesa == f"{sheet.centro}.{sheet.mesa:02}"
    assert dict(acta.fields) == {"centro": sheet.centro, "mesa": f"{sheet.mesa:02}", "f3": sheet.f3, "f4": sheet.f4}
    assert [count for _, count in contest.votes] == sheet.votes
    assert (contest.valid, contest.nulos, contest.vacios) == (sum(sheet.votes), sheet.nulos, sheet.vacios)


def test_the_options_belong_to_the_candidates_of_the_ballot() -> None:
    options = [option for option, _ in acta_of(QUOTED).contests[0].votes]
    assert [PROFILE.candidate("presidential", option) for option in options] == OWNERS
    for contest, option in (("presidential", "nobody"), ("mayor", "PSUV"), ("", "")):
        with pytest.raises(KeyError):
            PROFILE.candidate(contest, option)


MUTATIONS = string.digits + ".,!- \n\0éA"


@given(sheets, st.data())
def test_no_single_change_of_a_payload_goes_unseen(sheet: Sheet, drawn: st.DataObject) -> None:
    payload = printed(sheet)
    place = drawn.draw(st.integers(0, len(payload)))
    end = drawn.draw(st.integers(place, min(place + 1, len(payload))))
    altered = payload[:place] + drawn.draw(st.sampled_from(["", *MUTATIONS])) + payload[end:]
    assume(altered != payload)
    assert PROFILE.read([altered]) != acta_of(payload)


def test_no_single_change_of_one_payload_goes_unseen() -> None:
    whole = acta_of(VE_PAYLOAD)
    for place in range(len(VE_PAYLOAD) + 1):
        for each in ("", *MUTATIONS):
            for altered in (VE_PAYLOAD[:place] + each + VE_PAYLOAD[end:] for end in (place, place + 1)):
                assert altered == VE_PAYLOAD or PROFILE.read([altered]) != whole, f"{each!r} at {place}"


BASE = Sheet("240111020", 1, "1", "0001", [600, 700] + [111] * 36, 3, 0)


def sheet_with(**changed: Any) -> str:
    return printed(BASE._replace(**changed))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("", "the payload has 1 sections set apart by '!', the profile ve-2024-presidential has 4"),
        (sheet_with() + "!0", "the payload has 5 sections set apart by '!', the profile ve-2024-presidential has 4"),
        (sheet_with(votes=[0] * 37), "the payload has 37 counts of votes, the profile ve-2024-presidential has 38"),
        (sheet_with(votes=[0] * 39), "the payload has 39 counts of votes, the profile ve-2024-presidential has 38"),
        (sheet_with(nulos="0,0"), "the payload has no plain number as count 1 of nulos"),
        (sheet_with(centro="24011102"), "8 other characters as centro, the profile ve-2024-presidential has 9 digits"),
        (sheet_with(centro="2401110200"), "10 other characters as centro"),
        (sheet_with(centro="24011102x"), "9 other characters as centro"),
        (sheet_with(centro="٢٤٠١١١٠٢٠"), "9 other characters as centro"),
        (sheet_with(mesa=0), "2 other characters as mesa, the profile ve-2024-presidential has 2 digits from 01"),
        (sheet_with(mesa=100), "3 other characters as mesa"),
        (sheet_with(f3=""), "0 other characters as f3, the profile ve-2024-presidential has 1 to 8 digits"),
        (sheet_with(f4="000000001"), "9 other characters as f4"),
        (sheet_with(f4="0001.1"), "has 5 fields, the profile ve-2024-presidential has 4 (centro, mesa, f3, f4)"),
        (sheet_with(votes=["01"] + [0] * 37), "no plain number as count 1 of votes"),
        (sheet_with(votes=[0] * 37 + [-1]), "no plain number as count 38 of votes"),
        (sheet_with(votes=[0] * 37 + ["+1"]), "no plain number as count 38 of votes"),
        (sheet_with(votes=[0] * 37 + [""]), "no plain number as count 38 of votes"),
        (sheet_with(votes=[0] * 37 + ["٣"]), "no plain number as count 38 of votes"),
        (sheet_with(votes=[0] * 37 + [" 3"]), "no plain number as count 38 of votes"),
        (sheet_with(votes=[0] * 37 + [1_000_000]), "has numbers without sign or leading zero"),
        (sheet_with(vacios="0\n"), "no plain number as count 1 of vacios"),
        (sheet_with() + "\r", "no plain number as count 1 of vacios"),
        ("\ufeff" + sheet_with(), "10 other characters as centro"),
        ("https://example.org", "1 sections"),
    ],
)
def test_a_broken_hard_rule_is_refused_with_what_was_expected_and_found(payload: str, reason: str) -> None:
    refusal = refusal_of(payload)
    assert reason in str(refusal)
    assert str(refusal) == f"the payload has {refusal.found}, the profile {refusal.profile} has {refusal.expected}"


def test_one_qr_code_makes_a_sheet_and_only_one() -> None:
    assert str(refusal_of()) == "the payload has 0 QR codes, the profile ve-2024-presidential has 1 QR code"
    assert "2 QR codes" in str(refusal_of(QUOTED, QUOTED))


@pytest.mark.parametrize(
    ("payload", "doubts"),
    [
        (sheet_with(votes=[14] + [0] * 37), ()),
        (sheet_with(votes=[13] + [0] * 37), ("valid is outside the usual 14 to 833",)),
        (sheet_with(votes=[833] + [0] * 37), ()),
        (sheet_with(votes=[833, 1] + [0] * 36), ("valid is outside the usual 14 to 833",)),
        (sheet_with(votes=[99] + [0] * 37, nulos=10), ()),
        (sheet_with(votes=[99] + [0] * 37, nulos=11), ("nulos is outside the usual 0 to 10",)),
        (sheet_with(votes=[99] + [0] * 37, vacios=1), ("vacios is outside the usual 0 to 0",)),
        (sheet_with(votes=[99] + [0] * 37, f3="2"), ("f3 is not '1' as usual",)),
        (sheet_with(votes=[99] + [0] * 37, f4="1"), ("f4 is not '0001' as usual",)),
        (
            sheet_with(votes=[0] * 38, f3="9", nulos=999),
            ("f3 is not '1' as usual", "valid is outside the usual 14 to 833", "nulos is outside the usual 0 to 10"),
        ),
    ],
)
def test_a_broken_soft_rule_is_a_doubt_and_still_an_acta(payload: str, doubts: tuple[str, ...]) -> None:
    assert acta_of(payload).doubts == doubts


def quotes_of(payload: str, text: str) -> list[str]:
    """What a text says that the payload says too, four characters of it or more, but for the profile's own words."""
    own = (PROFILE.id, "0001", "sections", "characters", "numbers", "without", "leading", "presidential")
    for word in own:
        text = text.replace(word, "|")
    pieces = {payload[at : at + 4] for at in range(len(payload) - 3)}
    digits = [run for run in re.findall("[0-9]{3,}", text) if run in payload]
    return [piece for piece in pieces if piece in text] + digits


@given(sheets, st.data())
def test_no_refusal_quotes_the_payload(sheet: Sheet, drawn: st.DataObject) -> None:
    payload = printed(sheet)
    place = drawn.draw(st.integers(0, len(payload)))
    end = drawn.draw(st.integers(place, len(payload)))
    altered = payload[:place] + drawn.draw(st.text("0123456789.,!-x", max_size=6)) + payload[end:]
    answer = PROFILE.read([altered])
    if isinstance(answer, Refusal):
        assert quotes_of(altered, str(answer)) == []


@given(st.lists(st.text(st.characters(), max_size=300), max_size=3))
@example(["\ud800"])
@example(["!" * 5000])
@example(["," * 5000 + "!!!"])
@example(["9" * 7089])
def test_no_text_raises(payloads: list[str]) -> None:
    assert isinstance(PROFILE.read(payloads), Refusal)


def test_the_profile_is_of_this_layout() -> None:
    assert isinstance(PROFILE, Positional)
