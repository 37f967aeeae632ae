"""The volunteer's card: every signal in Spanish and English, on one sheet, and drawn as it shines and sounds."""

import dataclasses
import functools

import msgspec
import pypdfium2  # type: ignore[import-untyped]
import pytest

from device.signals import FaultCode, Lamp, Owner, Rhythm, Signal, read_out
from hardware.build import card
from hardware.build.card import Language, Said, Text
from hardware.build.sheet import Disc, Outline, Words, pdf, width_of
from wire.errors import OurFault

languages = pytest.mark.parametrize("language", ["es", "en"])


@functools.cache
def shown_words(language: Language) -> str:
    return " ".join(each.text for each in card.page(language).drawn if isinstance(each, Words))


def without(name: str) -> Text:
    found = card.text()
    return msgspec.structs.replace(found, signals={key: row for key, row in found.signals.items() if key != name})


@languages
@pytest.mark.parametrize("signal", Signal, ids=lambda signal: signal.name)
def test_every_signal_has_its_row(signal: Signal, language: Language) -> None:
    rows = card.text().signals
    row = rows[rows[signal.name].like or signal.name]
    said = row.es if language == "es" else row.en
    assert said is not None
    assert said.says in shown_words(language)
    assert said.do in shown_words(language)


@languages
@pytest.mark.parametrize("code", FaultCode, ids=lambda code: code.name)
def test_every_fault_code_has_its_row(code: FaultCode, language: Language) -> None:
    shown = shown_words(language)
    said = card.text().codes[code.name] if language == "es" else Said(code.value.meaning, code.value.remedy)
    assert f"{said.says}: {said.do}" in shown
    assert str(code.value.number) in shown.split()


@pytest.mark.parametrize("name", ["KEPT", "READY", "FAULT"])
def test_a_signal_without_words_is_named(name: str) -> None:
    with pytest.raises(OurFault, match=f"signal {name} has no words"):
        card.check(without(name))


def test_a_signal_that_lacks_its_spanish_words_is_named() -> None:
    found = card.text()
    bare = msgspec.structs.replace(found.signals["KEPT"], es=None)
    with pytest.raises(OurFault, match="signal KEPT lacks its Spanish or its English words"):
        card.check(msgspec.structs.replace(found, signals={**found.signals, "KEPT": bare}))


def test_words_for_no_signal_and_for_no_code_are_named() -> None:
    found = card.text()
    kept, lens = found.signals["KEPT"], Said("a", "b")
    with pytest.raises(OurFault, match="there is no signal WAVING; there is no code COFFEE"):
        card.check(
            msgspec.structs.replace(
                found, signals={**found.signals, "WAVING": kept}, codes={**found.codes, "COFFEE": lens}
            )
        )


def test_a_signal_is_like_one_that_has_a_row() -> None:
    for name, row in card.text().signals.items():
        if row.like:
            assert not card.text().signals[row.like].like, name
            pattern, other = Signal[name].value, Signal[row.like].value
            assert set(pattern.lamps) <= set(other.lamps), f"{name} is not seen as {row.like} is"


def test_every_owner_of_lamps_has_its_section() -> None:
    assert sorted(card.ORDER) == sorted(Owner)
    for head in card.text().head.values():
        assert set(head.owners) == set(Owner.__members__)


@languages
def test_no_word_and_no_line_is_off_the_page_or_over_another_column(language: Language) -> None:
    sheet = card.page(language)
    wide, high = card.A4_MM
    for each in sheet.drawn:
        match each:
            case Words((x, y), text, size, _, bold, anchor):
                left = x - width_of(text, size, bold) * {"start": 0, "middle": 0.5, "end": 1}[anchor]
                right = left + width_of(text, size, bold)
                assert left >= card.MARGIN_MM - 0.5, text
                assert right <= wide - card.MARGIN_MM + 0.5, text
                assert card.MARGIN_MM <= y <= high - card.MARGIN_MM + 0.5, text
                if y > 40 and y < high - 14 and left < wide / 2:
                    assert right <= wide / 2, text
            case Outline(rings=rings):
                assert all(0 <= x <= wide and 0 <= y <= high for ring in rings for x, y in ring)
            case Disc():
                pass


