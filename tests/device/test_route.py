"""The route: the next broker when one fails, pauses when all have, and no fleet that comes back in one second."""

import heapq
from itertools import pairwise
from random import Random

import pytest

from device.route import HOP_MS_MAX, HOP_MS_MIN, SPREAD_MS_A_UNIT, WINDOW_MS_MAX, WINDOW_MS_MIN, Route

FLEET = 2_000
HANDSHAKES_MAX = 100
"""In any second, at one broker."""

BACK_MS_MAX = 300_000


@pytest.fixture
def route(seed: int) -> Route:
    return Route(3, 1, Random(seed))


def tried(route: Route, now: int) -> list[int]:
    """Which brokers are tried now, one after the other, when none can be reached."""
    ranks = []
    while (rank := route.next(now)) is not None:
        ranks.append(rank)
        route.missed(now)
    return ranks


def pauses(route: Route, times: int) -> list[int]:
    """How long it is after each of so many misses of the one broker until it is tried again; it may be no time."""
    now, found = 0, []
    for _ in range(times):
        assert route.next(now) == 0
        route.missed(now)
        found.append(route.wait(now))
        now += route.wait(now)
    return found


def test_brokers_are_tried_by_rank_and_one_that_is_missed_is_left_at_once_for_the_next(route: Route) -> None:
    assert tried(route, 0) == [0, 1, 2]


def test_when_all_have_failed_there_are_pauses_that_grow_and_are_drawn_from_all_of_their_window(seed: int) -> None:
    drawn = [pauses(Route(1, 1, Random(seed + unit)), 12) for unit in range(300)]
    for misses, each in enumerate(zip(*drawn, strict=True), start=1):
        window = min(WINDOW_MS_MAX, WINDOW_MS_MIN << misses)
        assert 0 <= min(each) < 0.1 * window
        assert 0.9 * window < max(each) < window


def test_only_a_receipt_makes_the_pauses_short_again(seed: int) -> None:
    without, with_receipt = [], []
    for unit in range(100):
        route = Route(1, 1, Random(seed + unit))
        pauses(route, 12)
        now = WINDOW_MS_MAX * 12
        route.next(now)
        route.lost(now)
        without.append(route.wait(now))
        now += WINDOW_MS_MAX
        route.next(now)
        route.answered()
        route.lost(now)
        with_receipt.append(route.wait(now))
    assert max(without) > WINDOW_MS_MAX / 2
    assert max(with_receipt) < WINDOW_MS_MIN


def test_after_a_loss_nothing_is_tried_at_once_and_then_the_first_broker_first(route: Route) -> None:
    route.missed(route.next(0) or 0)
    assert route.next(0) == 1
    route.answered()
    route.lost(WINDOW_MS_MIN * 2)
    assert route.next(WINDOW_MS_MIN * 2 - 1) is None
    assert route.next(WINDOW_MS_MIN * 3) == 0


def test_a_broker_that_works_is_left_for_each_of_the_others_in_turn(route: Route) -> None:
    now, visited = 0, []
    for _ in range(6):
        visited.append(route.next(now))
        route.answered()
        route.gained()
        now += 2 * HOP_MS_MIN
        assert route.leave(now)
    assert visited == [0, 1, 2, 0, 1, 2]


def test_it_is_not_left_while_no_other_may_be_tried() -> None:
    alone = Route(1, 1, Random(0))
    alone.next(0)
    assert not alone.leave(WINDOW_MS_MAX)
    route = Route(2, FLEET, Random(0))
    route.next(0)
    route.missed(0)
    route.next(0)
    route.answered()
    assert not route.leave(0)
    assert route.rank == 1
    assert route.leave(4 * SPREAD_MS_A_UNIT * FLEET)


