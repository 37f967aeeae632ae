"""The roster's import: every fault of a CSV file is named by its line, and nothing is taken that has one."""

import csv
from collections.abc import Iterable
from pathlib import Path

import pytest

from provisioning import roster
from provisioning.__main__ import main
from provisioning.roster import CSV_BYTES_MAX, RosterError, check
from tests.house.tree import ROOT
from wire import profiles
from wire.package import ROSTER_BYTES_MAX

VE = profiles.named("ve-2024-presidential")
BR = profiles.named("br-bu-1.5")
GOOD = "centro,mesa\n010101001,01\n010101001,02\n"
MESAS = ["010101001.01", "010101001.02"]
REAL = ROOT.parent / "shared" / "data" / "ve2024" / "mesas.csv"


def faults(text: str | bytes) -> list[str]:
    return list(map(str, check(text.encode() if isinstance(text, str) else text, VE.mesa_fields)[1]))


def rows(*more: str) -> str:
    return "centro,mesa\n" + "".join(f"{row}\n" for row in more)


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.replace(",", ";"),
        GOOD.replace(",", "\t"),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        GOOD.rstrip("\n"),
        f"\ufeff{GOOD}",
        'centro,mesa\n"010101001","01"\n010101001,"02"\n',
        'Mesa ; CENTRO\r\n01;"010101001"\r\n02;010101001\r\n',
    ],
)
def test_what_a_spreadsheet_saves_is_read_however_it_is_set(content: str) -> None:
    assert check(content.encode(), VE.mesa_fields) == (MESAS, [])


ZEROS = "which has lost leading zeros: format the column as text, and write them again"
NUMBER = "a number as spreadsheets write them: format the column as text, and type it anew"
UNSEEN = "with a character that cannot be seen: type it anew"
FAULTS = {
    "10101001,01": f"line 2, column centro: expected 9 digits, found '10101001', {ZEROS}",
    "010101001,1": f"line 2, column mesa: expected 2 digits from 01, found '1', {ZEROS}",
    "1.0101E+08,01": f"line 2, column centro: expected 9 digits, found '1.0101E+08', {NUMBER}",
    "010101001,1.0": f"line 2, column mesa: expected 2 digits from 01, found '1.0', {NUMBER}",
    '"10,101,001",01': f"line 2, column centro: expected 9 digits, found '10,101,001', {NUMBER}",
    "010101001,00": "line 2, column mesa: expected 2 digits from 01, found '00': correct it",
    "010101001,100": "line 2, column mesa: expected 2 digits from 01, found '100': correct it",
    "01010100l,01": "line 2, column centro: expected 9 digits, found '01010100l': correct it",
    "٠١٠١٠١٠٠١,01": "line 2, column centro: expected 9 digits, found '٠١٠١٠١٠٠١': correct it",
    " 010101001,01": "line 2, column centro: expected 9 digits, found ' 010101001', with a space before or behind it: "
    "remove the space",
    "010101001\u00a0,01": f"line 2, column centro: expected 9 digits, found '010101001\\xa0', {UNSEEN}",
    "0101\u200b01001,01": f"line 2, column centro: expected 9 digits, found '0101\\u200b01001', {UNSEEN}",
    "0101\x0701001,01": f"line 2, column centro: expected 9 digits, found '0101\\x0701001', {UNSEEN}",
    "'010101001,01": 'line 2, column centro: expected 9 digits, found "\'010101001": remove what tells a spreadsheet '
    "that it is text or a formula",
    '"=""010101001""",01': "line 2, column centro: expected 9 digits, found '=\"010101001\"': remove what tells a "
    "spreadsheet that it is text or a formula",
    ",01": "line 2, column centro: expected 9 digits, found nothing: fill it in",
    "010101001": "line 2: expected 2 fields as in line 1, found 1: look for a separator too many or too few",
    "010101001,01,": "line 2: expected 2 fields as in line 1, found 3: look for a separator too many or too few",
    "010101001;01": "line 2: expected 2 fields as in line 1, found 1: look for a separator too many or too few",
    ",": "line 2: it is empty: remove it",
    "": "line 2: it is empty: remove it",
    '"010101001,01': "line 2: a quote is opened and not closed, or closed and more follows: correct it",
    f"{'9' * 60},01": f"line 2, column centro: expected 9 digits, found '{'9' * 40}...': correct it",
}


@pytest.mark.parametrize("row", FAULTS)
def test_a_faulty_line_is_named_with_what_was_expected_and_what_to_do(row: str) -> None:
    assert faults(rows(row, "010101001,01")) == [FAULTS[row]]


def test_a_mesa_that_is_there_twice_is_named_with_both_its_lines() -> None:
    said = faults(rows("010101001,01", "010101001,02", "010101001,01"))
    assert said == ["line 4: the mesa 010101001.01 is in line 2 already: remove one of them"]


