"""The card: every signal on one sheet for volunteers, Spanish in front and English behind, from the signal table."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from device.signals import FaultCode, Lamp, Owner, Pattern, Rhythm, Signal, Sound, read_out
from hardware.build.sheet import INK, Point, Sheet, pdf, width_of, wrapped
from hardware.build.solids import WINDOW_MM, windows
from wire.errors import OurFault

Language = Literal["es", "en"]

A4_MM = (297.0, 210.0)
MARGIN_MM = 6.0
GAP_MM = 6.0
STRIP_MS = 8000
"""What a strip shows of a rhythm."""
STRIP_MM = 8.4
PITCH_MM = 9.4
SOUND_MM = 17.0
SOUND_MS = 4000
SOUND_MM_MIN = 0.7
SIZES_MM = (3.6, 3.5, 3.4, 3.3, 3.2, 3.1, 3.0, 2.9, 2.8)
"""Of the letters, the largest that fits is taken; less than 8 pt is not read at arm's length at night."""
ORDER = (Owner.VERDICT, Owner.PROMPT, Owner.LINK, Owner.BUTTON, Owner.POWER, Owner.TROUBLE, Owner.FAULT)
TINTS = {
    Lamp.READY: "#ffe98a",
    Lamp.KEPT: "#2f9e4f",
    Lamp.AGAIN: "#cf2f2a",
    Lamp.LINK: "#2f62cf",
    Lamp.PAPER: "#ffe98a",
}
GREENISH, REDDISH = "#dff2e4", "#fbe3e0"
FAINT = "#b8b8b8"
LINE = 1.1
"""From line to line, of the letters' size."""


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a row says, and what to do."""

    says: str
    do: str


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signal's words, or the signal whose row says them."""

    es: Said | None = None
    en: Said | None = None
    like: str = ""


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands over the rows."""

    title: str
    steps: tuple[str, str, str]
    calm: str
    lamps: tuple[str, str, str, str, str]
    legend: str
    codes: str
    owners: dict[str, str]


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    head: dict[Language, Head]
    signals: dict[str, Row]
    codes: dict[str, Said]


@functools.cache
def text() -> Text:
    """The words, checked whole.

    Raises:
        OurFault: words lack for a signal or a code, or there are some for none.
    """
    path = Path(__file__).with_name("card.toml")
    found = msgspec.toml.decode(path.read_text("utf-8"), type=Text)
    check(found)
    return found


def check(found: Text) -> None:
    """Holds the words against the signal table.

    Raises:
        OurFault: words lack for a signal or a code, or there are some for none.
    """
    faults = [f"signal {name} has no words" for name in Signal.__members__ if name not in found.signals]
    faults += [f"code {name} has no words" for name in FaultCode.__members__ if name not in found.codes]
    faults += [f"there is no signal {name}" for name in found.signals if name not in Signal.__members__]
    faults += [f"there is no code {name}" for name in found.codes if name not in FaultCode.__members__]
    for name, row in found.signals.items():
        other = found.signals.get(row.like)
        if row.like and (other is None or other.like):
            faults.append(f"signal {name} is like {row.like}, which has no row")
        if not row.like and not (row.es and row.en):
            faults.append(f"signal {name} lacks its Spanish or its English words")
    if faults:
        raise OurFault(f"hardware/build/card.toml: {'; '.join(faults)}: write what a volunteer should know, and do")


def card_pdf() -> bytes:
    """The card: Spanish in front, English behind."""
    return pdf("testigo: card for volunteers", page("es"), page("en"))


def page(language: Language) -> Sheet:
    """One side of the card.

    Raises:
        OurFault: the rows do not fit, even in the smallest letters.
    """
    layouts = [_Layout(language, size) for size in SIZES_MM]
    for layout in layouts:
        if layout.fits():
            return layout.sheet()
    raise OurFault(
        f"the volunteer's card ({language}) is {layouts[-1].over_mm():.0f} mm too long at {SIZES_MM[-1]} mm a letter: "
        "say it in fewer words in hardware/build/card.toml, or let a signal be like another"
    )


@dataclass(frozen=True, slots=True)
class _Block:
    """A row, or the head of a section, which stays with the row after it."""

    high: float
    signal: Signal | None = None
    code: FaultCode | None = None
    section: str = ""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How one side is laid out in letters of a size."""

    language: Language
    size: float

    @property
    def wide(self) -> float:
        """Of a column."""
        return (A4_MM[0] - 2 * MARGIN_MM - GAP_MM) / 2

    @property
    def words_x(self) -> float:
        """Where the words of a row begin in its column."""
        return PITCH_MM * len(Lamp) + SOUND_MM + 1

    @property
    def top(self) -> float:
        """Where the columns begin."""
        return MARGIN_MM + 16.5 + 3.8 * len(self._calm())

    @property
    def foot(self) -> float:
        return A4_MM[1] - MARGIN_MM - 3.4 * len(self._legend())

    def _calm(self) -> list[str]:
        return wrapped(text().head[self.language].calm, A4_MM[0] - 2 * MARGIN_MM, 3.0, bold=True)

    def _legend(self) -> list[str]:
        return wrapped(text().head[self.language].legend, A4_MM[0] - 2 * MARGIN_MM, 2.6)

    def said(self, signal: Signal) -> Said:
        row = text().signals[signal.name]
        said = row.es if self.language == "es" else row.en
        assert said is not None
        return said

    def code_said(self, code: FaultCode) -> Said:
        fault = code.value
        return text().codes[code.name] if self.language == "es" else Said(fault.meaning, fault.remedy)

    def code_lines(self, code: FaultCode) -> list[str]:
        said = self.code_said(code)
        return wrapped(f"{said.says}: {said.do}", self.wide - 32, self.size * 0.86)

    def blocks(self) -> list[_Block]:
        """Everything, from the top of the first column to the foot of the second."""
        head, found = text().head[self.language], list[_Block]()
        section = self.size + 1.6
        for owner in ORDER:
            rows = [each for each in Signal if each.value.owner is owner and not text().signals[each.name].like]
            if rows:
                found.append(_Block(section, section=head.owners[owner.name]))
            for signal in rows:
                said = self.said(signal)
                lines = len(self.lines(said.says, True)) + len(self.lines(said.do, False))
                found.append(_Block(max(lines * self.size * LINE + 0.6, 6.9), signal=signal))
        found.append(_Block(section, section=head.codes))
        found += [_Block(len(self.code_lines(code)) * self.size * 0.95 + 0.9, code=code) for code in FaultCode]
        return found

    def lines(self, words: str, bold: bool) -> list[str]:
        return wrapped(words, self.wide - self.words_x, self.size if bold else self.size * 0.9, bold)

    def columns(self) -> list[list[_Block]]:
        """The blocks in columns, each as long as fits; no section's head at a foot, one that is cut in two has two."""
        columns: list[list[_Block]] = [[]]
        used, room = 0.0, self.foot - self.top
        blocks = self.blocks()
        head = blocks[0]
        for block, after in zip(blocks, [*blocks[1:], None], strict=True):
            head = block if block.section else head
            needed = block.high + (after.high if block.section and after else 0)
            if used + needed > room:
                columns.append([] if block.section else [head])
                used = 0.0 if block.section else head.high
            columns[-1].append(block)
            used += block.high
        return columns

    def fits(self) -> bool:
        return len(self.columns()) <= 2

    def over_mm(self) -> float:
        """By how much it is too long."""
        return sum(block.high for column in self.columns()[2:] for block in column)

    def sheet(self) -> Sheet:
        sheet = Sheet(*A4_MM)
        self._head(sheet)
        for number, column in enumerate(self.columns()):
            x, y = MARGIN_MM + number * (self.wide + GAP_MM), self.top
            for block in column:
                self._block(sheet, x, y, block)
                y += block.high
        for n, line in enumerate(self._legend()):
            sheet.words(MARGIN_MM, self.foot + 3.4 * (n + 1), line, 2.6)
        return sheet

    def _head(self, sheet: Sheet) -> None:
        head = text().head[self.language]
        sheet.words(MARGIN_MM, MARGIN_MM + 5.5, head.title, 6.4, bold=True)
        x = MARGIN_MM
        for n, step in enumerate(head.steps):
            sheet.disc((x + 3, MARGIN_MM + 11), 3, fill=INK, line=None)
            sheet.words(x + 3, MARGIN_MM + 12.4, str(n + 1), 4.2, colour="#ffffff", bold=True, anchor="middle")
            sheet.words(x + 7.5, MARGIN_MM + 12.3, step, 3.7, bold=True)
            x += 12 + width_of(step, 3.7, bold=True)
        for n, line in enumerate(self._calm()):
            sheet.words(MARGIN_MM, MARGIN_MM + 18.5 + 3.8 * n, line, 3.0, bold=True)
        right = A4_MM[0] - MARGIN_MM
        for lamp, name in reversed(list(zip(Lamp, head.lamps, strict=True))):
            right -= width_of(name, 3.2, bold=True)
            sheet.words(right, MARGIN_MM + 5, name, 3.2, bold=True)
            right -= 4
            _symbol(sheet, lamp, (right + 1, MARGIN_MM + 3.8), TINTS[lamp])
            right -= 6

    def _block(self, sheet: Sheet, x: float, y: float, block: _Block) -> None:
        if block.section:
            sheet.box(x, y + 0.5, self.wide, block.high - 1.0, fill="#2a2a2a", line=None)
            sheet.words(x + 2, y + block.high - 1.5, block.section, self.size, colour="#ffffff", bold=True)
            return
        sheet.line((x, y + block.high - 0.2), (x + self.wide, y + block.high - 0.2), line="#d0d0d0", width=0.15)
        if block.code:
            _bars(sheet, (x + 8, y + self.size * 0.55), block.code.value.number)
            sheet.words(x + 6.4, y + self.size, str(block.code.value.number), self.size, bold=True, anchor="end")
            for n, line in enumerate(self.code_lines(block.code)):
                sheet.words(x + 32, y + self.size * 0.95 * (n + 0.95), line, self.size * 0.86)
        if block.signal:
            pattern = shown(block.signal)
            for n, lamp in enumerate(Lamp):
                _lamp(sheet, lamp, dict(pattern.lamps).get(lamp), (x + PITCH_MM * n + PITCH_MM / 2, y))
            _sounds(sheet, pattern, (x + PITCH_MM * len(Lamp), y + 1.2))
            if tint := _tint(pattern):
                left = x + self.words_x - 1
                sheet.box(left, y + 0.1, self.wide - self.words_x + 1, block.high - 0.5, fill=tint, line=None)
            said, at = self.said(block.signal), y + self.size
            for line in self.lines(said.says, True):
                sheet.words(x + self.words_x, at, line, self.size, bold=True)
                at += self.size * LINE
            for line in self.lines(said.do, False):
                sheet.words(x + self.words_x, at, line, self.size * 0.9)
                at += self.size * LINE