def test_hops_that_gain_nothing_become_rare_and_one_that_gains_something_is_followed_soon(
    seed: int,
) -> None:
    route, now, left = Route(2, 1, Random(seed)), 0, [0]
    route.next(now)
    while len(left) < 12:
        now += 1_000
        route.answered()
        if route.leave(now):
            left.append(now)
            assert route.next(now) is not None
    stays = [after - before for before, after in pairwise(left[1:])]
    for hops, stay in enumerate(stays):
        wait = min(HOP_MS_MAX, HOP_MS_MIN << hops)
        assert wait <= stay <= 2 * wait + 1_000
    now += 2 * HOP_MS_MAX
    route.answered()
    assert route.leave(now)
    route.next(now)
    route.answered()
    assert not route.leave(now + 2 * HOP_MS_MIN)
    route.gained()
    assert not route.leave(now + HOP_MS_MIN - 1)
    assert route.leave(now + 2 * HOP_MS_MIN)


def test_what_is_gained_where_one_came_from_makes_hops_to_a_dead_broker_no_more_frequent(seed: int) -> None:
    """The second broker is dead; the hub behind the first has something new to say after each return."""
    route, now, hops = Route(2, 1, Random(seed)), 0, 0
    route.next(now)
    while now < 8 * 3_600_000:
        now += 10_000
        route.answered()
        route.gained()
        if route.leave(now):
            hops += 1
            assert route.next(now) == 1
            route.missed(now)
            assert route.next(now) == 0
    assert hops < 8 * 3_600_000 / HOP_MS_MAX


def test_the_way_back_from_where_nobody_answers_is_free_and_the_way_there_grows_rare() -> None:
    route, now, left = Route(2, 1, Random(0)), 0, []
    route.next(now)
    route.answered()
    while now < 8 * 3_600_000:
        now += 1_000
        if route.leave(now):
            left.append(now)
            assert route.next(now) == 1
            assert route.leave(now + 1_000)
            assert route.next(now + 1_000) == 0
            route.answered()
    assert len(left) < 8 * 3_600_000 / HOP_MS_MAX


@pytest.mark.parametrize("seconds", [0, 1, 5, 15, 30, 45, 47, 48, 60, 120, 900])
@pytest.mark.parametrize("brokers", [1, 2])
def test_a_fleet_whose_broker_restarts_is_back_in_minutes_and_never_shakes_more_hands_than_it_can(
    seconds: int, brokers: int, seed: int
) -> None:
    """All lose the first broker in the same moment; it is away for so long, and a second one is away for as long."""
    back, units = seconds * 1_000, [Route(brokers, FLEET, Random(seed + unit)) for unit in range(FLEET)]
    for route in units:
        route.next(0)
        route.answered()
        route.lost(0)
    due = [(route.wait(0), unit) for unit, route in enumerate(units)]
    heapq.heapify(due)
    connected: list[list[int]] = [[] for _ in range(brokers)]
    while due:
        now, unit = heapq.heappop(due)
        rank = units[unit].next(now)
        assert rank is not None
        if now >= back:
            connected[rank].append(now)
        else:
            units[unit].missed(now)
            heapq.heappush(due, (now + units[unit].wait(now), unit))
    assert sum(map(len, connected)) == FLEET
    for times in connected:
        busiest = max((sum(begin <= time < begin + 1_000 for time in times) for begin in times[::20]), default=0)
        assert busiest <= HANDSHAKES_MAX
        assert max(times, default=0) <= back + BACK_MS_MAX


def test_a_fleet_whose_first_broker_is_gone_for_good_does_not_rush_at_the_second(seed: int) -> None:
    arrivals = []
    for unit in range(FLEET):
        route = Route(2, FLEET, Random(seed + unit))
        route.next(0)
        route.answered()
        route.lost(0)
        now = route.wait(0)
        assert route.next(now) == 0
        route.missed(now)
        assert route.next(now) == 1
        arrivals.append(now)
    arrivals.sort()
    assert max(sum(begin <= time < begin + 1_000 for time in arrivals) for begin in arrivals[::20]) <= HANDSHAKES_MAX
