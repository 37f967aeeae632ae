"""A picture that is lost for good: its record waits for ever, stays on the card, and keeps no other one waiting."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from device.log import Event
from device.signals import Signal
from device.store import Store
from tests.device.cards import assert_chained, envelopes, keep_many, offered, opened, receipt
from tests.device.sites import sites
from tests.wire.samples import HUB, OTHER_HUB
from wire.fields import NOTHING
from wire.note import KeySigner
from wire.receipt import MISSING_MAX, Extra, Missing

ALL = 1 << 40
HUBS = (HUB, OTHER_HUB)


def seqs(folder: Path) -> list[int]:
    """What is left on the card, each with its pictures but the lost one's."""
    return sorted(int(path.stem.split("-")[1]) for path in (folder / "kept").glob("*.envelope"))


def pictures_of(folder: Path, chain: str, *seqs: int) -> list[str]:
    found = envelopes(folder)
    return [picture.sha256 for seq in seqs for picture in found[chain, seq].statement.pictures]


def lacks(pictures: Sequence[str]) -> tuple[Missing, ...]:
    return tuple(Missing((0,), picture) for picture in pictures)


def hold(
    store: Store, chain: str, seq: int, whole: int, missing: Sequence[str], hubs: Sequence[KeySigner], at: int = 1
) -> None:
    """Hubs say that they hold the chain up to `seq`, whole up to `whole`, and lack these pictures."""
    hash_ = envelopes(store.folder.parent)[chain, seq].hash if seq else NOTHING
    for hub in hubs:
        assert store.settle(receipt(chain, seq, hash_, hub=hub, whole=whole, missing=lacks(missing), at=at))


def test_what_is_whole_behind_it_waits_no_more_and_may_go_and_it_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 6)
        lost = pictures_of(tmp_path, chain, 2)
        hold(store, chain, 6, 1, lost, HUBS)
        assert (store.waiting_count(2), store.unsettled(2)[0][0].seq) == (1, 2)
        assert store.purge(ALL) > 0
        assert seqs(tmp_path) == [2, 6]
        assert [path.stem for path in (tmp_path / "kept").glob("*.picture") if path.stem in lost] == lost
    with opened(tmp_path) as store:
        assert (store.place().seq, store.place().chain, store.count()) == (7, chain, 2)
        assert (store.waiting_count(2), store.purge(ALL)) == (1, 0)


def test_only_hubs_that_hold_a_record_whole_count_for_it(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 5)
        hold(store, chain, 5, 1, pictures_of(tmp_path, chain, 2), (HUB,))
        hold(store, chain, 5, 1, pictures_of(tmp_path, chain, 2, 3), (OTHER_HUB,))
        assert (store.waiting_count(1), store.waiting_count(2)) == (1, 2)
        assert store.purge(ALL) > 0
        assert seqs(tmp_path) == [2, 3, 5]


@pytest.mark.parametrize("count", [0, MISSING_MAX])
def test_a_receipt_that_names_none_or_perhaps_not_all_says_nothing_of_those_behind(tmp_path: Path, count: int) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 4)
        named = [*pictures_of(tmp_path, chain, 2), *(f"{number:064x}" for number in range(MISSING_MAX))][:count]
        hold(store, chain, 4, 1, named, HUBS)
        assert store.waiting_count(2) == 3
        assert store.purge(ALL) > 0
        assert seqs(tmp_path) == [2, 3, 4]


@pytest.mark.parametrize(("whole", "left"), [(False, [2, 4, 5, 6]), (True, [2, 4, 6])])
def test_a_record_beyond_a_gap_is_whole_where_the_receipt_says_so_whatever_else_is_missing(
    tmp_path: Path, whole: bool, left: list[int]
) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 6)
        found = envelopes(tmp_path)
        for hub in HUBS:
            said = receipt(
                chain,
                3,
                found[chain, 3].hash,
                hub=hub,
                whole=1,
                missing=lacks(pictures_of(tmp_path, chain, 2)),
                extras=(Extra(found[chain, 5].hash, 5, whole),),
            )
            assert store.settle(said)
        assert store.waiting_count(2) == len(left)
        store.purge(ALL)
        assert seqs(tmp_path) == left


