"""docs/threats.md names tests that are there."""

import re

from tests.house.tree import ROOT


def test_every_test_that_the_threats_name_is_there() -> None:
    named = set(re.findall(r"tests/[a-z0-9_/]+\.py", (ROOT / "docs/threats.md").read_text("utf-8")))
    assert len(named) > 10
    assert {name for name in named if not (ROOT / name).is_file()} == set()
