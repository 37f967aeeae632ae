"""The intake: what is held, what is receipted, and what copies, gaps, forks and conflicts come to."""

import itertools
import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hub.keys import Keys
from hub.log import Event
from hub.quota import STRAYS_MAX
from tests.hub.conftest import HubHere
from tests.hub.some_unit import Publication, SomeUnit, some_opener, some_payload
from wire import note
from wire.envelope import context
from wire.fields import NOTHING
from wire.note import KeySigner
from wire.receipt import EXTRAS_MAX, Extra
from wire.record import Mode
from wire.seal import seal
from wire.topics import Leaf


def some_presses(unit: SomeUnit, count: int, first: int = 0) -> list[Publication]:
    return [unit.press(some_payload(number)) for number in range(first, first + count)]


def test_what_is_kept_is_receipted_and_counted(hub: HubHere) -> None:
    presses = some_presses(hub.unit(), 5)
    receipt = hub.answer(*presses)
    assert (receipt.seq, receipt.hash, receipt.whole) == (5, presses[-1].hash, 5)
    assert (receipt.extras, receipt.missing, receipt.at) == ((), (), hub.clock)
    assert hub.count().counted == 5


def test_the_receipt_goes_to_the_units_own_topic(hub: HubHere) -> None:
    unit = hub.unit()
    ((topic, _),) = hub.take(unit.press(some_payload()))
    assert topic == unit.topic(Leaf.RECEIPT)


def test_every_copy_gets_the_same_bytes(hub: HubHere) -> None:
    press = hub.unit().press(some_payload())
    first = hub.take(press)
    hub.clock += 100
    assert hub.take(press) == first
    assert hub.take(press, press, press) == first
    hub.restart()
    assert hub.take(press) == first
    assert hub.count().counted == 1


def test_a_hub_with_a_new_key_signs_its_receipts_anew(hub: HubHere) -> None:
    press = hub.unit().press(some_payload())
    hub.answer(press)
    hub.keys = Keys(KeySigner(hub.name, ec.generate_private_key(ec.SECP256R1())), hub.opener)
    hub.restart()
    assert hub.answer(press).seq == 1


def test_a_new_record_gets_a_new_receipt(hub: HubHere) -> None:
    unit = hub.unit()
    first = hub.take(unit.press(some_payload(1)))
    hub.clock += 100
    assert hub.answer(unit.press(some_payload(2))).at == hub.clock
    assert hub.take(unit.holding()) != first


def test_a_gap_holds_the_receipt_back_and_names_what_is_beyond(hub: HubHere) -> None:
    first, second, third = some_presses(hub.unit(), 3)
    assert hub.answer(first).seq == 1
    receipt = hub.answer(third)
    assert (receipt.seq, receipt.extras) == (1, (Extra(third.hash, 3, whole=True),))
    receipt = hub.answer(second)
    assert (receipt.seq, receipt.hash, receipt.extras) == (3, third.hash, ())


def test_any_order_comes_to_the_same(hub: HubHere, seed: int) -> None:
    presses = some_presses(hub.unit(), 20)
    last = presses[-1]
    random.Random(seed).shuffle(presses)
    for begin in range(0, 20, 3):
        hub.answer(*presses[begin : begin + 3])
    receipt = hub.answer(last)
    assert (receipt.seq, receipt.hash, receipt.extras) == (20, last.hash, ())


def test_more_extras_than_a_receipt_can_name_are_all_held(hub: HubHere) -> None:
    first, *others = some_presses(hub.unit(), EXTRAS_MAX + 60)
    receipt = hub.answer(*others)
    assert receipt.seq == 0
    assert [extra.seq for extra in receipt.extras] == list(range(61, EXTRAS_MAX + 61))
    assert hub.answer(first).seq == EXTRAS_MAX + 60


def test_all_that_lies_beyond_a_record_that_is_lost_is_receipted_in_the_end(hub: HubHere) -> None:
    unit = hub.unit()
    _lost, *waiting = some_presses(unit, EXTRAS_MAX + 60)
    # The unit files what is named for good, and offers the others again.
    for _ in range(2):
        named = {extra.seq for extra in hub.answer(*waiting).extras}
        waiting = [press for press in waiting if press.seq not in named]
    assert waiting == []
    assert hub.answer(unit.press(some_payload())).extras[-1].seq == unit.seq


