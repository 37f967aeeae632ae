"""The health: what ails a unit, by what its body measures and how well it reads, and what is done about each.

Nothing here refuses anything that could still be kept: what ails a unit is logged when it begins and when it ends,
shown beside whatever else is shown (docs/signals.md), and told in its beats. Only an empty battery ends the run, in
order, while it still can.
"""

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum

from device.log import Event
from device.ports import Clock, Ms, Storage, Vitals
from device.room import PHOTOGRAPH_BYTES
from device.settings import Settings
from device.signals import FaultCode, Signal
from device.store import Store
from wire.beat import SCANS_MAX, Beat
from wire.log import Log

BATTERY_LOW_PERCENT = 15
"""A little over an hour of the eight that a full battery lasts."""

BATTERY_EMPTY_PERCENT = 4
"""Below that gauges guess, and a Pi browns out rather than stopping: a quarter of an hour is left to stop in order."""

EMPTY_MS = 30_000
"""A battery is empty when its gauge has said so for so long, three looks: once may be a sag, or noise on its wires."""

BATTERY_MARGIN_PERCENT = 5
"""How much more must be measured until a trouble is over: a load that comes and goes moves a gauge by 2 or 3."""

HOT_CELSIUS = 80
"""From here on a Pi slows itself down; at 85 it does little else."""

WARM_CELSIUS = 60
HEAT_MARGIN_CELSIUS = 5

WORN_PERCENT = 90
"""The last tenth of a card's life, as a card tells it (JESD84-B51, life time estimation)."""

READS_MIN = 10
"""Of fewer scans nothing is concluded: volunteers try out what a unit does with an empty tray."""

READS_BADLY_PERCENT, READS_WELL_PERCENT = 60, 75
"""In 2024 the scans of one badly set scanner could be read in 0.6 of 100, those of the others in 97: between them lies
whatever should not go on as it is, and it goes on being told until it is well."""

BEAT_MS = 600_000
"""How often a unit beats: 2,000 of them are three beats a second."""

BEAT_MS_MIN = 60_000
"""How soon a unit beats again when something begins to ail it, or ends."""


@dataclass(frozen=True, slots=True)
class Reads:
    """How many of the latest scans were read."""

    read: int = 0
    scans: int = 0


Show = Callable[[FaultCode | Signal], None]

Rule = Callable[[Vitals, Reads, bool], bool]
"""Whether a trouble is there, by what was measured, how well was read, and whether it was there before."""


def _battery(limit: int) -> Rule:
    def rule(vitals: Vitals, _reads: Reads, was: bool) -> bool:
        most = limit + (BATTERY_MARGIN_PERCENT if was else 0)
        return vitals.on_battery is not False and vitals.battery is not None and vitals.battery <= most

    return rule


def _low(vitals: Vitals, reads: Reads, was: bool) -> bool:
    line = vitals.is_battery_low and vitals.on_battery is not False
    return line or _battery(BATTERY_LOW_PERCENT)(vitals, reads, was)


def _hot(vitals: Vitals, _reads: Reads, was: bool) -> bool:
    least = HOT_CELSIUS - (HEAT_MARGIN_CELSIUS if was else 0)
    # A computer without power enough is slowed too, and that is another trouble.
    return (vitals.is_slowed and not vitals.is_undervolted) or (vitals.celsius is not None and vitals.celsius >= least)


def _reads_badly(_vitals: Vitals, reads: Reads, was: bool) -> bool:
    least = READS_WELL_PERCENT if was else READS_BADLY_PERCENT
    return reads.scans >= READS_MIN and 100 * reads.read < least * reads.scans


@dataclass(frozen=True, slots=True)
class Kind:
    """One trouble.

    Attributes:
        rule: when it is there.
        why: what it is and what to do, in words.
        shown: how it is told on the lamps; None when nobody at the unit could do anything about it.
        measured: which of the vitals is logged with it.
    """

    rule: Rule
    why: str
    shown: FaultCode | Signal | None = None
    measured: str = ""


def _coded(code: FaultCode, rule: Rule, measured: str = "") -> Kind:
    return Kind(rule, f"{code.value.meaning}: {code.value.remedy}", code, measured)


class Trouble(Enum):
    """What can ail a unit that goes on."""

    BATTERY_EMPTY = Kind(
        _battery(BATTERY_EMPTY_PERCENT), "the battery is empty, and the unit stops in order: charge it", None, "battery"
    )
    BATTERY_LOW = Kind(_low, Signal.BATTERY_LOW.value.meaning, Signal.BATTERY_LOW, "battery")
    CARD_ERRORS = _coded(FaultCode.CARD_WORN, lambda vitals, _reads, _was: vitals.card_errors > 0, "card_errors")
    CARD_READ_ONLY = _coded(FaultCode.CARD, lambda vitals, _reads, _was: vitals.is_read_only)
    CARD_WORN = _coded(
        FaultCode.CARD_WORN, lambda vitals, _reads, _was: (vitals.card_wear or 0) >= WORN_PERCENT, "card_wear"
    )
    CLOCK_LOST = _coded(FaultCode.CLOCK, lambda vitals, _reads, _was: vitals.is_date_lost)
    CLOCK_UNSET = Kind(
        lambda vitals, _reads, _was: vitals.is_date_unset,
        "nobody has told the unit the date: go on; hubs' receipts tell when a record was there",
    )
    GAUGE_SILENT = _coded(FaultCode.BATTERY_BOARD, lambda vitals, _reads, _was: vitals.is_gauge_silent)
    HOT = _coded(FaultCode.HOT, _hot, "celsius")
    READS_BADLY = _coded(FaultCode.LENS, _reads_badly)
    UNDERVOLTED = _coded(FaultCode.POWER, lambda vitals, _reads, _was: vitals.is_undervolted)

    @property
    def word(self) -> str:
        """Its name as logs, beats and pages write it."""
        return self.name.lower().replace("_", "-")


