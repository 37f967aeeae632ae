"""The tests of the keyed layout, by Brazil's profile: several QR codes make one sheet, or nothing at all."""

import hashlib
import itertools
import re
from typing import NamedTuple

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.wire.samples import BR_PARTS
from wire import profiles
from wire.acta import Acta, Contest, Incomplete, Refusal
from wire.keyed import Keyed

named = profiles.named("br-bu-1.5")
assert isinstance(named, Keyed)
PROFILE = named
AUTHORITY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"an authority that does not exist").digest())
SIGNED = msgspec.structs.replace(PROFILE, signing_key=AUTHORITY.public_key().public_bytes_raw().hex())

QUOTED = (
    "QRBU:1:1 VRQR:1.5 VRCH:20180830 ORIG:VOTA ORLC:LEG PROC:223 DTPL:20181007 PLEI:228 TURN:1 FASE:O UNFE:ZZ "
    "MUNI:30848 ZONA:1 SECA:483 AGRE:486.941.488.1123 IDUE:1586544 IDCA:253036502661719936089670 VERS:6.32.0.4 "
    "LOCA:1015 APTO:626 COMP:195 FALT:431 DTAB:20181007 HRAB:080000 DTFC:20181007 HRFC:170030 IDEL:295 CARG:1 TIPO:0 "
    "VERC:201809171907 12:16 13:7 15:1 17:103 18:5 19:7 27:2 30:17 45:13 50:1 51:3 APTA:626 NOMI:175 BRAN:5 NULO:15 "
    "TOTC:195 "
    "HASH:714CAF293004CB24BF312B43D3B832DDC91BB3A4501C9A652C87D7DB141DE8C9"
    "15A954CEB1841582E21B5FADCFA2DB39AB6E757220ECC30C89F5B5F6B73FE7C0 "
    "ASSI:F2E52864C5853EEF7C9400013D663406C57E8BD0850256A8514D37ED989C2551"
    "816CB4D106B15EAAA3E8ED30EA48F3C81ED2D9EE79C12ACE577EC121F81BAE08"
)
"""A published boletim de urna of 2018 (municipality 30848, zone 1, section 483), Tribunal Superior Eleitoral."""

SHEET = "ORIG:VOTA FASE:O UNFE:AC MUNI:1392 ZONA:9 SECA:16 IDEL:15103"
MAYOR = "CARG:11 TIPO:0 VERC:1 91:7 92:6 APTA:51 NOMI:13 BRAN:2 NULO:1 TOTC:16"
COUNCIL = (
    "CARG:13 TIPO:1 VERC:1 PART:91 91001:4 91002:2 LEGP:3 TOTP:9 PART:92 92001:1 LEGP:0 TOTP:1 "
    "APTA:51 NOMI:7 LEGC:3 BRAN:1 NULO:0 TOTC:11"
)


def printed(*bodies: str, key: Ed25519PrivateKey = AUTHORITY, head: str = "VRQR:1.5 VRCH:20180618") -> tuple[str, ...]:
    """The QR codes of a sheet with these texts in its parts: hashed and signed as the machine that prints them does."""
    parts: list[str] = []
    text = ""
    for number, body in enumerate(bodies, start=1):
        text = f"{text} {body}" if text else body
        digest = hashlib.sha512(text.encode("latin-1")).digest()
        ending = f" HASH:{digest.hex().upper()}"
        text += ending
        if number == len(bodies):
            ending += f" ASSI:{key.sign(digest).hex().upper()}"
        parts.append(f"QRBU:{number}:{len(bodies)} {head} {body}{ending}")
    return tuple(parts)


def acta_of(*payloads: str, profile: Keyed = PROFILE) -> Acta:
    acta = profile.read(payloads)
    assert isinstance(acta, Acta), acta
    return acta


def refusal_of(*payloads: str, profile: Keyed = PROFILE) -> Refusal:
    refusal = profile.read(payloads)
    assert isinstance(refusal, Refusal), refusal
    assert str(refusal) == f"the payload has {refusal.found}, the profile {refusal.profile} has {refusal.expected}"
    return refusal


