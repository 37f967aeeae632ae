"""A centre in one evening: one unit and one pair of hands take the QR ends of 235 actas in under forty minutes.

The hands are slower than most, and some sheets lie so that they must be pressed again; the firmware is the real one.
"""

from pathlib import Path

from device.signals import Signal
from sim.fleet import UNREAD
from tests.device.world import World, acta, picture, world

MESAS = 235
MINUTES_MAX = 40

LAY_MS = 4_000
"""An acta is taken from the pile, smoothed and laid down, and the button pressed."""

READ_MS = 400
"""What reading a frame may take on a unit; on the stepped clock it takes nothing."""

LOOK_UP_MS = 500
"""From a verdict to who has seen it."""

TAKE_AWAY_MS = 1_500

BADLY_LAID = 10
"""Every tenth lies so that no code is seen, is smoothed again, and pressed again."""


def test_one_unit_clears_235_mesas_in_under_forty_minutes_and_all_of_them_reach_the_hub(tmp_path: Path) -> None:
    with world(tmp_path, seen={}) as here:
        began = here.power_on().clock.ms()
        for mesa in range(1, MESAS + 1):
            if mesa % BADLY_LAID == 0:
                assert _laid(here, picture()) in UNREAD
            assert _laid(here, picture(acta(mesa))) is Signal.KEPT
            here.clock.run(TAKE_AWAY_MS)
        assert here.clock.ms() - began < MINUTES_MAX * 60_000
        assert here.settle()
        assert len(here.mesas()) == MESAS


def _laid(here: World, sheet: bytes) -> Signal:
    """Lays it down, presses, and sees the verdict."""
    here.clock.run(LAY_MS + READ_MS)
    verdict = here.unit.scan(sheet)
    here.clock.run(LOOK_UP_MS)
    return verdict