def shown(signal: Signal) -> Pattern:
    """Its pattern; of a signal that says a code, with the first of its codes."""
    coded = (code.pattern for code in FaultCode if code.signal is signal)
    return next(coded, signal.value)


def _tint(pattern: Pattern) -> str | None:
    """Behind the words: greenish for what is kept, reddish for what is not well."""
    lit = {lamp for lamp, rhythm in pattern.lamps if rhythm.steps}
    return GREENISH if Lamp.KEPT in lit else REDDISH if Lamp.AGAIN in lit else None


def _lamp(sheet: Sheet, lamp: Lamp, rhythm: Rhythm | None, at: Point) -> None:
    """A lamp with the strip of its rhythm under it; the paper light only where it has something to say."""
    x, y = at
    lit = rhythm is not None and bool(rhythm.steps)
    if not lit and lamp is Lamp.PAPER:
        return
    _symbol(sheet, lamp, (x, y + 2.6), TINTS[lamp] if lit else None)
    if rhythm is None or not lit:
        return
    left, top, high = x - STRIP_MM / 2, y + 5.3, 1.4
    sheet.box(left, top, STRIP_MM, high, fill="#ffffff", line=INK, width=0.12)
    for begins, ends in spans(rhythm):
        start, end = (left + STRIP_MM * ms / STRIP_MS for ms in (begins, ends))
        sheet.box(start, top, end - start, high, fill=INK, line=None)


