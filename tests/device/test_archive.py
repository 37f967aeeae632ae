"""Whole archives: a row for every picture, whatever it is called, however the run is cut, and whoever reads it."""

import csv
import io
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np
import pypdfium2  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

import device.reader
from device.__main__ import main
from device.archive import ANY, SECONDS_MAX, Answer, Entry, Gone, Identity, Looker, Page, Seen, read_archive
from device.progress import Shown, Tally
from device.rows import COLUMNS, FORMULA_SIGNS, Rows, cell, open_rows
from device.worker import warm
from sim.paper import draw, random_payload
from sim.photo import photograph
from sim.photo.mixes import photograph as photographed
from tests.device.fake_looker import fake, fake_looker
from wire.errors import OurFault
from wire.record import NOTHING_KNOWN

PROFILE = "ve-2024-presidential"
PAYLOADS = tuple(random_payload(Random(seed)) for seed in range(3))
OTHER_OF_MESA_0 = PAYLOADS[0][: PAYLOADS[0].index("!")] + PAYLOADS[1][PAYLOADS[1].index("!") :]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def warmed() -> None:
    """The reader is loaded once, and not again by each worker."""
    warm("tests.device.fake_looker")


@cache
def scan(payload: str, seed: int = 0) -> Image.Image:
    """A drawn acta, photographed small."""
    photo = photograph(draw(payload), seed=seed, size=(1400, 800), dpmm=5.0, length_mm=250.0, upside_down=seed % 2 == 1)
    return Image.fromarray(photo.luma)


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.copy().save(path, **options)
    return path


def run(
    *paths: Path,
    out: Path,
    profile_id: str = PROFILE,
    workers: int = 1,
    make: Callable[[str], Callable[[Entry | Page], Answer]] = fake_looker,
    seconds_max: float = SECONDS_MAX,
) -> tuple[int, str]:
    """The exit code and what a log would show."""
    shown = io.StringIO()
    code = read_archive(
        paths,
        out,
        profile_id=profile_id,
        workers=workers,
        console=Console(file=shown, width=200),
        make=make,
        seconds_max=seconds_max,
    )
    return code, shown.getvalue()


def rows_of(out: Path) -> list[dict[str, str]]:
    with out.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def timeless(out: Path) -> list[dict[str, str]]:
    return [row | {"ms": ""} for row in rows_of(out)]


def column(out: Path, name: str) -> dict[str, str]:
    """A column's cells by the names of the files, without their folders."""
    return {row["file"].rsplit("/", 1)[1]: row[name] for row in rows_of(out)}


def summary(shown: str) -> dict[str, str]:
    return {found[1]: found[2] for found in re.finditer(r"│ (.+?) +│ +(.+?) │.*│", shown)}


def test_every_picture_of_a_folder_has_its_row_in_the_order_of_the_walk(tmp_path: Path) -> None:
    archive, out = tmp_path / "archive", tmp_path / "out.csv"
    first, second, third = (scan(payload) for payload in PAYLOADS)
    saved(first, archive / "a.jpg", quality=70)
    saved(first.transpose(Image.Transpose.ROTATE_90), archive / "b" / "turned.png")
    saved(second, archive / "b" / "c" / "deep.webp", quality=80)
    saved(second, archive / "d.tif", save_all=True, append_images=[third, Image.new("1", (400, 300), 1)])
    saved(first, archive / "e.pdf", save_all=True, append_images=[Image.new("L", (300, 300), 255), third])
    saved(third, archive / "without suffix", format="JPEG")
    code, shown = run(archive, out=out, make=Looker, workers=2)
    rows = rows_of(out)
    assert [(row["file"].removeprefix(f"{archive}/"), row["page"], row["pages"], row["state"]) for row in rows] == [
        ("a.jpg", "1", "1", "read"),
        ("b/c/deep.webp", "1", "1", "read"),
        ("b/turned.png", "1", "1", "read"),
        ("d.tif", "1", "3", "read"),
        ("d.tif", "2", "3", "read"),
        ("d.tif", "3", "3", "no code"),
        ("e.pdf", "1", "3", "read"),
        ("e.pdf", "2", "3", "no code"),
        ("e.pdf", "3", "3", "read"),
        ("without suffix", "1", "1", "read"),
    ]
    read = [0, 1, 0, 1, 2, None, 0, None, 2, 2]
    assert [row["payload"] for row in rows] == ["" if index is None else PAYLOADS[index] for index in read]
    assert [(row["width"], row["height"]) for row in rows[:3]] == [("1400", "800"), ("1400", "800"), ("800", "1400")]
    assert rows[0]["mesa"] == PAYLOADS[0][:12]
    assert rows[0]["bytes"] == str((archive / "a.jpg").stat().st_size)
    assert (rows[0]["how"], rows[0]["codes"], rows[0]["profile"]) == ("zxing-cpp", "1", PROFILE)
    assert rows[5]["why"] == "no QR code could be read in the picture"
    assert code == 1
    counts = {"pictures": "10", "read": "8", "no code": "2", "mesas": "3", "scanned again": "5"}
    assert summary(shown).items() >= counts.items()