def test_two_units_and_two_chains_are_answered_each_for_itself(hub: HubHere) -> None:
    one, two = hub.unit("unit-1"), hub.unit("unit-2")
    rebuilt = hub.unit("unit-1")
    rebuilt.signer, rebuilt.chain = one.signer, "d" * 32
    hub.units["unit-1"] = one.signer.verifier
    answers = hub.take(one.press(some_payload(1)), two.press(some_payload(2)), rebuilt.press(some_payload(3)))
    receipts = [hub.receipt([answer]) for answer in answers]
    assert {(each.unit, each.chain, each.seq) for each in receipts} == {
        ("unit-1", "c" * 32, 1),
        ("unit-1", "d" * 32, 1),
        ("unit-2", "c" * 32, 1),
    }


def test_a_restart_goes_on_where_it_was(hub: HubHere) -> None:
    unit = hub.unit()
    hub.answer(*some_presses(unit, 3))
    hub.restart()
    assert hub.answer(unit.holding()).seq == 3
    assert hub.answer(*some_presses(unit, 2, first=3)).seq == 5


def test_a_unit_that_asks_is_told_what_is_held(hub: HubHere) -> None:
    unit = hub.unit()
    receipt = hub.answer(unit.holding(), unit.holding())
    assert (receipt.seq, receipt.hash, receipt.unit) == (0, NOTHING, unit.name)
    press = unit.press(some_payload())
    answered = hub.take(press)
    assert hub.take(unit.holding()) == answered


def test_of_a_fork_both_sides_are_kept_and_the_second_is_refused(hub: HubHere) -> None:
    unit = hub.unit()
    hub.answer(unit.press(some_payload(1)))
    unit.seq, unit.prev = 0, NOTHING
    fork = unit.press(some_payload(2))
    answers = hub.take(fork)
    (refused,) = hub.refusals(answers)
    assert (refused.why, refused.publication, refused.unit) == ("fork", fork.sha256, unit.name)
    assert hub.told().count(Event.FORK) == 1
    assert hub.take(fork) == answers
    assert hub.told().count(Event.FORK) == 1
    assert [stray.words for stray in hub.count().strays] == [fork.hash]
    assert hub.count().counted == 1


def test_a_chain_does_not_go_on_over_a_break(hub: HubHere) -> None:
    unit = hub.unit()
    first = unit.press(some_payload(1))
    broken = unit.publish(unit.record([some_payload(2)]), prev="f" * 64)
    answers = hub.take(first, broken)
    assert hub.receipt(answers[:1]).seq == 1
    assert [refused.why for refused in hub.refusals(answers)] == ["fork"]
    unit.seq, unit.prev = 1, first.hash
    right = unit.press(some_payload(3))
    assert hub.answer(right).hash == right.hash
    assert [stray.words for stray in hub.count().strays] == [broken.hash]


def test_what_was_held_beyond_a_gap_and_does_not_follow_is_refused_when_the_gap_closes(hub: HubHere) -> None:
    unit = hub.unit()
    unit.seq, unit.prev = 1, "e" * 64
    beyond = unit.press(some_payload(2))
    assert hub.answer(beyond).extras == (Extra(beyond.hash, 2, whole=True),)
    unit.seq, unit.prev = 0, NOTHING
    first, second = some_presses(unit, 2, first=5)
    answers = hub.take(first)
    assert hub.receipt(answers[:1]).extras == ()
    assert [refused.publication for refused in hub.refusals(answers)] == [beyond.sha256]
    assert hub.answer(second).hash == second.hash


def test_one_mesa_counts_once_however_many_units_read_it(hub: HubHere) -> None:
    for name in ("unit-1", "unit-2", "unit-3"):
        hub.take(hub.unit(name).press(some_payload(1)))
    assert (hub.count().counted, hub.count().conflicts) == (1, [])


def test_a_mesa_with_two_readings_is_in_conflict_and_does_not_count(hub: HubHere) -> None:
    hub.take(hub.unit("unit-1").press(some_payload(1, votes=7)))
    hub.take(hub.unit("unit-2").press(some_payload(1, votes=8)))
    hub.take(hub.unit("unit-3").press(some_payload(2)))
    counted = hub.count()
    assert (counted.counted, counted.conflicts) == (1, ["110000000.02"])
    ((_, facts),) = [told for told in hub.events if told[0] is Event.CONFLICT]
    assert set(facts) == {"unit", "chain", "seq"}


