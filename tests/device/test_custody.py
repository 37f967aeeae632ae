"""The custody: verdicts do not wait for it, records go before pictures, and what is bad with one hub or record is so
for that one alone; with two hubs, each behind a broker of its own or both behind one."""

import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from device.custody import HELD_MS_MAX
from device.log import Event
from device.mqtt import ANSWER_SECONDS_MAX
from device.outbox import CUSTODY_WINDOW
from hub.pictures import MARK
from sim import link
from sim.clock import DATE
from tests.device.sites import Sites, sites
from tests.device.world import acta, leaves, world
from wire import note
from wire.envelope import CHUNK_BYTES
from wire.note import KeySigner, Signer
from wire.package import Address
from wire.receipt import Holding, Receipt
from wire.topics import Leaf, Topic, parse

SETTLED_MS_MAX = 150_000


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Sites]:
    """Two hubs, each behind a broker of its own; a record needs the receipts of both."""
    with sites(tmp_path) as made:
        yield made


@pytest.fixture(params=[2, 1], ids=["a broker each", "one broker"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sites]:
    """The same, and both hubs behind one broker."""
    with sites(tmp_path, brokers=request.param) as made:
        yield made


def is_chunk(topic: str) -> bool:
    parsed = parse(topic)
    return parsed is not None and parsed.leaf is Leaf.CHUNK


def test_the_verdict_is_shown_before_anything_is_counted_or_offered(two: Sites) -> None:
    told: list[str] = []
    two.unit.heard = lambda signal: told.append(signal.word)
    two.power_on()
    told.clear()
    for site in two.sites:
        site.exchange.sent = lambda _unit, topic, _payload: told.append(topic.rpartition("/")[2])
    two.scan()
    assert told[:4] == ["searching", "kept", "link-sending", "envelope"]


def test_with_two_hubs_behind_one_broker_each_record_travels_once(tmp_path: Path) -> None:
    with sites(tmp_path, brokers=1) as both:
        both.power_on()
        both.scan(5)
        assert both.settle(20_000) is not None
        assert [site.offers for site in both.sites] == [5, 5]
        assert both.sites[0].visits == 1


@pytest.mark.parametrize("dead", [0, 1])
def test_of_two_hubs_behind_one_broker_one_may_die_and_the_other_still_gets_everything(
    tmp_path: Path, dead: int
) -> None:
    with sites(tmp_path, brokers=1) as both:
        both.power_on()
        both.scan()
        assert both.settle(20_000) is not None
        both.sites[dead].fall_silent()
        both.scan(CUSTODY_WINDOW + 20)
        both.clock.run(60_000)
        assert len(both.sites[1 - dead].mesas) == CUSTODY_WINDOW + 21
        assert len(both.waiting) == CUSTODY_WINDOW + 20
        both.sites[dead].speak()
        assert both.settle(SETTLED_MS_MAX) is not None
        assert len(both.sites[dead].mesas) == CUSTODY_WINDOW + 21


def test_records_go_before_pictures_to_both_hubs(both: Sites) -> None:
    for site in both.sites:
        site.exchange.cut()
    both.power_on()
    both.scan(10)
    for site in both.sites:
        site.exchange.mend()
    assert both.settle(SETTLED_MS_MAX) is not None
    for site in both.sites:
        carried = [leaf for leaf in leaves(site.came) if leaf is not Leaf.HOLDING]
        assert carried.index(Leaf.CHUNK) == 10
        assert carried.count(Leaf.ENVELOPE) == 10


def test_pictures_go_in_chunks_of_64_kb_a_few_at_a_time_and_only_those_that_a_hub_lacks(both: Sites) -> None:
    both.power_on()
    carried = itertools.count()
    for site in both.sites:
        site.takes = lambda topic, _payload: not is_chunk(topic) or next(carried) % 3 > 0
    both.scan(2, more=5 * CHUNK_BYTES)
    assert both.settle(1_800_000) is not None
    for site in both.sites:
        chunks = [payload for topic, payload in site.came if is_chunk(topic)]
        assert max(map(len, chunks)) == CHUNK_BYTES
        assert len(site.mesas) == 2
        assert not any("event=refused" in line for line in site.log)


def test_a_picture_cut_off_in_the_middle_is_resumed_and_not_begun_anew(two: Sites) -> None:
    two.power_on()
    here = two.sites[0]
    here.takes = lambda topic, _payload: not is_chunk(topic) or leaves(here.came).count(Leaf.CHUNK) < 3
    two.scan(more=9 * CHUNK_BYTES)
    two.clock.run(10_000)
    assert leaves(here.came).count(Leaf.CHUNK) == 3
    here.exchange.cut()
    here.speak()
    two.clock.run(2_000)
    here.exchange.mend()
    assert two.settle(600_000) is not None
    topics = [topic for topic, _ in here.came if is_chunk(topic)]
    assert len(topics) == len(set(topics)) == 10


def test_a_record_that_one_hub_refuses_gets_to_the_other_and_blocks_nothing(both: Sites) -> None:
    poison: list[bytes] = []
    both.sites[0].refuses = lambda payload: payload in poison
    for site in both.sites:
        site.exchange.cut()
    both.power_on()
    both.scan(5)
    poison += [both.file_of(3).read_bytes()]
    for site in both.sites:
        site.exchange.mend()
    both.clock.run(SETTLED_MS_MAX)
    assert [kept.seq for kept in both.waiting] == [3]
    assert [len(site.mesas) for site in both.sites] == [4, 5]
    assert len(both.logged(Event.REFUSED)) == 1, "it is not offered again for minutes, whichever hub comes next"
    poison.clear()
    assert both.settle(1_800_000) is not None


def test_a_record_that_kills_a_hub_costs_the_others_minutes_at_most(two: Sites) -> None:
    """The hub falls over each time it gets that record, and all that comes in the next seconds is lost with it."""
    here, poison = two.sites[0], list[bytes]()
    dead_until = [0]

    def takes(topic: str, payload: bytes) -> bool:
        if payload in poison:
            dead_until[0] = two.clock.ms() + 10_000
        return two.clock.ms() >= dead_until[0]

    here.takes = takes
    here.exchange.cut()
    two.power_on()
    two.scan(CUSTODY_WINDOW)
    poison += [two.file_of(3).read_bytes()]
    here.exchange.mend()
    two.clock.run(1_800_000)
    assert len(here.mesas) == CUSTODY_WINDOW - 1
    assert len(two.sites[1].mesas) == CUSTODY_WINDOW
    assert [kept.seq for kept in two.waiting] == [3]


@pytest.mark.parametrize("harm", ["lost", "altered", "shortened"])
def test_a_record_whose_file_is_damaged_is_told_of_and_blocks_nothing(both: Sites, harm: str) -> None:
    for site in both.sites:
        site.exchange.cut()
    both.power_on()
    both.scan(4)
    path = both.file_of(2)
    content = path.read_bytes()
    path.unlink()
    if harm == "altered":
        path.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    elif harm == "shortened":
        path.write_bytes(content[:-1])
    for site in both.sites:
        site.exchange.mend()
    both.clock.run(SETTLED_MS_MAX)
    assert all(len(site.mesas) == 3 for site in both.sites)
    assert 1 <= len(both.logged(Event.RECORD_BAD)) <= 2
    path.write_bytes(content)
    assert both.settle(1_800_000) is not None


def test_a_picture_that_has_rotted_holds_up_no_other(both: Sites) -> None:
    for site in both.sites:
        site.exchange.cut()
    both.power_on()
    both.scan(20)
    rotten = sorted((both.unit.settings.card / "kept").glob("*.picture"))[:3]
    for path in rotten:
        path.write_bytes(bytes(path.stat().st_size))
    for site in both.sites:
        site.exchange.mend()
    both.clock.run(600_000)
    assert all(len(site.mesas) == 20 for site in both.sites)
    for site in both.sites:
        assert len([path for path in Path(site.settings.pictures).iterdir() if path.name != MARK]) == 17


def test_a_broker_that_acknowledges_late_and_brings_nothing_to_its_hub_is_left_in_the_end(two: Sites) -> None:
    here = two.sites[0]
    here.fall_silent()
    here.exchange.acknowledges_after_ms = ANSWER_SECONDS_MAX * 800
    two.power_on()
    while two.clock.ms() < HELD_MS_MAX + SETTLED_MS_MAX:  # there is always something on its way
        two.scan()
        two.clock.run(50_000)
    assert two.sites[1].mesas


# What is no receipt for us.


def receipt(two: Sites, signer: Signer, **other: object) -> bytes:
    """What the signer would say if it held all that the unit has, but for what is given."""
    place = two.unit.unit.store.place()
    true: dict[str, object] = {
        "at": DATE + two.clock.ms() // 1000,
        "chain": place.chain,
        "extras": (),
        "hash": place.prev,
        "hub": signer.verifier.name,
        "missing": (),
        "seq": place.seq - 1,
        "unit": two.unit.name,
        "whole": place.seq - 1,
    }
    return note.write(Receipt(**(true | other)), signer)  # type: ignore[arg-type]


def stranger(name: str) -> KeySigner:
    return KeySigner(name, ec.generate_private_key(ec.SECP256R1()))


def first_hub(two: Sites) -> Signer:
    return two.sites[0].intake.keys.signer


FORGERIES: dict[str, Callable[[Sites], bytes]] = {
    "of a hub that is not in the settings": lambda two: receipt(two, stranger("hub-z")),
    "of another key under the first hub's name": lambda two: receipt(two, stranger("hub-a")),
    "with a byte altered": lambda two: receipt(two, first_hub(two)).replace(b'"whole":', b'"hole":'),
    "for another unit": lambda two: receipt(two, first_hub(two), unit="u-another"),
    "of another chain": lambda two: receipt(two, first_hub(two), chain="c0ffee00" * 4),
    "with another hash": lambda two: receipt(two, first_hub(two), hash="ab" * 32),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_what_is_no_receipt_for_this_unit_settles_nothing_and_keeps_it_at_no_broker(
    two: Sites, forge: Callable[[Sites], bytes]
) -> None:
    here = two.sites[0]
    topic = str(Topic("trial", two.unit.name, Leaf.RECEIPT))
    two.power_on()
    here.mangle = lambda answers: [(topic, forge(two)) for _ in answers]
    two.scan(2)
    two.clock.run(SETTLED_MS_MAX)
    assert len(two.sites[1].mesas) == 2, "it has gone on to the second broker"
    assert len(two.waiting) == 2
    assert two.logged(Event.RECEIPT_IGNORED)
    here.mangle = lambda answers: answers
    assert two.settle(1_800_000) is not None


def test_receipts_of_a_hub_that_has_left_the_settings_count_no_more_and_new_ones_are_ignored(two: Sites) -> None:
    two.power_on()
    two.scan(3)
    assert two.settle(SETTLED_MS_MAX) is not None
    two.unit.cut_power()
    there, put_in = two.sites[1].intake.keys.signer.verifier, stranger("hub-c").verifier
    hubs = tuple(str(put_in if hub == there else hub) for hub in two.unit.settings.hubs.values())
    brokers = (Address("127.0.0.1", "hub-a", 1883), Address("127.0.0.1", "hub-c", 1884))
    two.made.package.write_bytes(two.made.next_package(hubs=hubs, brokers=brokers))
    two.unit = two.new_unit()
    two.power_on()
    assert len(two.waiting) == 3
    two.clock.run(SETTLED_MS_MAX)
    assert len(two.waiting) == 3
    assert any("hub-b" in line for line in two.logged(Event.RECEIPT_IGNORED))


def test_an_old_receipt_that_a_broker_repeats_for_ever_does_not_keep_the_unit_there(two: Sites, seed: int) -> None:
    here, chance = two.sites[0], random.Random(seed)
    two.power_on()
    two.scan(3)
    assert two.settle(SETTLED_MS_MAX) is not None
    old = list(here.answered)
    here.mangle = lambda answers: [chance.choice(old) for _ in answers]
    two.scan(2)
    two.clock.run(2 * SETTLED_MS_MAX)
    assert len(two.sites[1].mesas) == 5
    assert len(two.waiting) == 2


def test_of_more_chains_than_the_link_takes_at_once_each_is_spoken_of_and_none_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "WINDOW", 2)
    with world(tmp_path) as here:
        here.power_on()
        for mesa in range(1, 4):
            here.scan(acta(mesa))
            here.clock.run(5_000)
            here.unit.cut_power()
            for file in here.settings.card.glob("index.db*"):
                file.unlink()
            here.published.clear()
            here.power_on()  # without its index it begins a chain
        chains = {place.chain for place in here.unit.unit.store.places()}
        here.clock.run(60_000)
        holdings = [each for topic, each in here.published if topic.endswith(Leaf.HOLDING.value)]
        trusted = {here.name: here.signer.verifier}
        assert {note.read(each, Holding, trusted).statement.chain for each in holdings} == chains
        assert len(chains) == 4
        assert len(holdings) <= 4 * len(chains)