def test_a_row_names_the_rows_above_that_it_repeats_or_contradicts(tmp_path: Path) -> None:
    archive, out = tmp_path / "archive", tmp_path / "out.csv"
    fake(archive / "1.jpg", PAYLOADS[0])
    fake(archive / "2.jpg", PAYLOADS[1])
    fake(archive / "3-other-scan-of-1.jpg", PAYLOADS[0], scan=1)
    fake(archive / "4-copy-of-1.jpg", PAYLOADS[0])
    fake(archive / "5-against-1.jpg", OTHER_OF_MESA_0)
    fake(archive / "6-nothing.jpg", "")
    fake(archive / "7-copy-of-6.jpg", "")
    code, shown = run(archive, out=out, workers=3)
    where = {name: cell(os.fsencode(archive / name)) for name in ("1.jpg", "6-nothing.jpg")}
    assert {name: place for name, place in column(out, "same_payload_as").items() if place} == {
        "3-other-scan-of-1.jpg": where["1.jpg"],
        "4-copy-of-1.jpg": where["1.jpg"],
    }
    assert {name: place for name, place in column(out, "same_picture_as").items() if place} == {
        "4-copy-of-1.jpg": where["1.jpg"],
        "7-copy-of-6.jpg": where["6-nothing.jpg"],
    }
    assert {name: place for name, place in column(out, "conflict").items() if place} == {
        "5-against-1.jpg": where["1.jpg"]
    }
    assert column(out, "state")["7-copy-of-6.jpg"] == "no code"
    assert column(out, "payload")["4-copy-of-1.jpg"] == PAYLOADS[0]
    assert f"look at these mesas: {PAYLOADS[0][:12]}" in shown
    assert summary(shown)["mesas in conflict"] == "1"
    assert code == 1


def test_a_picture_is_read_once_however_many_copies_there_are(tmp_path: Path) -> None:
    told = tmp_path / "told"
    for name in ("a.jpg", "b.jpg", "c/d.jpg"):
        fake(tmp_path / "archive" / name, PAYLOADS[0])
    telling = partial(fake_looker, told=told)
    assert run(tmp_path / "archive", out=tmp_path / "out.csv", workers=2, make=telling)[0] == 0
    assert told.read_text() == "a.jpg\n"


def test_the_row_says_what_the_profile_makes_of_the_payload(tmp_path: Path) -> None:
    doubtful = PAYLOADS[1].replace(".1.0001!", ".2.0001!")
    nothing = {"payload": "", "mesa": "", "refusal": "", "doubts": "", "why": ""}
    pictures = {
        "acta": (PAYLOADS[0], {"state": "read", "payload": PAYLOADS[0], "mesa": PAYLOADS[0][:12]}),
        "doubtful": (
            doubtful,
            {"state": "read", "payload": doubtful, "mesa": doubtful[:12], "doubts": "f3 is not '1' as usual"},
        ),
        "no acta": (
            "https://example.org",
            {
                "state": "refused",
                "payload": "https://example.org",
                "refusal": f"the payload has 1 sections set apart by '!', the profile {PROFILE} has 4",
            },
        ),
        "nothing": ("", {"state": "no code", "why": "no QR code could be read in the picture"}),
        "two actas": (f"{PAYLOADS[0]}\n{PAYLOADS[1]}", {"state": "several", "why": "2 different QR codes are in view"}),
    }
    for name, (content, _) in pictures.items():
        fake(tmp_path / "archive" / name, content)
    code, _ = run(*(tmp_path / "archive" / name for name in pictures), out=tmp_path / "out.csv")
    assert code == 1
    for row, (content, expected) in zip(rows_of(tmp_path / "out.csv"), pictures.values(), strict=True):
        assert {name: row[name] for name in ("state", *nothing)} == nothing | expected
        assert row["codes"] == str(len(content.split("\n")) if content else 0)


