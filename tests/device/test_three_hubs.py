"""Three hubs of which two are enough: whatever befalls them, nothing forks, and with two alive the card never fills."""

import itertools
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from device.room import PATIENCE_MS
from device.store import ROOM_BYTES_MIN, CardError, Place, Store
from tests.device.cards import PHOTOGRAPH, envelopes, keep, opened, receipt, room_on
from tests.device.test_purge import ALL, ALL_THREE
from wire.fields import NOTHING
from wire.note import KeySigner, Note
from wire.receipt import MISSING_MAX, Extra, Missing, Receipt

SEEDS = 200


class SomeHub:
    """A hub as a unit sees it: what it holds, by chain and seq, and of which it has the picture."""

    def __init__(self, signer: KeySigner) -> None:
        self.signer, self.name = signer, signer.verifier.name
        self.is_alive = self.has_room = True
        self.envelopes: dict[tuple[str, int], tuple[str, str]] = {}
        self.pictures: set[str] = set()
        self.back_up()

    def back_up(self) -> None:
        self.backup = dict(self.envelopes), set(self.pictures)

    def restore(self) -> None:
        self.envelopes, self.pictures = dict(self.backup[0]), set(self.backup[1])

    def receipt(self, chain: str, at: int) -> Note[Receipt]:
        held = {seq: each for (its, seq), each in self.envelopes.items() if its == chain}
        end = next(seq for seq in range(len(held) + 1) if seq + 1 not in held)
        lacks = [seq for seq in sorted(held) if held[seq][1] not in self.pictures]
        # Where it has no room, it asks for nothing.
        missing = tuple(Missing((0,), held[seq][1]) for seq in lacks)[:MISSING_MAX] if self.has_room else ()
        return receipt(
            chain,
            end,
            held[end][0] if end else NOTHING,
            hub=self.signer,
            extras=tuple(Extra(held[seq][0], seq, seq not in lacks) for seq in sorted(held) if seq > end),
            missing=missing,
            whole=min([end, *(seq - 1 for seq in lacks)]),
            at=at,
        )


def meet(
    store: Store, folder: Path, hub: SomeHub, at: Iterator[int], most: int = 99, photograph: bytes = PHOTOGRAPH
) -> None:
    """Unit and hub are connected for a while: so many records go over, and what pictures it asks for and can have."""

    def said() -> list[Receipt]:
        receipts = [hub.receipt(place.chain, next(at)) for place in store.places()]
        for each in receipts:
            store.settle(each)
        return [each.statement for each in receipts]

    said()
    here = envelopes(folder, photograph)
    for kept in list(store.waiting(2, hub.name))[:most]:
        envelope = here[kept.chain, kept.seq]
        hub.envelopes[kept.chain, kept.seq] = envelope.hash, envelope.statement.pictures[0].sha256
    asked_for = {""}
    while asked_for:
        named = {each.sha256 for statement in said() for each in statement.missing}
        asked_for = {sha256 for sha256 in named - hub.pictures if store.read_chunk(sha256, 0)}
        hub.pictures |= asked_for


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[pytest.mark.hunt] if seed >= SEEDS // 20 else []) for seed in range(SEEDS)]
)
def test_with_two_hubs_alive_what_is_kept_in_the_end_is_purged_and_chains_are_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Room is always short; in the end there is one long start, or there are three."""
    monkeypatch.setattr("device.store.LONG_CHAIN", 10)
    rng, hubs = random.Random(seed), [SomeHub(signer) for signer in ALL_THREE]
    at, hours = itertools.count(1), itertools.count(1)
    kept = set[tuple[str, int]]()

    def keep_some(store: Store, count: int) -> None:
        for number in range(1, count + 1):
            place = keep(store, number)
            assert (place.chain, place.seq) not in kept, "a fork"
            kept.add((place.chain, place.seq))

    for _ in range(4):
        with opened(tmp_path, hubs=ALL_THREE, receipts=2) as store:
            room = room_on(tmp_path, store)
            for _ in range(10):
                hub = rng.choice(hubs)
                match rng.choice("kkkmmmmprbdan"):
                    case "k":
                        keep_some(store, rng.randint(1, 5))
                    case "m" if hub.is_alive:
                        meet(store, tmp_path, hub, at, rng.choice((1, 2, 99)))
                    case "p":
                        store.purge(rng.choice((1, 3000, ALL)))
                        room.idle(next(hours) * PATIENCE_MS)
                    case "b":
                        hub.back_up()
                    case "r":
                        hub.restore()
                    case "d" | "a" as fate:
                        hub.is_alive = fate == "a"
                    case "n":
                        hub.has_room = not hub.has_room
                    case _:
                        pass  # one that is dead is not met
    dead, chains, end = rng.choice(hubs), set[str](), Place("", 0, "")
    for hub in hubs:
        hub.is_alive, hub.has_room = hub is not dead, True
    lives = 1 if seed % 2 else 3
    for _ in range(lives):
        with opened(tmp_path, hubs=ALL_THREE, receipts=2) as store:
            room = room_on(tmp_path, store)
            for _ in range(18 // lives):
                keep_some(store, 5)
                for hub in hubs:
                    if hub.is_alive:
                        meet(store, tmp_path, hub, at)
                room.idle(next(hours) * PATIENCE_MS)
                chains.add(store.place().chain)
            end = store.place()
    left = set(envelopes(tmp_path))
    assert left == {(chain, max(seq for its, seq in left if its == chain)) for chain, _ in left}, "the last one of each"
    assert (end.chain, end.seq - 1) in left
    assert len(chains) <= 3


@pytest.mark.parametrize("count", [2, 3], ids=["two hubs", "three, one dead"])
def test_a_card_that_was_full_when_a_hub_was_lost_keeps_again_once_another_holds_all(
    tmp_path: Path, count: int
) -> None:
    photograph = bytes(1_000_000)
    one, lost = (SomeHub(signer) for signer in ALL_THREE[:2])
    at, hours = itertools.count(1), itertools.count(1)
    with opened(tmp_path, hubs=ALL_THREE[:count], receipts=2, size=ROOM_BYTES_MIN + 20 * len(photograph)) as store:
        room = room_on(tmp_path, store)

        def go_on() -> None:
            for hub in (one, lost):
                meet(store, tmp_path, hub, at, photograph=photograph)
            room.idle(next(hours) * PATIENCE_MS)

        with suppress(CardError):
            for number in itertools.count(1):
                keep(store, number, content=photograph)
        full = store.count()
        assert full > 15
        meet(store, tmp_path, one, at, photograph=photograph)
        meet(store, tmp_path, lost, at, most=1, photograph=photograph)
        room.idle(next(hours) * PATIENCE_MS)
        assert store.count() == full - 1, "the first one has gone, so the second hub will hold all others beyond a gap"
        lost.restore()
        for _ in range(3):
            go_on()
        for number in range(2 * full):
            keep(store, full + number, content=photograph)
            go_on()
        assert store.waiting_count(2) == 0
