"""The sites: hubs behind brokers of their own, or all behind one, and a unit that is to bring its records to all.

Hands reach between each hub and the unit: `takes` says what arrives at the hub, `refuses` which envelopes it will not
hold, and `mangle`, given its answers, what arrives of these.
"""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import Enum
from functools import partial
from pathlib import Path

from device.signals import Signal
from device.store import Kept
from hub import settings as hub_settings
from hub.intake import Intake
from hub.running import opened
from sim import deployment
from sim.body import Seen
from sim.clock import DATE, SteppedClock
from sim.fleet import SimUnit
from sim.link import Exchange, Publication
from tests.device.world import VE, Answers, acta, leaves, picture
from wire import note
from wire.log import line
from wire.receipt import Refused
from wire.topics import Leaf

_SEEN: Seen = {}
"""The same sheets are laid down in every test."""

WAKE_MS = 500


class Site:
    """A hub and its broker.

    Attributes:
        exchange: the broker.
        settings: the hub's.
        intake: the hub's.
        takes: whether a publication, told with its topic, arrives; the broker acknowledges it anyhow.
        refuses: whether the hub refuses an envelope.
        mangle: what becomes of its answers on their way.
        came: all that has arrived.
        answered: all that it has answered.
        log: its lines.
    """

    def __init__(self, clock: SteppedClock, path: Path, exchange: Exchange, stack: ExitStack) -> None:
        self.exchange = exchange
        self.settings = hub_settings.read(path)
        self.came: list[Publication] = []
        self.answered: list[Publication] = []
        self.log: list[str] = []
        self.mangle: Callable[[Answers], Answers] = lambda answers: answers
        self.refuses: Callable[[bytes], bool] = lambda _payload: False
        self.takes: Callable[[str, bytes], bool] = lambda _topic, _payload: True
        self._seconds: Callable[[], int] = lambda: DATE + clock.ms() // 1000
        self.intake: Intake = stack.enter_context(opened(self.settings, self._seconds, self._write_log))

    @property
    def mesas(self) -> set[str]:
        """The mesas of which the hub holds an acta."""
        return {mesa for mesa, *_ in self.intake.ledger.readings()}

    @property
    def offers(self) -> int:
        """How many envelopes have come."""
        return leaves(self.came).count(Leaf.ENVELOPE)

    @property
    def visits(self) -> int:
        """How often the unit has connected."""
        return self.exchange.handshakes.total()

    def take(self, batch: Sequence[Publication]) -> Answers:
        """The hub's side of its broker."""
        arrived = [each for each in batch if self.takes(*each)]
        self.came += arrived
        refused = [each for each in arrived if leaves([each]) == [Leaf.ENVELOPE] and self.refuses(each[1])]
        answers = [*self.intake.take([each for each in arrived if each not in refused]), *map(self._refusal, refused)]
        self.answered += answers
        return self.mangle(answers)

    def fall_silent(self) -> None:
        """Nothing arrives any more."""
        self.takes = lambda _topic, _payload: False

    def speak(self) -> None:
        """All arrives."""
        self.takes = lambda _topic, _payload: True

    def _refusal(self, publication: Publication) -> Publication:
        topic, payload = publication
        unit, digest = topic.split("/")[3], hashlib.sha256(payload).hexdigest()
        refused = Refused(1, self.settings.name, digest, unit, "malformed", "no")
        return topic.replace("/envelope", "/receipt"), note.write(refused, self.intake.keys.signer)

    def _write_log(self, event: Enum, **facts: str | int | float) -> None:
        self.log.append(line(event, self._seconds(), facts))


class Sites:
    """The sites by rank, and the unit."""

    def __init__(self, folder: Path, stack: ExitStack, hubs: int, brokers: int, receipts: int) -> None:
        self.clock = SteppedClock()
        ports = [1884 + rank for rank in range(brokers - 1)]
        self.made = made = deployment.make(folder / "trial", 1, 1883, VE, hubs=hubs, ports=ports, receipts=receipts)
        self._exchanges = [Exchange(self.clock) for _ in range(brokers)]
        self.sites = [
            Site(self.clock, path, self._exchanges[number % brokers], stack) for number, path in enumerate(made.hubs)
        ]
        for exchange in self._exchanges:
            exchange.hub = partial(_to_all, [site for site in self.sites if site.exchange is exchange])
        ((_, self.path),) = made.units.items()
        self.unit = self.new_unit()
        self._mesa = 0

    def new_unit(self) -> SimUnit:
        """The unit, its settings read anew; its power is off."""
        return SimUnit(self.path, self.clock, self._exchanges, wake_ms=WAKE_MS, seen=_SEEN)

    def power_on(self) -> None:
        """Starts the unit, and gives it time to connect."""
        self.unit.power_on()
        self.clock.run(5_000)

    @property
    def receipts(self) -> int:
        """How many hubs must receipt a record."""
        return self.unit.settings.receipts

    @property
    def waiting(self) -> list[Kept]:
        """What still lacks a receipt of some hub."""
        return list(self.unit.unit.store.waiting(self.receipts))

    @property
    def chain(self) -> str:
        """The unit's."""
        return self.unit.unit.store.place().chain

    def file_of(self, seq: int) -> Path:
        """The envelope on the card."""
        return self.unit.settings.card / "kept" / f"{self.chain}-{seq}.envelope"

    def scan(self, actas: int = 1, more: int = 0) -> None:
        """Keeps so many actas, each of another mesa, in photographs that are so many bytes longer than they need be."""
        for _ in range(actas):
            assert self.try_scan(more) is Signal.KEPT

    def try_scan(self, more: int = 0) -> Signal:
        """Lays the next mesa's acta down and presses; the same one again after a fault."""
        mesa = self._mesa + 1
        verdict = self.unit.scan(picture(acta(mesa)) + random.Random(mesa).randbytes(more))
        self._mesa += verdict is Signal.KEPT
        return verdict

    def settle(self, limit_ms: int = 600_000) -> int | None:
        """Lets time pass until all is receipted, pictures too; how many milliseconds that took, None if too many."""
        begin, store = self.clock.ms(), self.unit.unit.store
        while store.waiting_count(self.receipts):
            if self.clock.ms() >= begin + limit_ms:
                return None
            self.clock.run(500)
        return self.clock.ms() - begin

    def logged(self, event: Enum) -> list[str]:
        """The unit's log lines of an event."""
        word = f" event={event.name.lower().replace('_', '-')} "
        return [each for each in self.unit.log if word in f"{each} "]


def _to_all(at: Sequence[Site], batch: Sequence[Publication]) -> Answers:
    return [answer for site in at for answer in site.take(batch)]


@contextmanager
def sites(folder: Path, hubs: int = 2, brokers: int = 0, receipts: int = 2) -> Iterator[Sites]:
    """Sites whose unit is off; with as many brokers as hubs, unless it is said otherwise."""
    with ExitStack() as stack:
        made = Sites(folder, stack, hubs, brokers or hubs, receipts)
        yield made
        if made.unit.is_on:
            made.unit.cut_power()
