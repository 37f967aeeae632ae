"""Hubs that take envelopes and never their pictures: the others get all, though these had receipted it."""

from pathlib import Path

import pytest

from device.custody import HOME_MS
from tests.device.sites import sites
from wire.topics import Leaf, parse


def is_chunk(topic: str) -> bool:
    found = parse(topic)
    return found is not None and found.leaf is Leaf.CHUNK


@pytest.mark.parametrize(("hubs", "receipts"), [(2, 1), (3, 2)])
def test_what_hubs_took_without_its_picture_before_they_died_comes_to_the_one_that_lives(
    tmp_path: Path, hubs: int, receipts: int
) -> None:
    with sites(tmp_path, hubs=hubs, receipts=receipts) as made:
        *dying, living = made.sites[: receipts + 1]
        for site in dying:
            site.takes = lambda topic, _payload: not is_chunk(topic)
        made.power_on()
        made.scan()
        made.clock.run(150_000)
        for site in dying:
            site.exchange.cut()
        made.clock.run(4 * HOME_MS)
        assert living.mesas


@pytest.mark.parametrize(("hubs", "receipts"), [(2, 1), (3, 2)])
def test_hubs_that_live_and_have_no_room_for_pictures_keep_no_record_from_another(
    tmp_path: Path, hubs: int, receipts: int
) -> None:
    with sites(tmp_path, hubs=hubs, brokers=1, receipts=receipts) as made:
        *full, late = made.sites[: receipts + 1]
        for site in full:
            site.takes = lambda topic, _payload: not is_chunk(topic)
        made.power_on()
        late.fall_silent()
        made.scan()
        made.clock.run(60_000)
        late.speak()
        made.clock.run(3_600_000)
        assert late.mesas