def test_a_published_sheet_is_read_as_it_was_counted() -> None:
    acta = acta_of(QUOTED)
    assert acta.mesa == "30848.1.483"
    assert acta.doubts == ()
    assert acta.seal == QUOTED.rpartition(":")[2]
    votes = {"12": 16, "13": 7, "15": 1, "17": 103, "18": 5, "19": 7, "27": 2, "30": 17, "45": 13, "50": 1, "51": 3}
    assert acta.contests == (Contest("1", tuple(votes.items()), nulos=15, vacios=5),)
    assert acta.contests[0].valid == 175
    assert PROFILE.candidate("1", "17") == "17"


def test_a_sheet_in_two_qr_codes_is_read_whole() -> None:
    acta = acta_of(*BR_PARTS)
    assert acta.mesa == "1392.9.16"
    assert acta.doubts == ("FASE is not 'O' as usual",)
    assert dict(acta.fields)["IDEL"] == "15103,15101"
    assert [(each.id, each.valid, each.nulos, each.vacios) for each in acta.contests] == [
        ("6", 30, 0, 0),
        ("7", 25, 5, 0),
        ("5", 26, 34, 0),
        ("3", 25, 2, 3),
        ("1", 27, 1, 2),
    ]
    assert dict(acta.contests[1].votes)["94/LEGP"] == 4


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 0, 0)])
def test_the_order_and_repetition_of_qr_codes_make_no_difference(order: tuple[int, ...]) -> None:
    assert acta_of(*(BR_PARTS[part] for part in order)) == acta_of(*BR_PARTS)


@pytest.mark.parametrize(("shown", "have"), [([0], (1,)), ([1], (2,)), ([1, 1], (2,)), ([0, 0, 0], (1,))])
def test_a_sheet_with_a_qr_code_missing_is_incomplete(shown: list[int], have: tuple[int, ...]) -> None:
    answer = PROFILE.read([BR_PARTS[part] for part in shown])
    assert answer == Incomplete("br-bu-1.5", have, 2)
    assert str(answer) == f"QR codes {have[0]} of 2 are read: show the others"


def test_three_parts_are_incomplete_until_the_last_is_there() -> None:
    parts = printed(SHEET, MAYOR, COUNCIL)
    for count in (1, 2):
        for some in itertools.permutations(range(3), count):
            answer = PROFILE.read([parts[part] for part in some])
            assert answer == Incomplete("br-bu-1.5", tuple(sorted(part + 1 for part in some)), 3)
    for shown in itertools.permutations(parts):
        assert [each.id for each in acta_of(*shown).contests] == ["11", "13"]


def test_a_sheet_may_be_cut_between_any_two_words() -> None:
    words = f"{SHEET} {COUNCIL} {MAYOR}".split(" ")
    whole = acta_of(*printed(" ".join(words)))
    for place in range(1, len(words)):
        acta = acta_of(*printed(" ".join(words[:place]), " ".join(words[place:])))
        assert (acta.contests, acta.fields) == (whole.contests, whole.fields)


@pytest.mark.parametrize(
    "payloads",
    [
        (printed(SHEET, MAYOR)[0], printed(SHEET.replace("SECA:16", "SECA:17"), MAYOR)[1]),
        (printed(SHEET, MAYOR)[0], printed(SHEET.replace("SECA:16", "SECA:17"), MAYOR)[0]),
        (printed(SHEET, MAYOR)[0], printed(SHEET, MAYOR, COUNCIL)[1]),
        (printed(SHEET, MAYOR)[0], printed(SHEET, MAYOR, head="VRQR:1.5 VRCH:20180619")[1]),
        (BR_PARTS[0], QUOTED),
        (BR_PARTS[0], printed(SHEET, MAYOR)[1]),
    ],
    ids=[
        "another-mesa",
        "another-first-part",
        "another-count",
        "another-header",
        "another-sheet",
        "another-second-part",
    ],
)
def test_qr_codes_of_two_sheets_are_refused(payloads: tuple[str, str]) -> None:
    for order in (payloads, payloads[::-1]):
        refusal_of(*order)


ENDING = f"HASH:{'0' * 128} ASSI:{'0' * 128}"