def test_a_younger_receipt_says_anew_what_is_missing_and_one_as_old_adds_what_is_whole(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        chain = keep_many(store, 5)
        second, third = pictures_of(tmp_path, chain, 2), pictures_of(tmp_path, chain, 3)
        hold(store, chain, 5, 1, second, (HUB,), at=2)
        assert store.waiting_count(1) == 1
        hold(store, chain, 4, 1, third, (HUB,), at=1)
        assert store.waiting_count(1) == 1, "an older one changes nothing"
        hold(store, chain, 5, 1, second + third, (HUB,), at=3)
        assert store.waiting_count(1) == 2, "a younger one replaces it, though it holds less"
        hold(store, chain, 5, 1, third, (HUB,), at=3)
        assert store.waiting_count(1) == 1, "of one moment, what either holds is held"
        hold(store, chain, 5, 1, (), (HUB,), at=3)
        assert store.waiting_count(1) == 1
        hold(store, chain, 5, 1, (), (HUB,), at=4)
        assert store.waiting_count(1) == 4, "a hub that takes no pictures now says nothing of those that it lacks"
        hold(store, chain, 4, 1, second, (HUB,), at=5)
        assert store.waiting_count(1) == 2
        hold(store, chain, 5, 1, (), (HUB,), at=5)
        assert store.waiting_count(1) == 4, "what names none says nothing of what came to the older one"
        hold(store, chain, 5, 5, (), (HUB,), at=6)
        assert store.waiting_count(1) == 0


def test_a_hub_restored_to_a_place_that_was_purged_is_offered_all_that_is_left(tmp_path: Path) -> None:
    told: list[object] = []
    with opened(tmp_path, log=lambda event, **_: told.append(event)) as store:
        chain = keep_many(store, 8)
        found = envelopes(tmp_path)
        hold(store, chain, 8, 1, pictures_of(tmp_path, chain, 2), HUBS)
        store.purge(ALL)
        assert seqs(tmp_path) == [2, 8]
        restored = receipt(
            chain, 5, found[chain, 5].hash, whole=1, missing=lacks(pictures_of(tmp_path, chain, 2)), at=2
        )
        assert store.settle(restored), "nobody can check that hash any more, so it settles nothing"
        assert offered(store, 2) == {(chain, 2), (chain, 8)}
        assert store.place().chain != chain, "nothing behind the gap could be whole at that hub"
        assert told == [Event.HUB_RESTORED, Event.CARD_REPAIRED]
        named = (Extra(found[chain, 8].hash, 8, whole=False),)
        assert store.settle(receipt(chain, 5, found[chain, 5].hash, whole=1, extras=named, at=3))
        assert offered(store, 2) == {(chain, 2)}
    (tmp_path / "index.db").unlink()
    with opened(tmp_path) as store:
        assert offered(store) == {(chain, 2), (chain, 8)}
        assert_chained({where: each for where, each in envelopes(tmp_path).items() if where[0] != chain})


def test_with_two_real_hubs_all_but_its_record_settle_and_leave_the_card(tmp_path: Path) -> None:
    with sites(tmp_path) as here:
        here.power_on()
        for site in here.sites:
            site.exchange.cut()
        here.scan(5)
        kept = here.unit.settings.card / "kept"
        (lost,) = pictures_of_last(here.unit.unit.store, 2)
        (kept / f"{lost}.picture").write_bytes(b"rot")
        for site in here.sites:
            site.exchange.mend()
        assert here.settle(1_200_000) is None
        store = here.unit.unit.store
        assert [each.seq for each, _ in store.unsettled(2)] == [2]
        assert store.purge(ALL) > 0
        assert seqs(here.unit.settings.card) == [2, 5]
        assert [len(site.mesas) for site in here.sites] == [5, 5], "its record is counted all the same"
        here.scan()
        assert here.unit.shown[-1] is not Signal.LINK_SETTLED, "something still waits, and is shown to"


def pictures_of_last(store: Store, seq: int) -> tuple[str, ...]:
    return next(pictures for kept, pictures in store.unsettled(1) if kept.seq == seq)