def test_without_a_profile_every_code_is_read_and_none_is_checked(tmp_path: Path) -> None:
    for name, content in {"a.jpg": "https://example.org", "b.jpg": OTHER_OF_MESA_0, "c.jpg": PAYLOADS[0]}.items():
        fake(tmp_path / "archive" / name, content)
    code, _ = run(tmp_path / "archive", out=tmp_path / "out.csv", profile_id=ANY)
    rows = rows_of(tmp_path / "out.csv")
    assert (code, [row["state"] for row in rows]) == (0, ["read"] * 3)
    assert {(row["mesa"], row["refusal"], row["conflict"], row["profile"]) for row in rows} == {("", "", "", ANY)}


def test_the_parts_of_a_brazilian_sheet_are_read_apart_and_together(tmp_path: Path) -> None:
    vectors = ROOT / "docs" / "vectors" / "payloads"
    parts = [(vectors / f"br-bu-1.5-part-{number}.txt").read_text().strip() for number in (1, 2)]
    for name, content in {"1.jpg": parts[0], "2.jpg": parts[1], "both.jpg": "\n".join(parts)}.items():
        fake(tmp_path / "archive" / name, content)
    out = tmp_path / "out.csv"
    assert run(tmp_path / "archive", out=out, profile_id="br-bu-1.5")[0] == 0
    assert column(out, "state") == {"1.jpg": "part", "2.jpg": "part", "both.jpg": "read"}
    assert column(out, "why")["1.jpg"] == "QR codes 1 of 2 are read: show the others"
    assert unquote_to_bytes(column(out, "payload")["both.jpg"]).decode().split("\n") == parts


ODD_NAMES = (
    *(
        b"-rf.jpg",
        b"=HYPERLINK(A1).jpg",
        b"+1.jpg",
        b"@SUM.jpg",
        b"100%.jpg",
        b"%41.jpg",
        b'quote",comma.jpg',
        b" .jpg",
    ),
    *(b"line\nend.jpg", b"tab\t.jpg", b"return\r.jpg", b"latin-1-\xe9.jpg", "señal-México.jpg".encode()),
    *(b"bell\x07.jpg", b"back\\slash.jpg", "right-to-left-\u202egpj.jpg".encode(), b"[bold]markup[/].jpg"),
)


def test_odd_names_are_cells_that_give_the_name_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # so that the odd part begins the cell
    names = sorted(ODD_NAMES)
    for name in names:
        fake(Path(os.fsdecode(name)), PAYLOADS[0])
    code, _ = run(*(Path(os.fsdecode(name)) for name in names), out=Path("out.csv"))
    assert code == 0
    files = [row["file"] for row in rows_of(Path("out.csv"))]
    assert [unquote_to_bytes(file) for file in files] == names
    assert {"back\\slash.jpg", "señal-México.jpg", "latin-1-%E9.jpg", "%3DHYPERLINK(A1).jpg"} < set(files)
    assert Path("out.csv").read_bytes().count(b"\n") == len(names) + 1
    assert run(*(Path(os.fsdecode(name)) for name in names), out=Path("out.csv"))[0] == 0
    assert len(rows_of(Path("out.csv"))) == len(names)


@given(st.binary(max_size=60))
def test_any_bytes_make_a_cell_of_one_line_that_is_no_formula_and_gives_them_back(text: bytes) -> None:
    shown = cell(text)
    assert unquote_to_bytes(shown) == text
    assert shown.encode("utf-8").decode().isprintable()
    assert not FORMULA_SIGNS.intersection(shown[:1])


def test_a_reason_never_breaks_its_line(tmp_path: Path) -> None:
    with open_rows(tmp_path / "out.csv") as table:
        table.append({"file": "a.jpg", "why": "in\ntwo\r lines\x00"})
        assert [row["why"] for row in table] == ["intwo lines"]


def test_the_table_loads_in_sqlite(tmp_path: Path) -> None:
    fake(tmp_path / "archive" / "a.jpg", PAYLOADS[0])
    fake(tmp_path / "archive" / "b,é\n.jpg", PAYLOADS[1])
    run(tmp_path / "archive", out=tmp_path / "out.csv")
    sqlite = shutil.which("sqlite3")
    if sqlite is None:
        pytest.skip("the program sqlite3 is not on this machine")
    commands = f".import --csv {tmp_path}/out.csv rows\nselect file, payload from rows order by file;\n"
    ended = subprocess.run([sqlite], input=commands, capture_output=True, text=True, check=True)
    expected = [("a.jpg", PAYLOADS[0]), ("b,é%0A.jpg", PAYLOADS[1])]
    assert ended.stdout == "".join(f"{tmp_path}/archive/{name}|{payload}\n" for name, payload in expected)
    assert ended.stderr == ""