@pytest.mark.parametrize(
    ("payloads", "reason"),
    [
        ([], "QR codes of 0 sheets"),
        ([""], "another word at place 1"),
        (["QRBU:1:1"], "has another beginning"),
        (["VRQR:1.5 QRBU:1:1 VRCH:1 " + ENDING], "the profile br-bu-1.5 has the keys QRBU, VRQR, VRCH first"),
        (["QRBU:1:1 VRQR:1.6 VRCH:1 " + ENDING], "the payload has another VRQR, the profile br-bu-1.5 has VRQR:1.5"),
        (["QRBU:2:1 VRQR:1.5 VRCH:1 " + ENDING], "no such QRBU"),
        (["QRBU:0:1 VRQR:1.5 VRCH:1 " + ENDING], "no such QRBU"),
        (["QRBU:1:17 VRQR:1.5 VRCH:1 " + ENDING], "QRBU:number:count, at most 16"),
        (["QRBU:1 VRQR:1.5 VRCH:1 " + ENDING], "no such QRBU"),
        (["QRBU:1:1 VRQR:1.5 VRCH:1"], "HASH: and 128 hex digits at the end"),
        (["QRBU:1:1 VRQR:1.5 VRCH:1 " + SHEET], "HASH: and 128 hex digits at the end"),
        (["QRBU:1:1 VRQR:1.5 VRCH:1 " + ENDING], "HASH: and 128 hex digits at the end"),
        (["QRBU:1:1 VRQR:1.5 VRCH:1 A:1 " + ENDING], "another word at place 4"),
        (["QRBU:1:1 VRQR:1.5 VRCH:1 ORIG:€ " + ENDING], "another word at place 4"),
        (["QRBU:1:1 VRQR:1.5 VRCH:1 ORIG:VOTA  " + ENDING], "another word at place 5"),
        ([QUOTED + "\n"], "another word at place"),
        ([" " + QUOTED], "another word at place 1"),
        ([QUOTED + " "], "another word at place"),
        ([QUOTED.replace(" ASSI:", " ")], "another word at place"),
        ([QUOTED.partition(" ASSI:")[0]], "ASSI: and 128 hex digits behind the last HASH"),
        ([QUOTED[:-1]], "ASSI: and 128 hex digits behind the last HASH"),
        ([QUOTED[:-1] + "e"], "ASSI: and 128 hex digits behind the last HASH"),
        (
            [QUOTED.replace("17:103", "17:104")],
            "the payload has text that does not, the profile br-bu-1.5 has text that hashes",
        ),
        ([BR_PARTS[0] + " ASSI:" + "0" * 128, BR_PARTS[1]], "ASSI: and 128 hex digits behind the last HASH"),
        ([BR_PARTS[0].replace("PART:92", "PART:95"), BR_PARTS[1]], "text that does not"),
        ([BR_PARTS[0], BR_PARTS[1].replace("CARG:1 ", "CARG:2 ")], "text that does not"),
        ([BR_PARTS[0], BR_PARTS[0].replace("9101:1", "9101:2")], "two different QR codes 1 of 2"),
    ],
)
def test_qr_codes_that_are_no_sheet_are_refused(payloads: list[str], reason: str) -> None:
    assert reason in str(refusal_of(*payloads))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (SHEET, "has 0 whole ones, the profile br-bu-1.5 has contests from CARG to TOTC"),
        (f"{SHEET} {MAYOR.partition(' TOTC')[0]}", "has 0 whole ones"),
        (f"{SHEET} {MAYOR} {COUNCIL.partition(' TOTC')[0]}", "has 1 whole ones"),
        (f"{SHEET} {MAYOR} {MAYOR}", "has one twice, the profile br-bu-1.5 has each CARG once"),
        (MAYOR, "not all of them, the profile br-bu-1.5 has the keys MUNI, ZONA, SECA"),
        (f"{SHEET.replace(' ZONA:9', '')} {MAYOR}", "not all of them"),
        (f"{SHEET} SECA:17 {MAYOR}", "one twice, the profile br-bu-1.5 has each key once"),
        (f"{SHEET} 91:7 {MAYOR}", "votes outside, the profile br-bu-1.5 has votes within CARG and TOTC"),
        (
            f"{SHEET} {MAYOR.replace('91:7', '91:8')}",
            "a NOMI that is not, the profile br-bu-1.5 has a NOMI that is the sum",
        ),
        (f"{SHEET} {MAYOR.replace('NOMI:13', 'NOMI:14')}", "a NOMI that is not"),
        (f"{SHEET} {MAYOR.replace('TOTC:16', 'TOTC:15')}", "a TOTC that is not"),
        (f"{SHEET} {MAYOR.replace('BRAN:2', 'BRAN:3')}", "a TOTC that is not"),
        (f"{SHEET} {MAYOR.replace('NULO:1', 'NULO:01')}", "no plain number as NULO"),
        (f"{SHEET} {MAYOR.replace('BRAN:2 ', '')}", "no plain number as BRAN"),
        (
            f"{SHEET} {MAYOR.replace('BRAN:2', 'BRAN:2 BRAN:2')}",
            "one twice, the profile br-bu-1.5 has each key once in a",
        ),
        (f"{SHEET} {MAYOR.replace('91:7', '91:1000000')}", "no plain number as a ballot option's votes"),
        (
            f"{SHEET} {MAYOR.replace('91:7', '91:7 91:7')}",
            "one twice, the profile br-bu-1.5 has each ballot option once",
        ),
        (f"{SHEET} {COUNCIL.replace('TOTP:9', 'TOTP:8')}", "a TOTP that is not"),
        (f"{SHEET} {COUNCIL.replace('LEGC:3', 'LEGC:4')}", "a LEGC that is not"),
        (f"{SHEET} {COUNCIL.replace('LEGP:3', 'LEGP:3 LEGP:0')}", "each ballot option once"),
        (f"{SHEET} HASH:{'0' * 128} {MAYOR}", "others in between, the profile br-bu-1.5 has one HASH at each end"),
        (f"{SHEET} ASSI:{'0' * 128} {MAYOR}", "others in between"),
    ],
)
def test_a_broken_hard_rule_is_refused_though_hash_and_signature_hold(body: str, reason: str) -> None:
    payloads = printed(body)
    for profile in (PROFILE, SIGNED):
        refusal = str(refusal_of(*payloads, profile=profile))
        assert reason in refusal
        assert not [run for run in re.findall("[0-9]{3,}", refusal) if run in payloads[0]]


