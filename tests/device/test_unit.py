"""The unit: from a press to a receipt, with a real hub behind the link."""

import random
from pathlib import Path

import pytest

from device.keeper import PAYLOADS_CHARACTERS_MAX
from device.log import Event
from device.scan import OPEN_MS, SEARCH_MS_MAX, VERDICT_MS
from device.signals import Signal
from sim.body import EXPOSURE_MS
from tests.device.world import World, acta, leaves, picture, world
from tests.wire.samples import BR_PARTS
from wire.package import FILE
from wire.record import Mode
from wire.topics import Leaf

FOREIGN = "https://example.invalid/a-ticket-to-the-cinema"
LOOKS_MS = SEARCH_MS_MAX + 2 * EXPOSURE_MS


def test_everything_kept_is_receipted_in_the_end(here: World) -> None:
    for mesa in range(12):
        assert here.scan(acta(mesa)) is Signal.KEPT
    assert here.settle()
    assert here.waiting == []
    assert len(here.mesas()) == 12
    assert [record.payloads for record in here.records()] == [(acta(mesa),) for mesa in range(12)]
    assert here.shown[-1] is Signal.LINK_SETTLED


def test_the_first_light_comes_with_the_press_and_the_verdict_with_the_first_look(here: World) -> None:
    here.lay_and_press(acta())
    here.clock.run(0)
    assert here.shown[-1:] == [Signal.SEARCHING]
    here.clock.run(EXPOSURE_MS)
    assert here.shown[-2:] == [Signal.KEPT, Signal.LINK_SENDING]
    here.clock.run(VERDICT_MS + 100)
    assert here.shown[-1:] == [Signal.REST]
    here.clock.run(OPEN_MS)
    assert here.shown[-1:] == [Signal.IDLE]


def test_a_record_says_what_was_seen_and_when(here: World) -> None:
    here.scan(acta())
    (record,) = here.records()
    assert (record.payloads, record.doubt, record.mode, record.seq, record.boot) == ((acta(),), "", Mode.LIVE, 1, 1)
    assert (record.date, record.clock, record.unit) == ("2024-07-29T00:04:11Z", "system", here.name)
    assert record.ms == 5_000 + EXPOSURE_MS
    (photograph,) = record.pictures
    assert photograph.size == len(picture(acta()))


def test_a_record_names_the_receipt_that_was_held_before_it(here: World) -> None:
    here.scan(acta(1))
    assert here.settle()
    held = here.unit.unit.store.last_receipt()
    here.scan(acta(2))
    assert here.records()[1].after == held


def test_an_empty_tray_is_again_within_five_seconds(here: World) -> None:
    began = here.clock.ms()
    assert here.scan() is Signal.AGAIN
    assert here.clock.ms() - began <= LOOKS_MS <= 5_000
    assert here.records() == []


def test_a_sheet_laid_down_while_it_searches_is_kept(here: World) -> None:
    here.lay_and_press()
    here.clock.run(2_000)
    here.unit.body.camera.lay(picture(acta()))
    here.clock.run(2 * EXPOSURE_MS)
    assert Signal.KEPT in here.shown


def test_a_foreign_qr_is_again_and_kept_with_its_doubt_when_pressed_again(here: World) -> None:
    assert here.scan(FOREIGN) is Signal.AGAIN
    assert here.records() == []
    assert here.scan(FOREIGN) is Signal.KEPT_DOUBTFUL
    (record,) = here.records()
    assert record.payloads == (FOREIGN,)
    assert record.doubt.startswith("the payload has 1 sections")
    assert here.settle()
    assert here.mesas() == set()


def test_two_actas_in_view_are_again_and_each_alone_is_kept(here: World) -> None:
    assert here.scan(acta(1), acta(2)) is Signal.AGAIN
    assert here.scan(acta(1)) is Signal.KEPT
    assert here.scan(acta(2)) is Signal.KEPT
    assert [record.payloads for record in here.records()] == [(acta(1),), (acta(2),)]


def test_an_acta_with_a_count_too_few_is_refused_in_words_that_tell_no_votes(here: World) -> None:
    payload = acta().replace(",7", "", 1)
    assert here.scan(payload) is Signal.AGAIN
    assert here.logged(Event.REFUSED_PAYLOAD)[0].endswith(
        'why="the payload has 37 counts of votes, the profile ve-2024-presidential has 38"'
    )


@pytest.mark.parametrize(
    "payload", ["\x00" * 2953, "\xff" * 2953, '"' * 2953, "7" * 2953], ids=["NUL", "8 bit", "quotes", "digits"]
)
def test_the_longest_qr_texts_are_kept_whole(here: World, payload: str) -> None:
    assert here.scan(payload) is Signal.AGAIN
    assert here.scan(payload) is Signal.KEPT_DOUBTFUL
    assert here.records()[0].payloads == (payload,)
    assert here.settle()