def test_bytes_that_are_not_utf_8_are_named_line_by_line() -> None:
    said = faults(rows("010101001,01", "010101002,01").encode().replace(b"2,01", b"2,01\xf1"))
    assert said[0] == "line 3: byte 13 (0xF1) is not UTF-8, perhaps Latin-1: save the file as CSV UTF-8"
    assert said[1].startswith("line 3, column mesa: expected 2 digits from 01, found '01\u00f1'")
    assert len(said) == 2


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("centro,mesa,nombre", ["line 1, column 3: 'nombre' is none of centro,mesa: remove the column"]),
        ("centro,mesa,", ["line 1, column 3: it has no name: remove the column"]),
        ("centro,mesa,centro", ["line 1, column 3: 'centro' is there twice: remove one of them"]),
        ("centro,mesas,x", [
            "line 1, column 2: 'mesas' is none of centro,mesa: remove the column",
            "line 1, column 3: 'x' is none of centro,mesa: remove the column",
            "line 1, column mesa: it lacks: add it (2 digits from 01)",
        ]),
    ],
)  # fmt: skip
def test_a_column_that_is_unknown_there_twice_or_lacking_is_named(header: str, expected: list[str]) -> None:
    assert faults(f"{header}\n010101001,01,7\n") == expected


def test_a_file_without_a_header_is_told_and_its_lines_are_looked_at_all_the_same() -> None:
    assert faults("010101001,01\n10101001,02\n") == [
        "line 1: expected the header centro,mesa, found '010101001,01': put it on top",
        f"line 2, column centro: expected 9 digits, found '10101001', {ZEROS}",
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file: it is empty: put a header and the mesas into it"),
        (b"\xef\xbb\xbf \n\n", "the file: it is empty: put a header and the mesas into it"),
        (b"centro,mesa\n", "the file: there is no mesa in it: put them below the header, one a line"),
        (GOOD.encode("utf-16"), "the file: it is UTF-16 ('Unicode text'): save it as CSV UTF-8"),
        (b"PK\x03\x04xl/worksheets", "the file: it is a spreadsheet's own file: save it as CSV UTF-8"),
        (
            bytes(CSV_BYTES_MAX + 1),
            f"the file: it is longer than {CSV_BYTES_MAX} bytes: ",
        ),
    ],
)
def test_a_file_that_is_no_list_of_mesas_is_told(content: bytes, words: str) -> None:
    (said,) = faults(content)
    assert said.startswith(words)


def test_more_mesas_than_a_package_has_room_for_are_told() -> None:
    mesa = "{:020d}.{:020d}.{:020d}"  # long ones, for there need be fewer
    count = ROSTER_BYTES_MAX // len(f"{mesa.format(0, 0, 0)}\n") + 1
    lines = (f"{0:020d},{0:020d},{number:020d}" for number in range(count))
    found = check("\n".join(["MUNI,ZONA,SECA", *lines]).encode(), BR.mesa_fields)[1]
    what = f"{count} mesas take {count * 63} bytes, a package has room for {ROSTER_BYTES_MAX}"
    assert list(map(str, found)) == [f"the file: {what}: divide the election into deployments"]


def test_all_faults_of_a_file_are_told_at_once_in_the_order_of_its_lines() -> None:
    text = rows("1,1", "010101001,01", "", "010101001,01", "x,y")
    assert [said.partition(":")[0] for said in faults(text)] == [
        "line 2, column centro",
        "line 2, column mesa",
        "line 4",
        "line 5",
        "line 6, column centro",
        "line 6, column mesa",
    ]


def test_mesas_of_an_election_that_names_them_otherwise_are_read_too() -> None:
    content = b"UNFE;SECA;MUNI;ZONA\nZZ;483;30848;1\n".replace(b"UNFE;", b"").replace(b"ZZ;", b"")
    assert check(content, BR.mesa_fields) == (["30848.1.483"], [])


def written(path: Path, real: Iterable[dict[str, str]]) -> Path:
    path.write_text(rows(*(f"{row['centro']},{row['mesa']}" for row in real)), "utf-8")
    return path


@pytest.mark.skipif(not REAL.exists(), reason="the published results are not beside the project")
def test_the_roster_of_a_real_election_is_read_and_one_that_a_spreadsheet_has_spoiled_is_not(tmp_path: Path) -> None:
    with REAL.open(encoding="utf-8", newline="") as file:
        real = list(csv.DictReader(file))
    found = roster.read(written(tmp_path / "good.csv", real), VE)
    assert len(found) == len(real) == 25_073
    assert all(f"{row['centro']}.{row['mesa']}" in found for row in real[::97])
    assert len(found.text) < 400_000
    spoiled = [{"centro": str(int(row["centro"])), "mesa": str(int(row["mesa"]))} for row in real]
    with pytest.raises(RosterError) as raised:
        roster.read(written(tmp_path / "spoiled.csv", spoiled), VE)
    lost = sum(len(row["centro"]) < 9 for row in spoiled) + sum(len(row["mesa"]) < 2 for row in spoiled)
    assert len(raised.value.faults) == lost > 25_000


def test_the_program_says_every_fault_and_then_how_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "roster.csv"
    file.write_text(rows("010101001,1", ""), "utf-8")
    assert main(["roster", str(file), "--profile", VE.id]) == 2
    told = capsys.readouterr()
    assert told.out.splitlines() == [FAULTS["010101001,1"], "line 3: it is empty: remove it"]
    assert told.err == (f"testigo-provision: roster {file}: 2 faults: nothing was taken; correct them, say it again\n")
    file.write_text(GOOD, "utf-8")
    assert main(["roster", str(file), "--profile", VE.id]) == 0
    assert capsys.readouterr().out == f"{file}: 2 mesas, without a fault\n"
    assert main(["roster", str(tmp_path / "none.csv"), "--profile", VE.id]) == 2
    assert "No such file or directory: name the CSV file" in capsys.readouterr().err
    assert main(["roster", str(file), "--profile", "none"]) == 2
