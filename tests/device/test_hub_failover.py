"""The failing hub: dead, dying, silent, refusing or back again, it costs the others nothing, and no record."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from device.custody import HOME_MS, PATIENCE_MS
from device.log import Event
from device.outbox import CUSTODY_WINDOW
from device.route import HOP_MS_MAX, HOP_MS_MIN
from tests.device.sites import Site, Sites, sites

HOP_SECONDS = (2 * PATIENCE_MS + 2 * HOP_MS_MIN) // 1000
SETTLED_MS_MAX = 150_000
"""To be receipted by two hubs that work: at one, patience and a hop, and at the other."""

SECONDS_MS = 8_000
"""What "within seconds" means: a connection, three seconds to reconcile, and the answer."""


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Sites]:
    """Two hubs, each behind a broker of its own; a record needs the receipts of both."""
    with sites(tmp_path) as made:
        yield made


@pytest.fixture
def spare(tmp_path: Path) -> Iterator[Sites]:
    """Two hubs, of which either is enough."""
    with sites(tmp_path, receipts=1) as made:
        yield made


def holds_all(site: Site, actas: int) -> bool:
    return len(site.mesas) == actas


def test_with_two_hubs_at_work_everything_gets_both_receipts(two: Sites) -> None:
    two.power_on()
    two.scan(3)
    assert two.settle(SETTLED_MS_MAX) is not None
    assert all(holds_all(site, 3) for site in two.sites)


def test_more_than_a_window_gets_to_both_hubs_without_going_to_and_fro(two: Sites) -> None:
    two.unit.power_on()
    for site in two.sites:
        site.exchange.cut()
    two.scan(CUSTODY_WINDOW + 20)
    for site in two.sites:
        site.exchange.mend()
    assert two.settle(2 * SETTLED_MS_MAX) is not None
    assert all(holds_all(site, CUSTODY_WINDOW + 20) for site in two.sites)
    assert [site.visits for site in two.sites] == [1, 1]
    assert [site.offers for site in two.sites] == [CUSTODY_WINDOW + 20] * 2


def test_a_settled_unit_stays_where_it_is(two: Sites) -> None:
    two.power_on()
    two.scan()
    assert two.settle() is not None
    before = [site.visits for site in two.sites]
    two.clock.run(HOME_MS // 2)
    assert [site.visits for site in two.sites] == before


def test_a_unit_at_work_hops_no_more_than_it_must_and_new_records_are_offered_within_seconds(
    two: Sites,
) -> None:
    two.power_on()
    for _ in range(20):
        before = sum(site.offers for site in two.sites)
        two.scan()
        two.clock.run(SECONDS_MS)
        assert sum(site.offers for site in two.sites) > before
        two.clock.run(60_000 - SECONDS_MS)
    assert sum(site.visits for site in two.sites) <= 20 * 68 / (PATIENCE_MS + HOP_MS_MIN) * 1000
    assert two.settle() is not None


FAILURES: dict[str, tuple[Callable[[Site], None], Callable[[Site], None]]] = {
    "dead": (lambda site: site.exchange.cut(), lambda site: site.exchange.mend()),
    "silent": (Site.fall_silent, Site.speak),
    "unheard": (
        lambda site: setattr(site, "mangle", lambda _answers: []),
        lambda site: setattr(site, "mangle", lambda answers: answers),
    ),
}
"""How a hub fails, and how it is back: the second takes nothing, the third takes all and its answers are lost."""

fails = pytest.mark.parametrize(("fail", "mend"), FAILURES.values(), ids=FAILURES)
Hand = Callable[[Site], None]


@fails
@pytest.mark.parametrize("rank", [0, 1])
def test_a_hub_that_fails_before_the_start_does_not_keep_the_other_from_everything(
    two: Sites, rank: int, fail: Hand, mend: Hand
) -> None:
    fail(two.sites[rank])
    two.power_on()
    two.scan(4)
    two.clock.run(SETTLED_MS_MAX)
    assert holds_all(two.sites[1 - rank], 4)
    assert len(two.waiting) == 4, "one receipt is not two"
    mend(two.sites[rank])
    assert two.settle(2 * HOP_MS_MAX + SETTLED_MS_MAX) is not None
    assert holds_all(two.sites[rank], 4)


@fails
@pytest.mark.parametrize("rank", [0, 1])
def test_where_either_is_enough_one_that_fails_costs_a_minute_at_most(
    spare: Sites, rank: int, fail: Hand, mend: Hand
) -> None:
    fail(spare.sites[rank])
    spare.power_on()
    spare.scan(5)
    assert spare.settle(60_000) is not None
    assert holds_all(spare.sites[1 - rank], 5)
    mend(spare.sites[rank])


@fails
@pytest.mark.parametrize("rank", [0, 1])
def test_a_hub_that_fails_in_the_middle_is_made_up_for_and_gets_all_when_it_is_back(
    two: Sites, rank: int, fail: Hand, mend: Hand
) -> None:
    two.power_on()
    two.scan(2)
    assert two.settle() is not None
    fail(two.sites[rank])
    two.scan(3)
    two.clock.run(300_000)
    assert holds_all(two.sites[1 - rank], 5)
    mend(two.sites[rank])
    assert two.settle(2 * HOP_MS_MAX + SETTLED_MS_MAX) is not None
    assert holds_all(two.sites[rank], 5)


@fails
def test_while_one_hub_is_away_for_long_records_get_to_the_other_within_seconds_and_hops_are_rare(
    two: Sites, fail: Hand, mend: Hand
) -> None:
    two.power_on()
    fail(two.sites[1])
    late = []
    for number in range(1, 31):
        begin = two.clock.ms()
        two.scan()
        if not two.clock.run_until(lambda number=number: holds_all(two.sites[0], number), SECONDS_MS):  # type: ignore[misc]
            late.append(number)
        two.clock.run(60_000 - (two.clock.ms() - begin))
    # What is kept while a silent broker is visited waits until that visit is over.
    assert len(late) <= 7
    assert two.sites[0].visits <= 8
    two.clock.run_until(lambda: holds_all(two.sites[0], 30), SETTLED_MS_MAX)
    assert holds_all(two.sites[0], 30)
    mend(two.sites[1])
    assert two.settle(2 * HOP_MS_MAX + SETTLED_MS_MAX) is not None


@fails
def test_both_away_and_both_back_all_is_receipted_within_minutes(two: Sites, fail: Hand, mend: Hand) -> None:
    two.power_on()
    two.scan(2)
    assert two.settle() is not None
    for site in two.sites:
        fail(site)
    two.scan(5)
    two.clock.run(900_000)
    assert len(two.waiting) == 5
    for site in two.sites:
        mend(site)
    assert two.settle(2 * HOP_MS_MAX + SETTLED_MS_MAX) is not None
    assert all(holds_all(site, 7) for site in two.sites)


@fails
def test_both_away_nobody_is_buried_in_connections_or_offers(two: Sites, fail: Hand, mend: Hand) -> None:
    for site in two.sites:
        fail(site)
    two.power_on()
    two.scan(CUSTODY_WINDOW + 10)
    two.clock.run(1_200_000)
    assert sum(len(site.exchange.handshakes) for site in two.sites) <= 12
    assert max(site.offers for site in two.sites) <= 10 * (CUSTODY_WINDOW + 10), "every three minutes is often enough"
    for site in two.sites:
        mend(site)
    assert two.settle(2 * HOP_MS_MAX + SETTLED_MS_MAX) is not None


def test_a_unit_goes_back_to_the_first_broker_when_it_has_nothing_else_to_do(spare: Sites) -> None:
    spare.sites[0].exchange.cut()
    spare.power_on()
    spare.scan()
    assert spare.settle() is not None
    spare.sites[0].exchange.mend()
    spare.clock.run(HOME_MS + 60_000)
    assert spare.logged(Event.LINK_UP)[-1].endswith("rank=0 window=64")
    before = spare.sites[0].visits
    spare.clock.run(4 * HOME_MS)
    assert spare.sites[0].visits == before


def test_a_hub_that_refuses_everything_is_told_of_and_the_other_gets_it(two: Sites) -> None:
    register = two.path.parents[1] / "hub" / "register.txt"
    enrolled = register.read_text()
    register.write_text("# nobody yet\n")
    two.power_on()
    two.scan(3)
    two.clock.run(SETTLED_MS_MAX)
    assert holds_all(two.sites[1], 3)
    assert len(two.waiting) == 3
    told = len(two.logged(Event.REFUSED))
    assert 3 <= told <= 3 * 2
    register.write_text(enrolled)
    assert two.settle(2 * HOP_MS_MAX + SETTLED_MS_MAX) is not None
    assert holds_all(two.sites[0], 3)


def test_three_hubs_of_which_one_is_dead_the_two_others_get_everything(tmp_path: Path) -> None:
    for dead in range(3):
        with sites(tmp_path / str(dead), hubs=3, receipts=2) as three:
            three.sites[dead].exchange.cut()
            three.power_on()
            three.scan(2)
            assert three.settle(2 * SETTLED_MS_MAX) is not None
            assert sorted(len(site.mesas) for site in three.sites) == [0, 2, 2]


def test_three_hubs_all_of_which_must_receipt_are_visited_in_turn(tmp_path: Path) -> None:
    with sites(tmp_path, hubs=3, receipts=3) as three:
        three.power_on()
        three.scan(2)
        assert three.settle(3 * SETTLED_MS_MAX) is not None


def test_receipts_lost_repeated_and_out_of_order_at_both_hubs_do_no_harm(two: Sites, seed: int) -> None:
    chance = random.Random(seed)

    def mangled(site: Site) -> Callable[..., list[tuple[str, bytes]]]:
        def mangle(answers: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
            again = [*answers, *chance.sample(site.answered, min(3, len(site.answered)))]
            chance.shuffle(again)
            return [answer for answer in again if chance.random() < 0.4]

        return mangle

    for site in two.sites:
        site.mangle = mangled(site)
    two.power_on()
    for _ in range(6):
        two.scan()
        two.clock.run(20_000)
    assert two.settle(3_600_000) is not None
    assert all(holds_all(site, 6) for site in two.sites)
    assert not any("event=fork" in line for site in two.sites for line in site.log)


def test_a_unit_that_restarts_between_its_two_hubs_brings_the_rest_to_the_second(two: Sites) -> None:
    two.sites[1].exchange.cut()
    two.power_on()
    two.scan(4)
    two.clock.run(60_000)
    two.unit.cut_power()
    two.sites[0].exchange.cut()
    two.sites[1].exchange.mend()
    two.power_on()
    assert two.settle(SETTLED_MS_MAX) is not None
    assert holds_all(two.sites[1], 4)
