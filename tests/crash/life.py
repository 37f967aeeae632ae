"""The life of a unit: its real firmware from power on to power off, on a card and a stepped clock; what it tells.

Each thing said is a line of words, the first of which is its kind:

    chain CHAIN                     records go into this chain from now on
    boot NUMBER                     the unit is ready; so often has it started
    kept CHAIN SEQ HASH PAYLOAD     the kept signal was shown for this envelope; PAYLOAD is its payload's SHA-256
    sent CHAIN SEQ HASH FILE        this envelope was handed to the link; FILE is its publication's SHA-256
    held CHAIN SEQ HASH             the unit told hubs that its chain ends with this envelope
    receipt CHAIN SEQ HUB           a hub's receipt for all up to there came in, pictures included
    settled CHAIN SEQ HUB           it was filed
    purging                         from now on whatever may be purged may be gone
    purged CHAIN SEQ                this one is
    ending                          a hub's receipt came in which ends the present chain
    spoiled                         somebody is about to overwrite the index
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from functools import cache, lru_cache
from pathlib import Path
from random import Random
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from device.inbox import Inbox
from device.log import Event
from device.ports import BodyEvent, Delivered, FrameRead, Ms, Post
from device.settings import Settings
from device.signals import Signal
from device.store import Place
from device.unit import WAKE_MS, Unit
from sim.body import SimReader, make
from sim.clock import SteppedClock
from sim.fleet import VERDICTS
from sim.link import Exchange, Hub, Publication, SimLink
from tests.device import world
from tests.wire.samples import DEPLOYMENT, HUB, OPENERS, OTHER_HUB, PACKAGES, UNIT, sha256
from wire import note, profiles
from wire.envelope import Envelope, split
from wire.fields import NOTHING
from wire.note import KeySigner, Note
from wire.package import Loudness, Roster
from wire.receipt import Holding, Receipt
from wire.record import Mode
from wire.settings import Broker
from wire.topics import Leaf, Topic, parse

Say = Callable[[str], object]

NAME = UNIT.verifier.name
OWN = {NAME: UNIT.verifier}
SETTINGS = Settings(
    unit=NAME,
    packages=PACKAGES.verifier,
    package=Path("there is none"),
    number=1,
    deployment=DEPLOYMENT,
    profile=profiles.named(world.VE),
    roster=Roster(),
    mode=Mode.LIVE,
    sound=Loudness.LOUD,
    card=Path(),
    key=Path(),
    hubs={hub.verifier.name: hub.verifier for hub in (HUB, OTHER_HUB)},
    cards={},
    recipients=tuple(opener.recipient for opener in OPENERS[:2]),
    receipts=1,
    fleet=1,
    brokers=(Broker("127.0.0.1", 1883),),
    base=Path(),
)

PROMISES = (Signal.KEPT, Signal.KEPT_DOUBTFUL, Signal.NEXT_PART)
"""The signals by which a person is told that what was just read is safe."""

NOISE_BYTES = 20_000
"""Makes a photograph long enough to be torn in many places; what stands behind a PNG's end is not looked at."""

ALL_BYTES = 1 << 40
"""More than any card has: whoever asks for so much room gets all there is."""

OFFERED_MS = 5_000
"""Connecting, waiting for hubs to say what they hold, and offering the first window take less."""


@cache
def photograph(mesa: int) -> bytes:
    """A photograph of the acta of that mesa, always the same."""
    return world.picture(world.acta(mesa)) + Random(mesa).randbytes(NOISE_BYTES)


class Life:
    """A unit whose power is on.

    Args:
        card: its card.
        say: told every line.
        hub: who is at the other end of its link; nobody answers without.

    Attributes:
        clock: its time.
        unit: the firmware.
        repaired: what the store had to put right.
        sent: every envelope's publication that was handed to the link.
    """

    def __init__(self, card: Path, say: Say, hub: Hub | None = None) -> None:
        self.clock = SteppedClock()
        self.repaired: list[str] = []
        self.sent: list[bytes] = []
        self._say = say
        self._chain = ""
        self._receipt = ""
        self._mesa = 0
        link = _HeardLink(self, hub, self._post)
        self._body = make(self.clock, card, link, self._post)
        self._body.indicator.heard = self._heard
        self.unit = Unit(SETTINGS, self._body.body, _Reader(self._post), Inbox(), UNIT, Random(0), self._log)
        self._say_chain()
        say(f"boot {self.unit.store.boot}")
        self.unit.start()
        self.clock.after(WAKE_MS, self._wake)

    @property
    def place(self) -> Place:
        """Where the next record goes."""
        return self.unit.store.place()

    def scan(self, mesa: int) -> Signal:
        """Lays down the acta of a mesa, presses, and waits for the verdict."""
        shown, self._mesa = self._body.indicator.shown, mesa
        seen = len(shown)
        self._body.camera.lay(photograph(mesa))
        self._body.press()
        assert self.clock.run_until(lambda: not VERDICTS.isdisjoint(shown[seen:]), 10_000), "no verdict came"
        return next(signal for signal in shown[seen:] if signal in VERDICTS)

    def purge(self) -> None:
        """Makes all the room that can be made."""
        before = self._envelopes()
        self._say("purging")
        self.unit.store.purge(ALL_BYTES)
        for name in sorted(before - self._envelopes()):
            self._say("purged {} {}".format(*name.removesuffix(".envelope").split("-")))

    def _envelopes(self) -> set[str]:
        return {path.name for path in self.unit.store.folder.glob("*.envelope")}

    def hand_over(self, publication: Publication) -> None:
        """Something is handed to the link: from now on it may be anywhere."""
        topic, content = publication
        leaf = (parse(topic) or Topic("", "", Leaf.CHUNK)).leaf
        if leaf is Leaf.ENVELOPE:
            self.sent.append(content)
            envelope = _envelope(content)
            place = envelope.statement
            self._say(f"sent {place.chain} {place.seq} {envelope.hash} {sha256(content)}")
        elif leaf is Leaf.HOLDING:
            holding = note.read(content, Holding, OWN).statement
            self._say(f"held {holding.chain} {holding.seq} {holding.hash}")

    def delivered(self, content: bytes) -> None:
        """A receipt came in, and will be looked at next."""
        receipt = note.read(content, Receipt, SETTINGS.hubs).statement
        ends = receipt.chain == self._chain and receipt.seq >= self.place.seq
        self._say("ending" if ends else f"receipt {_words(content)}")

    def _post(self, event: BodyEvent) -> None:
        self.clock.after(0, lambda: self._handle(event))

    def _handle(self, event: BodyEvent) -> None:
        if isinstance(event, Delivered):
            self._receipt = _words(event.payload)
        self.unit.handle(event)

    def _wake(self) -> None:
        self.unit.wake()
        self.clock.after(WAKE_MS, self._wake)

    def _heard(self, signal: Signal) -> None:
        if signal in PROMISES:
            place = self.place
            payload = sha256(world.acta(self._mesa).encode("latin-1"))
            self._say(f"kept {place.chain} {place.seq - 1} {place.prev} {payload}")

    def _log(self, event: Enum, **facts: str | float) -> None:
        if event is Event.CARD_REPAIRED:
            self.repaired.append(str(facts["what"]))
        elif event is Event.RECEIPTED:
            self._say(f"settled {self._receipt}")
        elif event is Event.RECEIPT_IGNORED:
            self._say_chain()

    def _say_chain(self) -> None:
        if self.place.chain != self._chain:
            self._chain = self.place.chain
            self._say(f"chain {self._chain}")


