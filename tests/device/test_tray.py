"""The tray: printed sheets pass, whatever has become of them; what is no acta is refused."""

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from device.cause import Cause
from device.eye import Eye
from device.tray import SHARPNESS_MIN, look
from sim import paper
from sim.photo import Shot, mixes, shoot
from sim.scenes import SCENES, scene
from tests.device.reader.plain import stopped
from tests.device.world import VE
from wire.profiles import named

SEEDS = 1
SCENE_SEEDS = 2
SHEET = paper.draw(paper.random_payload(random.Random(5)), seed=5, length_mm=250)
REST = paper.Sheet("", SHEET.luma[: 140 * paper.PX_PER_MM])
"""A part of an acta without its code: boxes for signatures."""


@pytest.mark.parametrize("mix", sorted(mixes.MIXES.keys() - {"archive", "far"}))
def test_no_drawn_sheet_is_refused(mix: str) -> None:
    """Of 243 it was none (docs/reading.md); here is one of each mix. The tray's camera is never far, nor a scanner."""
    assert [seed for seed in range(SEEDS) if not look(mixes.photograph(mix, seed).luma).is_paper] == []


@pytest.mark.parametrize("kind", sorted(SCENES.keys() - {"table"}))
def test_what_is_no_acta_is_refused(kind: str) -> None:
    assert [seed for seed in range(SCENE_SEEDS) if look(scene(kind, seed)).is_paper] == []


def test_few_table_tops_pass_for_a_refused_acta_costs_more() -> None:
    assert sum(look(scene("table", seed)).is_paper for seed in range(2 * SCENE_SEEDS)) <= SCENE_SEEDS


@pytest.mark.parametrize("luma", [np.zeros((1, 1), np.uint8), np.full((2, 900), 255, np.uint8)], ids=["a px", "rows"])
def test_a_frame_that_is_none_is_refused(luma: NDArray[np.uint8]) -> None:
    assert not look(luma).is_paper


def laid(blur_px: float) -> NDArray[np.uint8]:
    shot = Shot(camera="ov5647", dpmm=6.0, rotation_deg=90, window_px=900, defocus_px=blur_px)
    return shoot(REST, shot, 1).luma


def test_a_blurred_sheet_is_told_from_a_sharp_one() -> None:
    sharp, blurred = look(laid(0)), look(laid(6))
    assert sharp.sharpness > 2 * SHARPNESS_MIN > 2 * blurred.sharpness


def test_the_eye_calls_a_part_without_a_code_a_sheet_and_a_blurred_one_blurred() -> None:
    eye = Eye(named(VE), stopped)
    good, bad = eye.see(laid(0), 0), eye.see(laid(6), 1)
    assert (good.payloads, good.is_paper, good.quality.cause) == ((), True, Cause.NO_CODE.value)
    assert bad.quality.cause == Cause.BLURRED.value


def test_a_sheet_that_is_read_is_never_asked_whether_it_is_one() -> None:
    """So nothing that is read can be refused for what it lies on, and no reading waits for the question."""
    seen = Eye(named(VE), stopped).see(shoot(SHEET, Shot(camera="ov5647", dpmm=6.5, rotation_deg=90), 5).luma, 0)
    assert seen.payloads
    assert not seen.is_paper