def spans(rhythm: Rhythm) -> list[tuple[int, int]]:
    """When a lamp is on, in ms, as far as a strip shows it."""
    found: list[tuple[int, int]] = []
    ms: int | None = 0
    while ms is not None and ms < STRIP_MS:
        is_on, until = rhythm.at(ms)
        end = STRIP_MS if until is None else min(until, STRIP_MS)
        if is_on:
            found.append((ms, end))
        ms = until
    return found


def _sounds(sheet: Sheet, pattern: Pattern, at: Point) -> None:
    """Its tones as notes: higher is higher, longer is longer."""
    x, y = at
    if not pattern.tones:
        return
    high = 5.0
    for n in range(3):
        sheet.line((x, y + high * n / 2), (x + SOUND_MM - 2, y + high * n / 2), line="#cccccc", width=0.15)
    ms = 0
    pitches = sorted({tone.value.hertz for tone in type(pattern.tones[0])})
    for tone in pattern.tones:
        note: Sound = tone.value
        step = pitches.index(note.hertz) / (len(pitches) - 1)
        start = x + (SOUND_MM - 2) * ms / SOUND_MS
        wide = max((SOUND_MM - 2) * note.ms / SOUND_MS, SOUND_MM_MIN)
        sheet.box(start, y + high * (1 - step) - 0.8, wide, 1.6, fill=INK, line=None)
        ms += note.ms + note.gap_ms
    assert ms <= SOUND_MS, f"sounds of {ms} ms are longer than the card has room for"


def _bars(sheet: Sheet, at: Point, number: int) -> None:
    """A number as AGAIN reads it out."""
    x, y = at
    for on_ms, _ in read_out(number):
        wide = 2.2 * on_ms / 1000
        sheet.box(x, y - 0.9, wide, 1.8, fill=TINTS[Lamp.AGAIN], line=INK, width=0.15)
        x += wide + 1.0


def _symbol(sheet: Sheet, lamp: Lamp, at: Point, tint: str | None) -> None:
    """A lamp's window as it is cut into the lid; the paper light is a ray over a sheet."""
    x, y = at
    line = INK if tint else FAINT
    if lamp is Lamp.PAPER:
        sheet.outline([(x - 2, y + 1.8), (x + 2, y + 1.8)], line=line, width=0.5)
        sheet.outline(
            [(x - 0.8, y - 2), (x + 0.8, y - 2), (x + 2, y + 1), (x - 2, y + 1)], fill=tint, line=line, width=0.2
        )
        return
    scale = 4.6 / WINDOW_MM
    rings = windows()[list(Lamp).index(lamp)]
    turned = [[(x + scale * px, y - scale * py) for px, py in ring] for ring in rings]
    sheet.outline(*turned, fill=tint, line=line, width=0.3)