def test_what_is_passed_over_is_named_and_does_not_count_against_the_run(tmp_path: Path) -> None:
    archive, out = tmp_path / "archive", tmp_path / "archive" / "out.csv"
    fake(archive / "a.jpg", PAYLOADS[0])
    fake(archive / "._a.jpg", PAYLOADS[1])
    fake(archive / ".trash" / "b.jpg", PAYLOADS[1])
    (archive / "Thumbs.db").write_bytes(b"\0" * 5000)
    (archive / "empty").touch()
    (archive / "loop").symlink_to(archive)
    (archive / "also-a.jpg").symlink_to(archive / "a.jpg")
    os.mkfifo(archive / "fifo.jpg")
    code, shown = run(archive, out=out, workers=2)
    assert code == 0
    whys = {
        ".trash": "hidden folder, not looked into",
        "._a.jpg": "hidden file",
        "Thumbs.db": "no picture, by its name and by how it begins",
        "empty": "empty file",
        "fifo.jpg": "not a regular file",
        "loop": "link to a folder, not followed; name that folder too to have it read",
    }
    states = dict.fromkeys(whys, "passed over") | {"a.jpg": "read", "also-a.jpg": "read"}
    assert column(out, "state") == states
    assert {name: why for name, why in column(out, "why").items() if why} == whys
    assert (summary(shown)["pictures"], summary(shown)["passed over"]) == ("2", "6")
    assert run(archive, out=out)[0] == 0
    assert len(rows_of(out)) == len(states)


def test_what_is_asked_for_by_name_is_read_hidden_or_linked_or_called_anything(tmp_path: Path) -> None:
    hidden = fake(tmp_path / ".archive" / "a.jpg", PAYLOADS[0])
    odd = fake(tmp_path / ".odd", PAYLOADS[1])
    link = tmp_path / "link"
    link.symlink_to(hidden.parent)
    assert run(hidden.parent, odd, link, hidden, out=tmp_path / "out.csv")[0] == 0
    assert [row["file"] for row in rows_of(tmp_path / "out.csv")] == [str(hidden), str(odd), str(link / "a.jpg")]


def test_a_folder_deeper_than_a_path_may_be_is_named_with_the_reason(tmp_path: Path) -> None:
    deepest = os.open(tmp_path, os.O_RDONLY)
    for _ in range(40):
        os.mkdir("d" * 120, dir_fd=deepest)
        deepest = os.open("d" * 120, os.O_RDONLY, dir_fd=deepest)
    code, _ = run(tmp_path, out=tmp_path / "out.csv")
    named = [row for row in rows_of(tmp_path / "out.csv") if row["state"] == "unopened"]
    assert code == 1
    assert [row["why"] for row in named] == ["file cannot be opened: File name too long"]


def blank_pdf(pages: int) -> bytes:
    document, file = pypdfium2.PdfDocument.new(), io.BytesIO()
    for _ in range(pages):
        document.new_page(200, 300)
    document.save(file)
    return file.getvalue()


def test_a_pdf_has_a_row_for_each_page_and_one_without_pages_too(tmp_path: Path) -> None:
    for pages in range(3):
        (tmp_path / f"{pages}.pdf").write_bytes(blank_pdf(pages))
    run(tmp_path, out=tmp_path / "out.csv", make=Looker)
    rows = [(row["file"][-5:], row["page"], row["state"]) for row in rows_of(tmp_path / "out.csv")]
    assert rows == [
        ("0.pdf", "1", "broken"),
        *((f"{n}.pdf", str(p), "no code") for n in (1, 2) for p in range(1, n + 1)),
    ]


