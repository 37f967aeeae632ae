"""The world of a unit under test: its settings, its card, its link on a stepped clock, and behind it a real hub.

A hand reaches between hub and unit: `mangle` is given every batch of answers and says what arrives instead.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Self

import segno
from PIL import Image

from device import settings
from device.keys import signer_from
from device.signals import Signal
from device.store import Kept, Place
from hub import settings as hub_settings
from hub.count import Count, count
from hub.intake import Intake
from hub.running import opened
from sim import deployment
from sim.body import Seen
from sim.clock import DATE, SteppedClock
from sim.fleet import SimUnit
from sim.link import Exchange, Publication
from wire import note
from wire.envelope import Envelope, context, split
from wire.log import line
from wire.record import Record
from wire.topics import Leaf, parse

VE = "ve-2024-presidential"
BR = "br-bu-1.5"

SETTLED_MS_MAX = 3_600_000

Answers = Sequence[Publication]


def acta(mesa: int = 1, votes: int = 100) -> str:
    """The payload of an acta; mesas are numbered through, `votes` tells two actas of one mesa apart."""
    centro = f"{240111000 + mesa // 90}.{mesa % 90 + 1:02}"
    return f"{centro}.1.0001!{votes},{','.join(['7'] * 37)}!0!0"


@cache
def picture(*payloads: str) -> bytes:
    """A photograph of sheets side by side, one for each payload; of the empty tray without any."""
    codes = []
    for payload in payloads:
        file = BytesIO()
        symbol = segno.make_qr(payload.encode("latin-1"), mode="byte", error="l", mask=0)  # to choose a mask is slow
        symbol.save(file, kind="png", scale=4, border=6)
        codes.append(Image.open(file).convert("L"))
    size = (sum(code.width for code in codes) or 64, max((code.height for code in codes), default=64))
    tray, left = Image.new("L", size, 255), 0
    for code in codes:
        tray.paste(code, (left, 0))
        left += code.width
    out = BytesIO()
    tray.save(out, "PNG")
    return out.getvalue()


class World:
    """One unit and its hub.

    Attributes:
        unit: the unit, its power off.
        published: everything that reached the hub's side, answered or not.
        answered: everything the hub answered, as it was before `mangle`.
        mangle: what becomes of answers on their way.
        hub_log: the hub's log lines.
    """

    def __init__(self, deployed: deployment.Deployment, seen: Seen | None = None) -> None:
        self.clock = SteppedClock()
        self.deployed = deployed
        self.published: list[Publication] = []
        self.answered: list[Publication] = []
        self.hub_log: list[str] = []
        self.mangle: Callable[[Answers], Answers] = lambda answers: answers
        ((self.name, path),) = deployed.units.items()
        self.deployed = deployed
        self._path = path
        self.settings = settings.read(path)
        self.signer = signer_from(self.settings.key, self.name)
        self.exchange = Exchange(self.clock, self.take)
        self.unit = SimUnit(path, self.clock, [self.exchange], seen=seen)
        self._intake: Intake | None = None

    @property
    def intake(self) -> Intake:
        """The hub's."""
        assert self._intake is not None, "the hub is not running"
        return self._intake

    @contextmanager
    def running(self, of_hub: hub_settings.Settings) -> Iterator[Self]:
        """The same, with the hub running; the unit's power is cut in the end."""
        with opened(of_hub, self._hub_seconds, self._write_hub_log) as self._intake:
            yield self
            if self.unit.is_on:
                self.unit.cut_power()

    def reread(self) -> None:
        """Has the hub count by the package that lies beside its settings by now."""
        self.settings = settings.read(self._path)

    @property
    def shown(self) -> list[Signal]:
        """Every signal since the power came on."""
        return self.unit.shown

    @property
    def waiting(self) -> list[Kept]:
        """What the unit still holds for want of receipts."""
        return list(self.unit.unit.store.waiting(self.settings.receipts))

    def power_on(self) -> "World":
        """Starts the unit and lets it connect."""
        self.unit.power_on()
        self.clock.run(5_000)
        return self

    @property
    def place(self) -> Place:
        """Where the unit's next record goes."""
        return self.unit.unit.store.place()

    def scan(self, *payloads: str) -> Signal:
        """Lays a sheet down, presses, and waits for the verdict."""
        return self.unit.scan(picture(*payloads))

    def lay_and_press(self, *payloads: str) -> None:
        """The same, without waiting."""
        self.unit.body.camera.lay(picture(*payloads))
        self.unit.body.press()

    def settle(self, limit_ms: int = SETTLED_MS_MAX) -> bool:
        """Lets time pass until every record and picture is receipted; whether that came to be."""
        end, store = self.clock.ms() + limit_ms, self.unit.unit.store
        while store.waiting_count(self.settings.receipts) and self.clock.ms() < end:
            self.clock.run(1_000)
        return store.waiting_count(self.settings.receipts) == 0

    def records(self) -> list[Record]:
        """The records on the card, in the order of their chain, opened with the hub's key."""
        kept = sorted((self.settings.card / "kept").glob("*.envelope"), key=lambda path: int(path.stem.split("-")[1]))
        return [self.opened(path.read_bytes()) for path in kept]

    def opened(self, publication: bytes) -> Record:
        """The record in a publication, verified at every step."""
        return self._note(publication).statement

    def identity(self, seq: int) -> str:
        """The identity of a record of the present chain."""
        return self._note((self.settings.card / "kept" / f"{self.place.chain}-{seq}.envelope").read_bytes()).hash

    def _note(self, publication: bytes) -> note.Note[Record]:
        trusted = {self.name: self.signer.verifier}
        text, sealed = split(publication)
        envelope = note.read(text, Envelope, trusted).statement
        envelope.check(sealed)
        place = (envelope.deployment, envelope.unit, envelope.chain, envelope.seq)
        content = self.intake.keys.opener.open(sealed, context(*place, "record"))
        return note.read(content, Record, trusted)

    def mesas(self) -> set[str]:
        """The mesas of which the hub holds an acta."""
        return {mesa for mesa, *_ in self.intake.ledger.readings()}

    def counted(self) -> Count:
        """What the hub counts."""
        return count(self.intake.ledger, self.settings.profile, self.settings.roster, self.settings.mode)

    def logged(self, event: Enum) -> list[str]:
        """The unit's log lines of an event."""
        word = f" event={event.name.lower().replace('_', '-')} "
        return [each for each in self.unit.log if word in f"{each} "]

    def take(self, batch: Sequence[Publication]) -> Answers:
        """The hub's side of the exchange."""
        self.published += batch
        answers = self.intake.take(batch)
        self.answered += answers
        return self.mangle(answers)

    def _write_hub_log(self, event: Enum, **facts: str | int | float) -> None:
        self.hub_log.append(line(event, self._hub_seconds(), facts))

    def _hub_seconds(self) -> int:
        """The hub's own clock, which never jumps."""
        return DATE + self.clock.ms() // 1000


@contextmanager
def world(folder: Path, profile: str = VE, mode: str = "live", seen: Seen | None = None) -> Iterator[World]:
    """A world in a folder of its own; `seen` is what its reader need not read again."""
    deployed = deployment.make(folder / "trial", 1, 1883, profile, mode)
    with World(deployed, seen).running(hub_settings.read(deployed.hub)) as made:
        yield made


def leaves(publications: Sequence[Publication]) -> list[Leaf]:
    """What the publications carry."""
    return [topic.leaf for topic in (parse(topic) for topic, _ in publications) if topic is not None]