def test_more_text_than_fits_a_record_is_kept_as_a_picture(here: World) -> None:
    codes = [chr(letter) * 2953 for letter in range(4)]
    assert sum(map(len, codes)) > PAYLOADS_CHARACTERS_MAX
    assert here.scan(*codes) is Signal.AGAIN
    assert here.scan(*codes) is Signal.KEPT_DOUBTFUL
    (record,) = here.records()
    assert (record.payloads, record.doubt) == (
        (),
        "4 QR codes of 11812 characters do not fit a record: see the picture",
    )
    assert here.settle()


def test_as_much_text_as_fits_a_record_is_kept_however_it_is_escaped(here: World) -> None:
    codes = [chr(letter) * (PAYLOADS_CHARACTERS_MAX // 4) for letter in range(4)]
    here.scan(*codes)
    assert here.scan(*codes) is Signal.KEPT_DOUBTFUL
    assert set(here.records()[0].payloads) == set(codes)
    assert here.settle()


def test_presses_while_it_searches_change_nothing(here: World) -> None:
    here.lay_and_press()
    for _ in range(5):
        here.clock.run(500)
        here.unit.body.press()
    here.unit.body.camera.lay(picture(acta()))
    here.clock.run(2 * EXPOSURE_MS)
    assert here.shown.count(Signal.SEARCHING) == 1
    assert len(here.records()) == 1


def test_two_presses_at_once_keep_one_record(here: World) -> None:
    here.lay_and_press(acta())
    here.unit.body.press()
    here.clock.run(1_000)
    assert len(here.records()) == 1
    assert here.shown.count(Signal.KEPT) == 1


def test_a_press_never_waits_for_the_verdict_before(here: World) -> None:
    here.scan(acta(1))
    began = here.clock.ms()
    assert here.scan(acta(2)) is Signal.KEPT
    assert here.clock.ms() - began < 500 < VERDICT_MS


def test_the_card_tells_nothing_of_what_was_seen(here: World) -> None:
    for mesa in (1, 2):
        here.scan(acta(mesa))
    here.scan(FOREIGN)
    here.scan(FOREIGN)
    centro, number = acta(1).split(".")[:2]
    telling = [acta(1), f"{centro}.{number}", centro, "7,7,7,7", FOREIGN, "cinema", here.settings.profile.id]
    for path in here.settings.card.rglob("*"):
        if path.name == FILE:
            continue  # the deployment package says the same to every unit, whatever it has seen
        content = path.read_bytes() if path.is_file() else b""
        assert [text for text in telling if text.encode() in content or text in path.name] == []
        assert picture(acta(1))[:64] not in content


def test_no_log_line_tells_what_was_seen(here: World) -> None:
    actas = [acta(mesa, votes=98_765) for mesa in range(5)]
    for payload in [*actas, actas[0], actas[1].replace("98765", "98764"), *BR_PARTS[:1] * 2, FOREIGN, FOREIGN]:
        here.scan(payload)
    here.scan(*actas[:2])
    here.exchange.cut()
    here.clock.run(60_000)
    here.exchange.mend()
    assert here.settle()
    lines = here.unit.log + here.hub_log
    telling = ["98765", "98764", "7,7", "24011100", "cinema", "QRBU:1", *here.mesas()]
    assert [line for line in lines for text in telling if text in line] == []
    assert {Event.KEPT.name, Event.SCANNED.name} <= {name.upper() for name in events_of(here.unit.log)}


def events_of(lines: list[str]) -> set[str]:
    return {line.split(" event=")[1].split(" ")[0].replace("-", "_") for line in lines}


def test_records_go_before_pictures(here: World) -> None:
    here.exchange.cut()
    for mesa in range(6):
        here.scan(acta(mesa))
    here.published.clear()
    here.exchange.mend()
    assert here.settle()
    order = [leaf for leaf in leaves(here.published) if leaf is not Leaf.HOLDING]
    assert order == [Leaf.ENVELOPE] * 6 + [Leaf.CHUNK] * 6


def test_a_photograph_of_many_chunks_arrives_whole(here: World) -> None:
    code = picture(acta())
    here.unit.scan(code + random.Random(4).randbytes(700_000))  # decoders stop where the picture ends
    assert here.settle()
    assert leaves(here.published).count(Leaf.CHUNK) == 11


def test_training_is_kept_as_such_and_never_counted(tmp_path: Path) -> None:
    with world(tmp_path, mode="training") as made:
        made.power_on()
        assert made.scan(acta()) is Signal.KEPT
        assert made.settle()
        assert (made.records()[0].mode, made.mesas()) == (Mode.TRAINING, set())


def test_the_log_says_what_the_card_holds_at_each_start(here: World) -> None:
    here.exchange.cut()
    here.scan(acta())
    here.unit.cut_power()
    here.power_on()
    assert here.logged(Event.STARTED)[1].endswith("boot=2 kept=1 waiting=1")
