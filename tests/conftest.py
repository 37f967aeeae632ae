"""The test run: how hard hypothesis tries, and the one seed from which every other chance is drawn."""

import os
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

import device  # noqa: F401  before numpy: it says how many threads that may have

if TYPE_CHECKING:
    from tests.hardware.wired import Wired

# Other examples at each run find more in the end; what fails is printed as a blob that replays it.
# Deadlines would measure the machine.
settings.register_profile("ci", deadline=None, print_blob=True)
settings.register_profile(
    "hunt",
    settings.get_profile("ci"),
    max_examples=20 * settings.get_profile("ci").max_examples,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

SEED = int(os.environ.get("TESTIGO_SEED") or random.SystemRandom().randrange(2**32))
os.environ["TESTIGO_SEED"] = str(SEED)  # where several run the tests, all draw from the same


def pytest_report_header() -> str:
    return f"seed: {SEED} (replay with TESTIGO_SEED={SEED})"


@pytest.fixture(scope="session")
def seed() -> int:
    """The seed of this run, below 2**32: printed in the header, and the same again under TESTIGO_SEED."""
    return SEED


@pytest.fixture(scope="module")
def wired_unit() -> "Iterator[Wired]":
    """A panel on lgpio, for the tests of a file; each begins with `anew`. They are skipped where none can be had."""
    from tests.hardware.chip import lacking
    from tests.hardware.wired import wired

    if why := lacking():
        pytest.skip(why)
    with wired() as made:
        yield made