def ailing(vitals: Vitals, reads: Reads, before: Collection[Trouble] = ()) -> list[Trouble]:
    """What ails a unit that measures this and reads so, after what ailed it before."""
    return [trouble for trouble in Trouble if trouble.value.rule(vitals, reads, trouble in before)]


class Health:
    """How a unit is, and what it says of that.

    Args:
        settings: the unit's.
        store: the card.
        storage: tells what is free.
        clock: the unit's.
        show: shows a signal or a fault's code.
        log: writes log lines.

    Attributes:
        troubles: what ails it.
    """

    def __init__(self, settings: Settings, store: Store, storage: Storage, clock: Clock, show: Show, log: Log) -> None:
        self._settings = settings
        self._store = store
        self._storage = storage
        self._clock = clock
        self._show = show
        self._log = log
        self._vitals = Vitals()
        self._scans: deque[bool] = deque(maxlen=SCANS_MAX)
        self._had_charge = False
        self._beat_at: Ms = BEAT_MS
        self._beaten_at: Ms = 0
        self._empty_at: Ms | None = None
        self.troubles: list[Trouble] = []

    def measured(self, vitals: Vitals) -> None:
        """Takes what the body has measured."""
        self._vitals = vitals
        self._look()
        is_empty = Trouble.BATTERY_EMPTY in self.troubles
        # A gauge that never told of any charge is broken, or its battery is charged: the unit goes on while it can.
        if not (is_empty and self._had_charge):
            self._empty_at = None
        elif self._empty_at is None:
            self._empty_at = self._clock.ms() + EMPTY_MS
        self._had_charge = self._had_charge or (vitals.battery is not None and not is_empty)

    def is_empty(self, now: Ms) -> bool:
        """Whether the battery is used up."""
        return self._empty_at is not None and now >= self._empty_at

    def scanned(self, was_read: bool) -> None:
        """Takes how a scan ended."""
        self._scans.append(was_read)
        self._look()

    @property
    def reads(self) -> Reads:
        """How well it reads."""
        return Reads(sum(self._scans), len(self._scans))

    def beat(self, now: Ms) -> Beat | None:
        """What is to be said of all this, if it is time."""
        if now < self._beat_at:
            return None
        self._beat_at, self._beaten_at = now + BEAT_MS, now
        place, reads = self._store.place(), self.reads
        # What is measured is told coarsely, for it travels in clear.
        return Beat(
            battery=_battery_word(self._vitals, self.troubles),
            boot=self._store.boot,
            chain=place.chain,
            deployment=self._settings.deployment,
            heat=_heat_word(self._vitals, self.troubles),
            kept=self._store.count(),
            minutes=now // 600_000 * 10,
            read=reads.read,
            room=self._storage.free() // PHOTOGRAPH_BYTES,
            scans=reads.scans,
            troubles=tuple(sorted(trouble.word for trouble in self.troubles)),
            unit=self._settings.unit,
            waiting=self._store.waiting_count(self._settings.receipts),
        )

    def _look(self) -> None:
        """Looks what has begun and what has ended."""
        before, self.troubles = self.troubles, ailing(self._vitals, self.reads, self.troubles)
        for trouble in self.troubles:
            if trouble not in before:
                kind = trouble.value
                measured = getattr(self._vitals, kind.measured) if kind.measured else None
                self._log(
                    Event.AILING,
                    trouble=trouble.word,
                    why=kind.why,
                    **({} if measured is None else {kind.measured: measured}),
                )
                if kind.shown is not None:
                    self._show(kind.shown)
        for trouble in before:
            if trouble not in self.troubles:
                self._log(Event.MENDED, trouble=trouble.word)
                if trouble is Trouble.BATTERY_LOW:
                    self._show(Signal.POWER_GOOD)
        if self.troubles != before:
            self._beat_at = min(self._beat_at, max(self._clock.ms(), self._beaten_at + BEAT_MS_MIN))


def _battery_word(vitals: Vitals, troubles: Collection[Trouble]) -> str:
    if vitals.on_battery is False:
        return "outside"
    if Trouble.BATTERY_EMPTY in troubles:
        return "empty"
    if Trouble.BATTERY_LOW in troubles:
        return "low"
    if vitals.battery is None:
        return "unknown"
    return "high" if vitals.battery > 50 else "half"


def _heat_word(vitals: Vitals, troubles: Collection[Trouble]) -> str:
    if vitals.celsius is None:
        return "unknown"
    if Trouble.HOT in troubles:
        return "hot"
    return "warm" if vitals.celsius >= WARM_CELSIUS else "fine" if vitals.celsius > 0 else "cold"