@pytest.mark.parametrize(
    ("body", "doubts"),
    [
        (f"{SHEET} {MAYOR}", ()),
        (f"{SHEET} {MAYOR} IDEL:15101 {COUNCIL}", ()),
        (f"{SHEET.replace('FASE:O', 'FASE:T')} {MAYOR}", ("FASE is not 'O' as usual",)),
        (f"{SHEET} NOVA:1 {MAYOR}", ("NOVA is not a key of this profile",)),
        (f"{SHEET} {MAYOR.replace('APTA', 'NOVA')}", ("NOVA is not a key of this profile",)),
    ],
)
def test_a_broken_soft_rule_is_a_doubt_and_still_an_acta(body: str, doubts: tuple[str, ...]) -> None:
    assert acta_of(*printed(body)).doubts == doubts


def test_an_altered_count_with_a_hash_of_its_own_is_found_by_the_authoritys_key() -> None:
    body = f"{SHEET} {MAYOR}"
    altered = f"{SHEET} {MAYOR.replace('91:7', '91:8').replace('NOMI:13', 'NOMI:14').replace('TOTC:16', 'TOTC:17')}"
    honest, forged = printed(body), printed(altered, key=Ed25519PrivateKey.generate())
    assert acta_of(*honest, profile=SIGNED).contests == acta_of(*honest).contests
    assert acta_of(*forged).contests[0].valid == 14  # without the key nobody can tell
    assert "one that is not the authority's, the profile br-bu-1.5 has a valid ASSI" in str(
        refusal_of(*forged, profile=SIGNED)
    )
    kept = forged[0].partition(" ASSI:")[0] + " ASSI:" + honest[0].partition(" ASSI:")[2]
    assert "not the authority's" in str(refusal_of(kept, profile=SIGNED))


@pytest.mark.parametrize("key", ["00" * 32, "ff" * 32, "01" + "00" * 31])
def test_a_key_that_is_not_the_authoritys_takes_no_sheet(key: str) -> None:
    profile = msgspec.structs.replace(PROFILE, signing_key=key)
    assert "not the authority's" in str(refusal_of(QUOTED, profile=profile))


def test_the_published_samples_signature_is_of_the_last_parts_hash() -> None:
    """The rehearsal's own key is unknown; our own signature over the same bytes is taken, over any others not."""
    body, found, _ = BR_PARTS[1].rpartition(" ASSI:")
    digest = bytes.fromhex(body.rpartition("HASH:")[2])
    for text, taken in ((digest, True), (digest.hex().encode(), False), (digest[:-1], False)):
        answer = SIGNED.read([BR_PARTS[0], body + found + AUTHORITY.sign(text).hex().upper()])
        assert isinstance(answer, Acta) is taken