def test_a_card_that_overflows_is_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    long = Said("muchas palabras " * 12, "y todavía más palabras " * 12)
    found = card.text()
    rows = {name: row if row.like else msgspec.structs.replace(row, es=long) for name, row in found.signals.items()}
    monkeypatch.setattr(card, "text", lambda: msgspec.structs.replace(found, signals=rows))
    with pytest.raises(OurFault, match="mm too long"):
        card.page("es")


@languages
def test_a_column_begins_with_a_head_though_it_goes_on_with_a_section(language: Language) -> None:
    for size in card.SIZES_MM:
        layout = card._Layout(language, size)
        columns, blocks = layout.columns(), layout.blocks()
        assert all(column[0].section for column in columns)
        assert [each for column in columns for each in column if not each.section] == [
            each for each in blocks if not each.section
        ]


def test_the_card_has_room_for_two_more_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a new signal needs words only, and no new layout."""
    for language in ("es", "en"):
        layout = card._Layout(language, card.SIZES_MM[-1])
        spare = 2 * (layout.foot - layout.top) - sum(block.high for block in layout.blocks())
        assert spare >= 2 * 6.9, language


def test_it_is_one_sheet_of_a4_spanish_in_front_and_english_behind() -> None:
    document = pypdfium2.PdfDocument(card.card_pdf())
    assert len(document) == 2
    sizes = [[round(size * 25.4 / 72) for size in document.get_page_size(n)] for n in range(2)]
    assert sizes == [[297, 210]] * 2
    front, back = (document[n].get_textpage().get_text_bounded() for n in range(2))
    assert "GUARDADA" in front
    assert "Alise el papel" in front
    assert "Práctica" in front  # letters of Spanish come out as themselves
    assert "KEPT" in back


def test_its_letters_are_within_and_no_date_is() -> None:
    found = card.card_pdf()
    assert found.count(b"/FontFile2") == 2
    assert found == card.card_pdf()
    assert b"/CreationDate (D:2000" in found


def test_a_letter_that_the_font_lacks_is_refused() -> None:
    with pytest.raises(AssertionError, match="the font has no"):
        width_of("\N{HEAVY CHECK MARK}", 4)


def test_letters_are_as_large_as_they_are_read_at_arm_s_length() -> None:
    pt = min(card.SIZES_MM) / 25.4 * 72
    assert pt >= 7.9


@pytest.mark.parametrize("signal", Signal, ids=lambda signal: signal.name)
def test_a_strip_shows_what_the_lamp_does(signal: Signal) -> None:
    for _, rhythm in card.shown(signal).lamps:
        spans = card.spans(rhythm)
        for ms in range(0, card.STRIP_MS, 25):
            assert rhythm.at(ms)[0] == any(begins <= ms < ends for begins, ends in spans)


def test_what_is_steady_is_all_black_and_what_is_dark_has_no_strip() -> None:
    assert card.spans(Rhythm((1000,))) == [(0, card.STRIP_MS)]
    assert card.spans(Rhythm(())) == []


def test_fault_and_trouble_show_a_code_and_its_number_is_drawn_as_it_is_read_out() -> None:
    for signal in {code.signal for code in FaultCode}:
        assert Lamp.AGAIN in dict(card.shown(signal).lamps)
    bars = [on for on, _ in read_out(21)]
    assert bars == sorted(bars, reverse=True)
    assert len(bars) == 3


def test_lamps_on_the_card_are_the_windows_of_the_lid_in_their_order() -> None:
    head = card.text().head["es"]
    assert len(head.lamps) == len(Lamp)
    assert list(card.TINTS) == list(Lamp)
    assert dataclasses.is_dataclass(card.page("es"))


def test_the_same_words_in_smaller_letters_take_less_room() -> None:
    heights = [sum(block.high for block in card._Layout("es", size).blocks()) for size in card.SIZES_MM]
    assert heights == sorted(heights, reverse=True)


def test_words_for_a_frightened_person_are_short() -> None:
    for name, row in card.text().signals.items():
        for said in (row.es, row.en):
            if said:
                assert len(said.says) <= 34, name
                assert len(said.do) <= 48, name


def test_a_pdf_of_nothing_else_is_as_small_as_a_picture() -> None:
    assert len(pdf("testigo", card.page("es"))) < 150_000