def conflicts(hub: HubHere) -> list[tuple[Any, ...]]:
    return [(facts["unit"], facts["seq"]) for event, facts in hub.events if event is Event.CONFLICT]


def test_a_conflict_with_a_stray_that_comes_to_follow_is_told(hub: HubHere) -> None:
    hub.take(hub.unit("unit-2").press(some_payload(1, votes=7)))
    unit = hub.unit()
    first, right = unit.press(some_payload(5)), unit.press(some_payload(1, votes=8))
    unit.seq, unit.prev = 1, "e" * 64
    hub.take(unit.press(some_payload(6)), right)
    assert conflicts(hub) == []
    hub.take(first)
    assert conflicts(hub) == [(unit.name, 2)]
    assert hub.count().conflicts == ["110000000.02"]


def test_a_conflict_with_what_is_opened_late_is_told(hub: HubHere) -> None:
    hub.take(hub.unit("unit-2").press(some_payload(1, votes=7)))
    unit, right = hub.unit(), hub.keys
    hub.keys = Keys(right.signer, some_opener(hub.name))
    hub.restart()
    hub.take(unit.press(some_payload(1, votes=8)))
    hub.keys = right
    hub.restart()
    assert conflicts(hub) == []
    hub.intake.open_late()
    assert conflicts(hub) == [(unit.name, 1)]


def test_any_number_of_envelopes_that_do_not_follow_leave_room_for_the_one_that_does(hub: HubHere) -> None:
    unit = hub.unit()
    first, right, third = some_presses(unit, 3)
    wrong = []
    for number in range(STRAYS_MAX + 50):
        unit.seq, unit.prev = 1, f"{number + 1:064x}"
        wrong.append(unit.press())
    hub.take(*wrong, third)
    assert [each.why for each in hub.refusals(hub.take(right))] == ["quota"]  # as good as any, while the first lacks
    assert hub.receipt(hub.take(first)[:1]).hash == first.hash
    assert hub.receipt(hub.take(right)[:1]).hash == third.hash
    assert len(hub.count().strays) == STRAYS_MAX + 1


def test_training_never_counts(hub: HubHere) -> None:
    unit = hub.unit()
    hub.answer(unit.press(some_payload(), mode=Mode.TRAINING))
    assert (hub.count().counted, hub.count().training) == (0, 1)


@pytest.mark.parametrize(
    ("payloads", "changed", "words"),
    [
        ((), {}, "no QR code"),
        (("hello",), {}, "sections"),
        ((some_payload().replace("!2!", ",1!2!"),), {}, "39 counts"),
        (("QRBU:1:1 VRQR:1.5 VRCH:20180830",), {}, "sections"),
        ((some_payload(),), {"profile": "br-bu-1.5"}, "br-bu-1.5"),
        ((some_payload(),), {"doubt": "blurred\0\n"}, "doubts"),
        ((some_payload(), some_payload(2)), {}, "2 QR codes"),
    ],
)
def test_what_is_no_acta_is_held_and_listed(
    hub: HubHere, payloads: tuple[str, ...], changed: dict[str, Any], words: str
) -> None:
    assert hub.answer(hub.unit().press(*payloads, **changed)).seq == 1
    (unread,) = hub.count().unread
    assert words in unread.words
    assert hub.count().counted == 0


@pytest.mark.parametrize("date", ["1970-01-01T00:00:00Z", "2106-02-07T06:28:15Z", "9999-99-99T99:99:99Z"])
def test_a_units_clock_may_say_what_it_likes(hub: HubHere, date: str) -> None:
    assert hub.answer(hub.unit().press(some_payload(), date=date)).seq == 1
    assert hub.count().counted == 1


def test_what_cannot_be_opened_is_held_and_refused_and_holds_nothing_back(hub: HubHere) -> None:
    unit = hub.unit()
    others = [some_opener("hub-b").recipient, some_opener("hub-c").recipient]
    record = note.write(unit.record([some_payload(1)]), unit.signer)
    foreign = unit.enclose(seal(record, others, unit.context()))
    after = unit.press(some_payload(2))
    answers = hub.take(foreign, after)
    assert hub.receipt(answers[:1]).seq == 2
    (refused,) = hub.refusals(answers)
    assert (refused.why, refused.publication) == ("not-for-us", foreign.sha256)
    assert hub.take(foreign) == answers
    assert [each.words for each in hub.count().unread] == ["not-for-us"]