class Sheet(NamedTuple):
    """A sheet as people would say it: the place, and for each office its votes, void and blank ones."""

    place: tuple[int, int, int]
    contests: dict[int, tuple[dict[str, int], int, int]]


counts = st.integers(0, 9999)
offices = st.tuples(
    st.dictionaries(st.from_regex("[0-9]{2,5}", fullmatch=True), counts, min_size=1, max_size=8), counts, counts
)
sheets = st.builds(
    Sheet,
    st.tuples(*[st.integers(1, 99999)] * 3),
    st.dictionaries(st.integers(1, 99), offices, min_size=1, max_size=4),
)


def body_of(sheet: Sheet) -> str:
    words = [f"{key}:{value}" for key, value in zip(("MUNI", "ZONA", "SECA"), sheet.place, strict=True)]
    for office, (votes, nulos, vacios) in sheet.contests.items():
        valid = sum(votes.values())
        words += [f"CARG:{office}", *(f"{option}:{count}" for option, count in votes.items())]
        words += [f"NOMI:{valid}", f"BRAN:{vacios}", f"NULO:{nulos}", f"TOTC:{valid + nulos + vacios}"]
    return " ".join(words)


@given(sheets, st.data())
def test_every_valid_sheet_is_read_back_exactly(sheet: Sheet, drawn: st.DataObject) -> None:
    words = body_of(sheet).split(" ")
    cuts = sorted(drawn.draw(st.sets(st.integers(1, len(words) - 1), max_size=4)))
    bodies = [" ".join(words[start:end]) for start, end in itertools.pairwise([0, *cuts, len(words)])]
    payloads = drawn.draw(st.permutations(printed(*bodies)))
    acta = acta_of(*payloads, profile=SIGNED)
    assert acta.mesa == ".".join(map(str, sheet.place))
    assert {int(each.id): (dict(each.votes), each.nulos, each.vacios) for each in acta.contests} == sheet.contests
    for count in range(1, len(payloads)):
        assert isinstance(SIGNED.read(payloads[:count]), Incomplete)


@given(sheets, st.data())
def test_no_single_change_of_a_sheet_goes_unseen(sheet: Sheet, drawn: st.DataObject) -> None:
    (payload,) = printed(body_of(sheet))
    place = drawn.draw(st.integers(0, len(payload)))
    end = drawn.draw(st.integers(place, min(place + 1, len(payload))))
    altered = payload[:place] + drawn.draw(st.sampled_from(["", *"0189:. ABFabz\n\0é"])) + payload[end:]
    assume(altered != payload)
    assert PROFILE.read([altered]) != acta_of(payload)


def test_no_single_change_of_one_sheet_goes_unseen() -> None:
    whole = acta_of(QUOTED)
    for place in range(len(QUOTED) + 1):
        for each in ("", "0", "7", "A", "b", ":", ".", " ", "\n", "é"):
            for altered in (QUOTED[:place] + each + QUOTED[end:] for end in (place, place + 1)):
                assert altered == QUOTED or PROFILE.read([altered]) != whole, f"{each!r} at {place}"


@given(st.lists(st.text(st.characters(), max_size=300), max_size=3))
@example(["\ud800"])
@example(["QRBU:1:1 VRQR:1.5 VRCH:1 \ud800 " + ENDING])
@example(["QRBU:1:1 VRQR:1.5 VRCH:1 ORIG:é " + ENDING])
@example(["QRBU:1:1 VRQR:1.5 VRCH:" + "1" * 7000])
@example([" " * 7089])
def test_no_text_raises(payloads: list[str]) -> None:
    for each in (payloads, [f"QRBU:1:1 VRQR:1.5 VRCH:1 {payload} {ENDING}" for payload in payloads]):
        assert isinstance(PROFILE.read(each), Refusal)


@given(sheets, st.data())
def test_no_refusal_quotes_the_sheet(sheet: Sheet, drawn: st.DataObject) -> None:
    """Its longest run of digits is of two, but for what stands in the profile itself."""
    words = body_of(sheet).split(" ")
    place = drawn.draw(st.integers(0, len(words) - 1))
    other = drawn.draw(st.sampled_from(["", "91:7", "BRAN:", "BRAN:07", "TOTC:123456", "91001:x", *words]))
    answer = SIGNED.read(printed(" ".join([*words[:place], other, *words[place + 1 :]])))
    if isinstance(answer, Refusal):
        assert re.findall("[0-9]{3,}", str(answer).replace("128 hex digits", "")) == []