def test_pictures_that_cannot_be_read_each_have_their_reason(tmp_path: Path) -> None:
    archive, out = tmp_path / "archive", tmp_path / "out.csv"
    good = saved(scan(PAYLOADS[0]), archive / "good.jpg").read_bytes()
    for name, content in {
        "bomb.ppm": b"P6 20000 20000 255\n",
        "broken.pdf": b"%PDF-1.7 no more",
        "empty.jpg": b"",
        "half.jpg": good[: len(good) // 2],
        "iphone.heic": b"\0\0\0\x18ftypheic",
        "no page.pdf": blank_pdf(0),
        "packed.zip": b"PK\3\4 pictures",
        "packed.jpg": b"PK\3\4 pictures",
        "text.jpg": b"no picture",
    }.items():
        (archive / name).write_bytes(content)
    (archive / "nowhere.jpg").symlink_to(tmp_path / "nowhere")
    code, shown = run(archive, out=out, make=Looker)
    whys = {
        "bomb.ppm": "400000000 pixels",
        "broken.pdf": "Failed to load document",
        "empty.jpg": "file is empty; get it again",
        "half.jpg": "truncated",
        "iphone.heic": "HEIC, as phones save pictures, is not read; export them as JPEG",
        "no page.pdf": "PDF has no page; get it again",
        "packed.zip": "file is a ZIP archive, which is not looked into; unpack it",
        "packed.jpg": "file is a ZIP archive, which is not looked into; unpack it",
        "nowhere.jpg": "file cannot be opened: No such file or directory",
        "text.jpg": "10 bytes are no picture of a known kind",
    }
    assert code == 1
    for name, why in column(out, "why").items():
        assert whys.get(name, "") in why, (name, why)
    states = dict.fromkeys(whys, "broken") | dict.fromkeys(("nowhere.jpg", "packed.zip"), "unopened")
    assert column(out, "state") == states | {"good.jpg": "read"}
    assert (summary(shown)["read"], summary(shown)["broken"], summary(shown)["unopened"]) == ("1", "8", "2")


@pytest.mark.parametrize("kind", [".jpg", ".png"])
def test_what_there_is_of_a_picture_that_was_cut_short_is_read_and_the_row_says_so(tmp_path: Path, kind: str) -> None:
    """As an upload that broke off leaves it. Others read such a file without a word, or not at all."""
    above = Image.new("L", (1400, 1600), 255)
    above.paste(scan(PAYLOADS[0]))
    whole = saved(above, tmp_path / f"whole{kind}").read_bytes()
    (tmp_path / f"a bit{kind}").write_bytes(whole[: len(whole) // 10])
    (tmp_path / f"most{kind}").write_bytes(whole[:-500])
    run(tmp_path, out=tmp_path / "out.csv", make=Looker)
    a_bit, most, _ = rows_of(tmp_path / "out.csv")
    assert (a_bit["state"], a_bit["payload"]) == ("broken", "")
    assert "truncated" in a_bit["why"]
    assert (most["state"], most["payload"]) == ("read", PAYLOADS[0])
    assert most["why"].startswith("the file is damaged, what there is of it was read; get it again (picture of ")


def hostile(archive: Path) -> Path:
    """Twelve pictures, two of which cost the worker that reads them."""
    for number in range(12):
        fake(
            archive / f"{number:02}.jpg",
            {3: "loops for ever", 4: "is killed"}.get(number, PAYLOADS[number % 3]),
            number,
        )
    return archive


def test_a_lost_worker_costs_its_own_picture_only_and_the_order_stays(tmp_path: Path) -> None:
    outs = [tmp_path / f"{workers}.csv" for workers in (1, 3)]
    for workers, out in zip((1, 3), outs, strict=True):
        code, shown = run(hostile(tmp_path / "archive"), out=out, workers=workers, seconds_max=1.0)
        assert (code, summary(shown)["lost"]) == (1, "2")
    assert [row["file"][-6:-4] for row in rows_of(outs[0])] == [f"{number:02}" for number in range(12)]
    whys = {name: why for name, why in column(outs[0], "why").items() if why}
    assert whys == {"03.jpg": "not read within 1 s, given up", "04.jpg": "the worker was lost over it (SIGKILL)"}
    assert timeless(outs[0]) == timeless(outs[1])


PROGRAM = (
    f"import pathlib, sys; import {__name__} as here; "
    "sys.exit(here.run(pathlib.Path(sys.argv[1]), out=pathlib.Path(sys.argv[2]), workers=2)[0])"
)


def begun(archive: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(archive), str(out)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("after", [1, 40])
def test_a_killed_run_goes_on_where_it_was_as_if_nothing_had_been(tmp_path: Path, after: int) -> None:
    archive, cut, whole, told = (tmp_path / name for name in ("archive", "cut.csv", "whole.csv", "told"))
    names = [f"{number:03}.jpg" for number in range(100)]
    for number, name in enumerate(names):
        fake(archive / name, PAYLOADS[number % 3] if number % 5 else "", number // 6)  # some 60 different ones
    with begun(archive, cut) as killed:
        assert killed.stdout
        for _ in range(after):
            killed.stdout.readline()
        killed.kill()
        killed.stdout.read()  # until its workers, too, are gone
    there = [row["file"][-7:] for row in rows_of(cut)] if cut.read_bytes().endswith(b"\n") else []
    told.touch()
    run(archive, out=cut, workers=2, make=partial(fake_looker, told=told))
    assert not set(told.read_text().splitlines()) & set(there)
    run(archive, out=whole)
    assert timeless(cut) == timeless(whole)
    assert [row["file"][-7:] for row in rows_of(cut)] == names


def test_ctrl_c_ends_in_order_and_the_same_command_goes_on(tmp_path: Path) -> None:
    archive, cut, whole = tmp_path / "archive", tmp_path / "cut.csv", tmp_path / "whole.csv"
    for number in range(150):
        fake(archive / f"{number:03}.jpg", PAYLOADS[number % 3], number // 3 % 250)
    with begun(archive, cut) as stopped:
        assert stopped.stdout
        read = stopped.stdout.readline()
        stopped.send_signal(signal.SIGINT)
        read += stopped.stdout.read()
    assert stopped.returncode == 130
    rows = rows_of(cut)
    assert 0 < len(rows) < 150
    assert len(read.splitlines()) >= len({row["sha256"] for row in rows})
    run(archive, out=cut, workers=2)
    run(archive, out=whole)
    assert timeless(cut) == timeless(whole)


def test_a_stopped_run_says_how_to_go_on() -> None:
    shown = io.StringIO()
    Shown(Console(file=shown), Tally(), 0).sum_up(Path("out.csv"), stopped=True)
    assert shown.getvalue().endswith("stopped; the same command goes on from here\n")


def test_a_table_torn_anywhere_is_mended_by_its_last_line(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    rows = [{"file": f"{number}.jpg", "state": 'a "quoted", state'} for number in range(3)]
    with open_rows(out) as table:
        for row in rows:
            table.append(row)
    whole = out.read_bytes()
    for kept in range(len(whole)):
        out.write_bytes(whole[:kept])
        with open_rows(out) as table:
            there = list(table)
            assert len(there) == max(whole[:kept].count(b"\n") - 1, 0)
            for row in rows[len(there) :]:
                table.append(row)
        assert out.read_bytes() == whole


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"name,votes\n", "is no table with the columns of this version; name another file"),
        (b"\xff\xd8\xff", "is no table with the columns of this version; name another file"),
        ("\ufeff{}\n1,2\n".format(",".join(COLUMNS)).encode(), "line 2 has not "),
        ("\ufeff{}\n{}\n".format(",".join(COLUMNS), "," * len(COLUMNS)).encode(), "line 2 has not "),
    ],
    ids=["another table", "a picture", "too few columns", "too many"],
)
def test_a_file_that_holds_something_else_is_left_as_it_is(tmp_path: Path, content: bytes, why: str) -> None:
    out = tmp_path / "out.csv"
    out.write_bytes(content)
    with pytest.raises(OurFault, match=why):
        run(tmp_path, out=out)
    assert out.read_bytes() == content


def test_a_table_cannot_be_written_by_two_runs_at_once_nor_where_there_is_no_folder(tmp_path: Path) -> None:
    refusals = {
        "out.csv": "another run is writing it; wait for it",
        "nowhere/out.csv": "cannot be opened: No such file or directory",
        "/dev/full": "is no regular file; name another",
    }
    with open_rows(tmp_path / "out.csv"):
        for name, why in refusals.items():
            with pytest.raises(OurFault, match=why), open_rows(tmp_path / name):
                pass


def test_a_disk_that_takes_no_more_is_told_and_the_rows_before_stay(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_rows(out) as table:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        with pytest.raises(
            OurFault, match="cannot be written: File too large; make room, and the same command goes on"
        ):
            fill(table)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with open_rows(out) as table:
        assert {row["file"] for row in table} == {"a.jpg"}


def fill(table: Rows) -> None:
    for _ in range(100):
        table.append({"file": "a.jpg"})


def test_rows_of_another_profile_are_not_added_to(tmp_path: Path) -> None:
    picture, out = fake(tmp_path / "a.jpg", PAYLOADS[0]), tmp_path / "out.csv"
    run(picture, out=out)
    with pytest.raises(OurFault, match=f"made with --profile {PROFILE}, not any"):
        run(picture, out=out, profile_id=ANY)


def test_a_moved_picture_is_known_again_and_a_copied_one_is_a_copy(tmp_path: Path) -> None:
    archive, out, told = (tmp_path / name for name in ("archive", "out.csv", "told"))
    fake(archive / "a.jpg", PAYLOADS[0])
    fake(archive / "b.jpg", PAYLOADS[1])
    run(archive, out=out)
    (archive / "a.jpg").rename(archive / "moved.jpg")
    shutil.copy(archive / "b.jpg", archive / "copied.jpg")
    _, shown = run(archive, out=out, make=partial(fake_looker, told=told))
    assert [row["file"].rsplit("/")[-1] for row in rows_of(out)] == ["a.jpg", "b.jpg", "copied.jpg"]
    assert column(out, "same_picture_as")["copied.jpg"] == str(archive / "b.jpg")
    assert summary(shown)["moved"] == "1"
    assert not told.exists(), "nothing was read again"


def test_a_copy_has_its_row_though_the_folder_of_the_first_is_not_read_this_time(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    first = fake(tmp_path / "one" / "a.jpg", PAYLOADS[0])
    copied = fake(tmp_path / "other" / "b.jpg", PAYLOADS[0])
    for folder in (first.parent, copied.parent, first.parent):
        run(folder, out=out)
    assert [(row["file"], row["same_picture_as"]) for row in rows_of(out)] == [
        (str(first), ""),
        (str(copied), str(first)),
    ]


def test_what_was_not_measured_is_an_empty_cell(tmp_path: Path) -> None:
    blank = np.full((2000, 620), 235, np.uint8)
    blank[:, :40] = 5  # the dark rim of a scanner's lid: no tray under glare
    Image.fromarray(blank).save(tmp_path / "blank.png")
    out = tmp_path / "out.csv"
    run(tmp_path, out=out, make=Looker)
    measured = (
        "erasures",
        "assumed",
        "margin",
        "corners",
        "px_per_module",
        "blur",
        "contrast",
        "glare",
        "light",
        "pitch",
    )
    (row,) = rows_of(out)
    assert {row[name] for name in measured} == {""}
    assert (row["state"], row["cause"], row["unread"]) == ("no code", "no-code", "0")


def test_what_was_read_is_kept_though_it_cannot_be_certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("device.eye.measure", fails)
    picture, looker = saved(scan(PAYLOADS[0]), tmp_path / "a.png"), Looker(PROFILE)
    identity = looker(Entry(picture))
    assert isinstance(identity, Identity)
    seen = looker(Page(picture, 1, identity.stamp))
    assert isinstance(seen, Seen)
    assert (seen.reading.payloads, seen.quality) == ((PAYLOADS[0],), NOTHING_KNOWN)
    assert seen.uncertified.startswith("ZeroDivisionError in test_archive.py")


def test_a_busy_machine_reads_no_less(tmp_path: Path) -> None:
    """What takes a fifth of a second of the processor's time, where eight others want it too."""
    payload = random_payload(Random(11))
    hard = photographed("archive", 11, payload)
    saved(Image.fromarray(hard.luma), tmp_path / "a.png", compress_level=1)
    here = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(here)})
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(8)]
    try:
        looker = Looker(PROFILE)
        identity = looker(Entry(tmp_path / "a.png"))
        assert isinstance(identity, Identity)
        seen = looker(Page(tmp_path / "a.png", 1, identity.stamp))
    finally:
        for other in others:
            other.kill()
            other.wait()
        os.sched_setaffinity(0, here)
    assert isinstance(seen, Seen)
    assert (seen.reading.payloads, seen.reading.how) == ((payload,), "grid")


def test_a_dozen_workers_on_one_core_are_not_given_up() -> None:
    """Noise of 64 megapixels as PNG with alpha takes longest to decode: 3 s here."""
    assert SECONDS_MAX >= 12 * (device.reader.SECONDS_MAX + 3)


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    picture, out = fake(tmp_path / "a.jpg", PAYLOADS[0]), tmp_path / "out.csv"
    run(picture, out=out)
    fake(picture, PAYLOADS[1])
    run(picture, out=out)
    assert [row["payload"] for row in rows_of(out)] == list(PAYLOADS[:2])


def test_a_file_that_changes_or_goes_between_its_hashing_and_its_reading_is_not_read(tmp_path: Path) -> None:
    picture, looker = fake(tmp_path / "a.jpg", PAYLOADS[0]), Looker(PROFILE)
    identity = looker(Entry(picture))
    assert isinstance(identity, Identity)
    page = Page(picture, 1, identity.stamp)
    fake(picture, PAYLOADS[1] + "longer")
    assert looker(page) == Gone("the file changed while it was being read; say the command again")
    picture.unlink()
    assert looker(page) == Gone("file cannot be opened: No such file or directory")


def test_a_path_at_which_there_is_nothing_is_told_and_nothing_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake(tmp_path / "scans" / "a.jpg", PAYLOADS[0])
    out = tmp_path / "out.csv"
    for wrong in ("scnas", "scans/b.jpg", "scans/a.jpg/c"):
        assert main(["read", str(tmp_path / "scans"), str(tmp_path / wrong), "--csv", str(out)]) == 2
        assert f"{tmp_path / wrong}: there is no such file or folder; nothing was read" in capsys.readouterr().err
    assert rows_of(out) == []


def test_a_path_that_has_its_row_may_be_gone(tmp_path: Path) -> None:
    picture, out = fake(tmp_path / "a.jpg", PAYLOADS[0]), tmp_path / "out.csv"
    run(picture, out=out)
    picture.unlink()
    assert run(picture, out=out)[0] == 1
    assert [row["state"] for row in rows_of(out)] == ["read", "unopened"]


def test_a_file_that_could_not_be_opened_is_tried_again_and_then_counts_once(tmp_path: Path) -> None:
    picture, out = tmp_path / "a.jpg", tmp_path / "out.csv"
    picture.symlink_to(tmp_path / "on a disk that is not there.jpg")
    for _ in range(2):
        assert run(picture, out=out)[0] == 1
    assert [row["state"] for row in rows_of(out)] == ["unopened"]
    picture.unlink()
    fake(picture, PAYLOADS[0])
    code, shown = run(picture, out=out)
    assert [row["state"] for row in rows_of(out)] == ["unopened", "read"]
    assert (code, summary(shown)["pictures"]) == (0, "1")


def looking_while_the_disk_goes(_profile_id: str, disk: Path) -> Callable[[Entry | Page], Answer]:
    """What reads true pictures, and finds the disk pulled that they are on as soon as it is to read one."""
    looker = Looker(PROFILE)

    def look(request: Entry | Page) -> Answer:
        if isinstance(request, Page) and disk.exists():
            disk.rename(disk.with_name("pulled"))
        return looker(request)

    return look


def test_a_disk_pulled_between_hashing_and_reading_costs_no_picture_its_reading(tmp_path: Path) -> None:
    disk, out = tmp_path / "disk", tmp_path / "out.csv"
    for name in ("a.png", "copy of a.png"):
        saved(scan(PAYLOADS[0]), disk / name)
    saved(scan(PAYLOADS[1]), disk / "b.png")
    code, shown = run(disk, out=out, make=partial(looking_while_the_disk_goes, disk=disk))
    assert (code, summary(shown)["unopened"]) == (1, "3")
    assert set(column(out, "why").values()) == {"file cannot be opened: No such file or directory"}
    (tmp_path / "pulled").rename(disk)
    code, shown = run(disk, out=out, make=Looker)
    assert [(row["file"][-5:], row["state"]) for row in rows_of(out)[3:]] == [
        (name, "read") for name in ("a.png", "b.png", "a.png")
    ]
    assert (code, summary(shown)["pictures"], summary(shown)["read"], summary(shown)["copied"]) == (0, "3", "3", "1")


def test_a_log_gets_a_line_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device.progress.LINE_SECONDS", 0.0)
    _, shown = run(fake(tmp_path / "a.jpg", PAYLOADS[0]), out=tmp_path / "out.csv")
    assert re.match(r"1 of 1 files, 1 read, 0 not, [\d.]+ pictures/s, 0 s left\n", shown)


def test_a_terminal_gets_a_bar(tmp_path: Path) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=200)
    picture = fake(tmp_path / "a.jpg", PAYLOADS[0])
    read_archive([picture], tmp_path / "out.csv", profile_id=PROFILE, workers=1, console=console, make=fake_looker)
    assert "1 read, 0 not" in shown.getvalue()
    assert "1/1" in shown.getvalue()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--jobs", "2", "a.jpg"],
        ["--profile", "any", "a.jpg"],
        ["--csv", "out.csv", "--jobs", "0", "a.jpg"],
        ["--csv", "x"],
    ],
)
def test_what_is_asked_wrongly_exits_with_2(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["read", *arguments])


def test_an_unknown_profile_is_named_with_those_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = str(fake(tmp_path / "a.jpg", PAYLOADS[0]))
    assert main(["read", picture, "--csv", str(tmp_path / "out.csv"), "--profile", "other"]) == 2
    assert "there is no profile 'other': use one of br-bu-1.5, ve-2024-presidential" in capsys.readouterr().err


def test_the_command_reads_an_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(scan(PAYLOADS[0]), tmp_path / "archive" / "a.png")
    out = tmp_path / "out.csv"
    assert main(["read", "--csv", str(out), "--jobs", "1", str(tmp_path / "archive")]) == 0
    assert column(out, "payload") == {"a.png": PAYLOADS[0]}
    assert summary(capsys.readouterr().err)["read"] == "1"
