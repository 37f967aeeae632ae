"""The drawn files' freshness: each is what its code would draw today, and small enough to be checked in."""

from pathlib import Path

import pytest

from hardware.build import solids, stl
from hardware.build.drawn import EXPORTS, PICTURES, ROOT, files, is_fresh, stale, write

FILES = files()
BYTES_MAX = 300_000


@pytest.mark.parametrize("path", list(FILES))
def test_a_drawn_file_is_what_its_code_would_draw(path: str) -> None:
    assert is_fresh(ROOT / path, FILES[path]()), "make docs redraws it"
    assert (ROOT / path).stat().st_size <= BYTES_MAX


def test_no_file_lies_there_that_nothing_draws() -> None:
    there = {path.relative_to(ROOT).as_posix() for folder in (EXPORTS, PICTURES) for path in (ROOT / folder).iterdir()}
    assert there - set(FILES) == set()


def test_a_file_that_is_stale_or_missing_is_named_and_only_that_is_redrawn(tmp_path: Path) -> None:
    drawn = {"a/one.svg": lambda: b"<svg/>", "two.stl": lambda: stl.written(solids.frame())}
    assert stale(drawn, tmp_path) == ["a/one.svg", "two.stl"]
    assert write(drawn, tmp_path) == ["a/one.svg", "two.stl"]
    assert write(drawn, tmp_path) == []
    (tmp_path / "a/one.svg").write_bytes(b"<svg>")
    assert stale(drawn, tmp_path) == ["a/one.svg"]


def test_a_solid_is_the_same_though_its_last_digit_is_another_machine_s(tmp_path: Path) -> None:
    path = tmp_path / "frame.stl"
    path.write_bytes(stl.written(solids.frame().translate((1e-4, 0, 0))))
    assert is_fresh(path, stl.written(solids.frame()))
    path.write_bytes(stl.written(solids.frame().translate((0.01, 0, 0))))
    assert not is_fresh(path, stl.written(solids.frame()))
    path.write_bytes(b"solid frame")
    assert not is_fresh(path, stl.written(solids.frame()))


def test_the_guide_shows_every_picture() -> None:
    guide = (ROOT / "docs/guides/build.md").read_text("utf-8")
    for path in FILES:
        if path.startswith(PICTURES):
            assert f"]({path.removeprefix('docs/guides/')})" in guide
