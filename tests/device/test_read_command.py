"""The read command: one line a file, whatever the file is and whatever becomes of the worker."""

import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import segno
from PIL import Image

from device.reader import Reading
from device.reading import FILE_BYTES_MAX, Outcome, file_reader, read_files
from sim.paper import draw
from sim.photo import photograph
from tests.device.fates import meet

BRAZILIAN = (
    "QRBU:1:1 VRQR:1.5 VRCH:20180830 ORIG:VOTA ORLC:LEG PROC:223 DTPL:20181007 PLEI:228 TURN:1 FASE:O UNFE:ZZ MUNI:"
    "30848 ZONA:1 SECA:483 AGRE:486.941.488.1123 IDUE:1586544 IDCA:253036502661719936089670 VERS:6.32.0.4 LOCA:1015"
    " APTO:626"
)


def lines_of(
    paths: Sequence[Path], make: Callable[[], Callable[[Path], Outcome]] = file_reader, seconds_max: float = 60.0
) -> tuple[int, list[dict[str, object]]]:
    out = io.StringIO()
    code = read_files(paths, out, make=make, seconds_max=seconds_max)
    assert out.getvalue().isascii()
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


def fatal_reader() -> Callable[[Path], Outcome]:
    """What a decoder does at its worst, by the file's name."""
    return lambda path: Reading((meet(path.name),), "test")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "acta.jpg"
    file.write_bytes(photograph(draw(BRAZILIAN), seed=3, size=(2304, 1296), dpmm=5.75).jpeg())
    return file


def test_a_good_picture_gives_its_payload_and_nothing_else(good: Path) -> None:
    code, (line,) = lines_of([good])
    assert code == 0
    assert isinstance(line.pop("ms"), float)
    assert line == {"file": str(good), "payload": BRAZILIAN, "how": "zxing-cpp"}


def test_no_files_are_no_failure() -> None:
    assert lines_of([]) == (0, [])


def test_bad_files_are_named_each_with_its_reason_and_the_good_one_is_still_read(good: Path, tmp_path: Path) -> None:
    blank, bomb, text, half, empty, fifo, sparse = (
        tmp_path / name for name in ("blank.png", "bomb.ppm", "notes.txt", "half.jpg", "empty", "fifo", "sparse.tif")
    )
    Image.new("L", (400, 300), 255).save(blank)
    bomb.write_bytes(b"P5 10000 10000 255\n")
    text.write_text("no picture")
    half.write_bytes(good.read_bytes()[:50_000])
    empty.touch()
    os.mkfifo(fifo)
    with sparse.open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    reasons = {
        blank: "no QR code could be read in the picture",
        bomb: "picture has 10000 x 10000 pixels, at most 64000000 are read",
        text: "10 bytes are no picture of a known kind",
        half: "truncated",
        empty: "file is empty; get it again",
        fifo: "not a regular file",
        sparse: f"file has {FILE_BYTES_MAX + 1} bytes",
        tmp_path: "not a regular file",
        Path("/dev/zero"): "not a regular file",
        tmp_path / "missing.png": "file cannot be opened: No such file or directory",
        good / "inside.png": "file cannot be opened: Not a directory",
        tmp_path / ("long" * 100): "file cannot be opened: File name too long",
    }
    code, lines = lines_of([*reasons, good])
    assert code == 1
    assert [line["file"] for line in lines] == [str(path) for path in [*reasons, good]]
    for line, reason in zip(lines, reasons.values(), strict=False):
        assert (line["payload"], line["how"]) == (None, ""), line
        assert reason in str(line["why"]), line
    assert lines[-1]["payload"] == BRAZILIAN


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_we_may_not_read_is_named_with_the_reason(good: Path) -> None:
    good.chmod(0)
    code, (line,) = lines_of([good])
    assert (code, line["why"]) == (1, "file cannot be opened: Permission denied")


def test_a_name_that_is_no_utf_8_is_read_all_the_same(good: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(good) + b"\xff"))
    good.rename(odd)
    code, (line,) = lines_of([odd])
    assert (code, line["file"]) == (0, str(odd))


def test_several_codes_in_view_are_all_listed_and_none_is_chosen(tmp_path: Path) -> None:
    both = Image.new("L", (500, 260), 255)
    for left, text in enumerate(("first", "second")):
        file = io.BytesIO()
        segno.make(text, micro=False).save(file, kind="png", scale=8, border=4)
        both.paste(Image.open(file), (10 + 240 * left, 10))
    both.save(tmp_path / "both.png")
    code, (line,) = lines_of([tmp_path / "both.png"])
    assert (code, line["payload"], line["payloads"]) == (1, None, ["first", "second"])
    assert line["why"] == "2 different QR codes are in view"


def test_a_lost_worker_costs_its_own_file_only() -> None:
    reasons = {
        "loops for ever": "not read within 1 s, given up",
        "is killed": "the worker was lost over it (SIGKILL)",
    }
    asked = [name for bad in reasons for name in (bad, f"after it {bad}")]
    code, lines = lines_of([Path(name) for name in asked], fatal_reader, seconds_max=1.0)
    assert code == 1
    assert [line["file"] for line in lines] == asked
    assert [line.get("why", line["payload"]) for line in lines] == [reasons.get(name, name) for name in asked]