def test_what_came_while_the_hub_had_a_wrong_seal_key_counts_once_it_has_the_right_one(hub: HubHere) -> None:
    unit, right = hub.unit(), hub.keys
    hub.keys = Keys(right.signer, some_opener(hub.name))
    hub.restart()
    (refused,) = hub.refusals(hub.take(unit.press(some_payload())))
    assert (refused.why, hub.count().counted) == ("not-for-us", 0)
    hub.keys = right
    hub.restart()
    hub.intake.open_late()
    assert (hub.count().counted, hub.count().unread) == (1, [])


def test_what_others_have_sent_does_not_slow_a_unit_down(sqlite_hub: HubHere) -> None:
    def steps(unit: SomeUnit) -> int:
        """How many times ten instructions SQLite needs for a press."""
        press, ticks = unit.press(some_payload(), pictures=[b"a"]), itertools.count()
        connection: Any = sqlite_hub.ledger._database.connection()  # type: ignore[no-untyped-call]
        connection.set_progress_handler(lambda: next(ticks) < 0, 10)
        sqlite_hub.take(press)
        return next(ticks)

    other, unit = sqlite_hub.unit("unit-2"), sqlite_hub.unit()
    steps(unit)
    before = steps(unit)
    sqlite_hub.take(*(other.press(pictures=[b"%d %d" % (other.seq, each) for each in range(16)]) for _ in range(100)))
    for number in range(100):
        other.chain = f"{number:032x}"
        sqlite_hub.take(other.holding())
    assert steps(unit) < before + 50


def test_a_record_of_another_place_or_with_other_pictures_is_refused(hub: HubHere) -> None:
    unit = hub.unit()
    assert hub.refusal(unit.publish(unit.record(seq=7))).why == "record-mismatch"
    assert hub.refusal(unit.publish(unit.record(chain="a" * 32))).why == "record-mismatch"
    assert hub.refusal(unit.publish(unit.record(pictures=1))).why == "record-mismatch"
    assert hub.answer(unit.press(some_payload())).seq == 4


def test_a_seal_of_another_place_does_not_open(hub: HubHere) -> None:
    unit = hub.unit()
    record = note.write(unit.record([some_payload()]), unit.signer)
    moved = seal(record, unit.recipients, context(unit.deployment, unit.name, unit.chain, 2, "record"))
    assert hub.refusal(unit.enclose(moved)).why == "malformed"


def test_a_unit_that_is_enrolled_later_is_heard(hub: HubHere) -> None:
    unit = hub.unit(enrolled=False)
    press = unit.press(some_payload())
    refused = hub.refusal(press)
    assert (refused.why, refused.publication) == ("unknown-signer", press.sha256)
    hub.units[unit.name] = unit.signer.verifier
    assert hub.answer(press).seq == 1


def test_a_unit_speaks_on_its_own_topic_only(hub: HubHere) -> None:
    one, two = hub.unit("unit-1"), hub.unit("unit-2")
    press = one.press(some_payload())
    answers = hub.take(Publication(two.topic(Leaf.ENVELOPE), press.content))
    (refused,) = hub.refusals(answers)
    assert (refused.why, refused.unit, answers[0][0]) == ("wrong-topic", "unit-2", two.topic(Leaf.RECEIPT))
    assert hub.refusal(Publication(two.topic(Leaf.HOLDING), one.holding().content)).why == "wrong-topic"
    assert hub.count().counted == 0


def test_two_hubs_each_receipt_for_themselves(hub: HubHere, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("other")
    other = HubHere(str(folder / "ledger.sqlite"), folder, "hub-b")
    unit = hub.unit()
    unit.recipients = [hub.opener.recipient, other.opener.recipient]
    other.units = hub.units
    press = unit.press(some_payload())
    assert hub.answer(press).hash == other.answer(press).hash == press.hash
    assert (hub.answer(press).hub, other.answer(press).hub) == ("hub-a", "hub-b")
    other.stop()
