"""The drawn pages' freshness: each is what its code would draw today."""

from pathlib import Path

from tests.house.drawn import PAGES, stale, write
from tests.house.tree import ROOT

TWO_PAGES = {"docs/lamps.md": lambda: "three lamps\n", "docs/sounds.md": lambda: "one buzzer\n"}


def test_every_drawn_page_is_what_its_code_would_draw() -> None:
    assert stale(PAGES, ROOT) == [], "make docs redraws them"


def test_a_page_that_is_stale_or_missing_is_named(tmp_path: Path) -> None:
    write(TWO_PAGES, tmp_path)
    assert stale(TWO_PAGES, tmp_path) == []
    (tmp_path / "docs/lamps.md").write_text("two lamps\n", "utf-8")
    assert stale(TWO_PAGES, tmp_path) == ["docs/lamps.md"]
    (tmp_path / "docs/sounds.md").unlink()
    assert stale(TWO_PAGES, tmp_path) == ["docs/lamps.md", "docs/sounds.md"]


def test_writing_redraws_what_is_stale_and_nothing_else(tmp_path: Path) -> None:
    assert write(TWO_PAGES, tmp_path) == ["docs/lamps.md", "docs/sounds.md"]
    (tmp_path / "docs/sounds.md").write_text("a siren\n", "utf-8")
    assert write(TWO_PAGES, tmp_path) == ["docs/sounds.md"]
    assert (tmp_path / "docs/sounds.md").read_text("utf-8") == "one buzzer\n"