class _Reader(SimReader):
    """The real reader, which reads a frame it has read before from memory: thousands of lives see the same sheet."""

    _read: ClassVar[dict[bytes, FrameRead]] = {}

    def __init__(self, post: Post) -> None:
        super().__init__(self._remember, SETTINGS.profile)
        self._inbox = post
        self._frame = b""

    def read(self, number: int, luma: NDArray[np.uint8], press: Ms) -> None:
        self._frame = luma.tobytes()
        if self._frame in self._read:
            self._inbox(replace(self._read[self._frame], number=number))
        else:
            super().read(number, luma, press)

    def _remember(self, event: BodyEvent) -> None:
        assert isinstance(event, FrameRead)
        self._read[self._frame] = event
        self._inbox(event)


class _HeardLink(SimLink):
    """A link that tells the life what passes. Where there is no hub, nobody even acknowledges."""

    def __init__(self, life: Life, hub: Hub | None, post: Post) -> None:
        super().__init__([Exchange(life.clock, hub)], life.clock, NAME, post)
        self._life = life
        self._is_heard = hub is not None
        self._unheard = 0

    def publish(self, topic: str, payload: bytes) -> int | None:
        self._life.hand_over((topic, payload))
        if self._is_heard:
            return super().publish(topic, payload)
        self._unheard += 1
        return self._unheard

    def deliver(self, topic: str, payload: bytes) -> None:
        self._life.delivered(payload)
        super().deliver(topic, payload)


def _words(receipt: bytes) -> str:
    stated = note.read(receipt, Receipt, SETTINGS.hubs).statement
    return f"{stated.chain} {stated.seq} {stated.hub}"


@lru_cache(256)
def _envelope(publication: bytes) -> Note[Envelope]:
    return note.read(split(publication)[0], Envelope, OWN)


class SmallHub:
    """A hub that keeps what it is given, and receipts it as far as it is told to.

    Args:
        said: what lives before said: it holds what they sent.

    Attributes:
        hashes: of the envelopes it holds, by chain and seq.
        reach: up to which seq it receipts.
        signers: as which hubs it does so.
    """

    def __init__(self, said: Sequence[str] = ()) -> None:
        self.hashes: dict[tuple[str, int], str] = {}
        self.reach = 1_000
        self.signers: tuple[KeySigner, ...] = (HUB,)
        self._at = len(said)
        for kind, *words in map(str.split, said):
            if kind == "sent":
                self.hashes[words[0], int(words[1])] = words[2]

    def __call__(self, batch: Sequence[Publication]) -> list[Publication]:
        """Takes publications, and answers each with a receipt of every signer."""
        return [answer for publication in batch for answer in self._answers(*publication)]

    def _answers(self, topic: str, content: bytes) -> list[Publication]:
        parsed = parse(topic)
        assert parsed is not None
        if parsed.leaf is Leaf.ENVELOPE:
            envelope = _envelope(content)
            chain, place = envelope.statement.chain, (envelope.statement.chain, envelope.statement.seq)
            self.hashes.setdefault(place, envelope.hash)
        else:
            chain = note.read(content, Holding, OWN).statement.chain
        seq = 0
        while seq < self.reach and (chain, seq + 1) in self.hashes:
            seq += 1
        self._at += 1
        return [self._receipt(signer, chain, seq) for signer in self.signers]

    def _receipt(self, signer: KeySigner, chain: str, seq: int) -> Publication:
        receipt = Receipt(
            at=self._at,
            chain=chain,
            extras=(),
            hash=self.hashes.get((chain, seq), NOTHING),
            hub=signer.verifier.name,
            missing=(),
            seq=seq,
            unit=NAME,
            whole=seq,
        )
        return str(Topic(DEPLOYMENT, NAME, Leaf.RECEIPT)), note.write(receipt, signer)
