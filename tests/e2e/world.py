"""The world: a trial deployment as real processes with real brokers; each can be killed and started again."""

import contextlib
import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

import hub.settings
from device.keys import signer_from
from device.settings import read
from device.store import Store
from hub.keys import Keys
from sim import deployment, paper, photo
from sim.body import SimStorage
from sim.broker import Broker
from tests.e2e.network import Network, Place
from wire import note, package
from wire.envelope import Envelope, context, split
from wire.log import facts
from wire.note import Note

SECONDS_MAX = 120
"""Until when something must have come to be: a tenth of it on an idle machine, but a busy one must not fail a test."""


class Program:
    """One of our programs: `start`, `stop` (SIGTERM), `kill` (SIGKILL), any number of times.

    Args:
        folder: for its log and its output.
        arguments: the module to run, and what it is told.
        place: where it runs.
        under: what runs it in turn, as its own process becomes.
    """

    def __init__(self, folder: Path, *arguments: str, place: Place | None = None, under: Sequence[str] = ()) -> None:
        self._under = under
        self.log = folder / "log"
        self.out = folder / "out"
        self._arguments = arguments
        self._place = place
        self._running: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> None:
        """Starts it; log and output grow through all starts."""
        with self.log.open("ab") as log, self.out.open("ab") as out, _inside(self._place):
            self._running = subprocess.Popen(
                [*self._under, sys.executable, "-m", *self._arguments, *more],
                stdout=out,
                stderr=log,
                env={**os.environ},
            )

    def stop(self) -> int:
        """Asks it to end; its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once."""
        self._end(signal.SIGKILL)

    @property
    def runs(self) -> bool:
        """Whether it still runs."""
        return self._running is not None and self._running.poll() is None

    def family(self) -> list[int]:
        """The numbers of its processes: its own, then those it has started, and those that these have."""
        assert self._running is not None
        found = [self._running.pid]
        for parent in found:
            found += map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
        return found

    def events(self, name: str) -> list[dict[str, str]]:
        """The log lines of one event, as words by name."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        parsed = [facts(line) for line in lines]
        return [words for words in parsed if words.get("event") == name]

    def _end(self, number: signal.Signals) -> int:
        if self._running is None:
            return 0
        self._running.send_signal(number)
        try:
            return self._running.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._running.kill()
            raise AssertionError(f"{self._arguments} does not end on {number.name}: see {self.log}") from None


class PlacedBroker(Broker):
    """A broker, in a place of its own or on loopback; `name` is its place's, `host` its address."""

    def __init__(self, folder: Path, place: Place | None, *lines: str) -> None:
        super().__init__(folder, *lines)
        self.name = folder.name
        self._place = place
        self.host = place.address if place else "127.0.0.1"
        if place:
            config = folder / "mosquitto.conf"
            config.write_text(config.read_text().replace("127.0.0.1", self.host))

    def start(self) -> None:
        """Starts it there."""
        with _inside(self._place):
            super().start()


@dataclass(frozen=True)
class Site:
    """A hub and its broker; in a network, each has a place under its name."""

    name: str
    hub: Program
    broker: PlacedBroker
    settings: Path


class World:
    """Units, and a hub with a broker, or several; nothing runs until it is started.

    Args:
        folder: for everything.
        units: how many.
        broker_lines: more lines of the brokers' configuration.
        network: where every unit, hub and broker gets a place of its own; otherwise all are on loopback.
        hubs: how many; a record waits until all of them have receipted it.
        brokers: how many; by default each hub has one of its own.
    """

    def __init__(
        self,
        folder: Path,
        units: int = 1,
        broker_lines: Sequence[str] = (),
        network: Network | None = None,
        hubs: int = 1,
        brokers: int | None = None,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.places: dict[str, Place] = {}
        self.network = network
        self._said_before: dict[str, int] = {}
        ranked = [self._broker(folder / name, broker_lines) for name in ("broker", "broker-b")[: brokers or hubs]]
        first, *others = [broker.port for broker in ranked]
        make = partial(deployment.make, folder / "deployment", units, first, "ve-2024-presidential")
        self.made = make(hubs=hubs, ports=others, receipts=hubs)
        self.sites = list[Site]()
        for broker, settings in zip(itertools.cycle(ranked), self.made.hubs, strict=False):
            name = hub.settings.read(settings).name
            self.sites.append(Site(name, self._program(name, settings, "hub"), broker, settings))
        self.brokers = ranked
        self.broker, self.hub = ranked[0], self.sites[0].hub
        self.units = {
            name: self._program(name, settings, "sim", "unit", "--pace", "0.05")
            for name, settings in self.made.units.items()
        }
        for path in self.made.hubs:
            text = path.read_text()
            for broker in ranked:
                text = text.replace(f'"127.0.0.1"\nport = {broker.port}\n', f'"{broker.host}"\nport = {broker.port}\n')
            path.write_text(text)
        hosts = {broker.port: broker.host for broker in ranked}
        given = package.read(self.made.package.read_bytes(), self.made.authority.verifier).package.brokers
        moved = tuple(msgspec.structs.replace(each, host=hosts[each.port]) for each in given)
        self.made.package.write_bytes(self.made.next_package(brokers=moved))
        (folder / "no sheets").mkdir()

    def _broker(self, folder: Path, lines: Sequence[str]) -> "PlacedBroker":
        return PlacedBroker(folder, self._place(folder.name), *lines)

    def _program(self, name: str, settings: Path, *arguments: str) -> Program:
        return Program(settings.parent, *arguments, "--settings", str(settings), place=self._place(name))

    def _place(self, name: str) -> Place | None:
        if self.network is not None:
            self.places[name] = self.network.place()
        return self.places.get(name)

    @property
    def unit(self) -> Program:
        """The first unit."""
        return next(iter(self.units.values()))

    @property
    def name(self) -> str:
        """The first unit's name."""
        return next(iter(self.units))

    def card(self, name: str = "") -> Path:
        """A unit's card."""
        return read(self.made.units[name or self.name]).card

    def power_on(self, pile: Path | None = None, name: str = "") -> None:
        """Starts a unit, whose volunteer lays down the pictures of a folder, or none."""
        unit = self.units[name or self.name]
        self._said_before[name or self.name] = len(unit.out.read_text()) if unit.out.exists() else 0
        unit.start("--tray", str(pile or self.folder / "no sheets"))

    def laid(self, name: str = "") -> list[dict[str, Any]]:
        """What the unit's volunteer has said of each sheet."""
        out = self.units[name or self.name].out
        said = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
        return [each for each in said if "file" in each]

    def kept(self, name: str = "") -> int:
        """How many times the kept lamp came on for something new."""
        return sum(each["signal"] in ("kept", "kept-doubtful") for each in self.laid(name))

    def is_done(self, name: str) -> bool:
        """Whether the volunteer of a unit, since its last start, has laid down everything."""
        return '"done"' in self.units[name].out.read_text()[self._said_before[name] :]

    def envelopes(self, name: str = "") -> list[Note[Envelope]]:
        """The envelopes on a unit's card, verified."""
        settings = read(self.made.units[name or self.name])
        verifier = signer_from(settings.key, settings.unit).verifier
        files = (settings.card / "kept").glob("*.envelope")
        return [note.read(split(file.read_bytes())[0], Envelope, {verifier.name: verifier}) for file in files]

    def waiting(self, name: str = "") -> int:
        """How many records wait on a unit's card; the unit must not be running."""
        receipts = read(self.made.units[name or self.name]).receipts
        return self._store(name, lambda store: store.waiting_count(receipts))

    def held(self, name: str = "") -> int:
        """How many records a unit's card holds; the unit must not be running."""
        return self._store(name, lambda store: store.count())

    def _store(self, name: str, ask: Callable[[Store], int]) -> int:
        settings = read(self.made.units[name or self.name])
        verifier = signer_from(settings.key, settings.unit).verifier
        store = Store(SimStorage(settings.card), verifier, settings.hubs, settings.receipts, print)
        try:
            return ask(store)
        finally:
            store.close()

    def receipted(self, name: str = "") -> int:
        """Up to which seq the unit has receipts of all hubs, pictures included."""
        reached = dict.fromkeys((site.name for site in self.sites), 0)
        for each in self.units[name or self.name].events("receipted"):
            reached[each["hub"]] = max(reached[each["hub"]], min(int(each["seq"]), int(each["whole"])))
        return min(reached.values())

    def is_settled(self, name: str) -> bool:
        """Whether all hubs have receipted all that a unit's log says it has kept."""
        return self.receipted(name) >= max((int(each["seq"]) for each in self.units[name].events("kept")), default=0)

    def assert_custody(self, pile: Path) -> None:
        """Every hub holds all that was announced and is on cards, once, with whole pictures of a pile's sheets.

        And nothing else; nothing waits, and nobody saw a fork. Units must not be running.
        """
        pictures = {path.read_bytes() for path in pile.iterdir()}
        for site in self.sites:
            assert site.hub.events("fork") == []
            held = ledger_of(site)
            assert len(held) == len(set(held)), f"{site.name} holds an envelope twice"
            on_cards: set[tuple[str, str, int, str]] = set()
            for name in self.units:
                envelopes = self.envelopes(name)
                on_cards |= {(name, each.statement.chain, each.statement.seq, each.hash) for each in envelopes}
                announced = {int(each["seq"]) for each in self.units[name].events("kept")}
                assert len(announced) == len(self.units[name].events("kept")) >= self.kept(name)
                assert announced <= {seq for unit, _, seq, _ in held if unit == name}
                assert self.waiting(name) == 0
                _assert_pictures(site, envelopes, pictures)
            assert set(held) == on_cards

    def totals(self) -> dict[str, Any]:
        """What the hub's program says it counts."""
        command = [sys.executable, "-m", "hub", "totals", "--json", "--settings", str(self.made.hub)]
        told: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
        return told

    def end(self) -> None:
        """Ends everything that still runs."""
        for program in (*self.units.values(), *(site.hub for site in self.sites)):
            program.kill()
        for broker in self.brokers:
            broker.kill()


def ledger_of(site: Site) -> list[tuple[str, str, int, str]]:
    """Unit, chain, seq and hash of each envelope in a hub's ledger, all of them in their chain, opened, and whole."""
    columns = "chain.unit, chain.chain, envelope.seq, envelope.hash, stray, fault, whole"
    query = f"SELECT {columns} FROM envelope JOIN chain ON chain.id = envelope.chain_id"
    with contextlib.closing(sqlite3.connect(f"file:{site.settings.parent / 'ledger.db'}?mode=ro", uri=True)) as ledger:
        rows = ledger.execute(query).fetchall()
    assert {row[4:] for row in rows} <= {(0, "", 1)}, f"{site.name} holds strays, faults or halves"
    return [row[:4] for row in rows]


def _assert_pictures(site: Site, envelopes: Sequence[Note[Envelope]], pictures: set[bytes]) -> None:
    """The hub has every picture of these envelopes, and opens each to one of these."""
    opener = Keys.read(site.settings.parent / "keys", site.name).opener
    for envelope in (each.statement for each in envelopes):
        place = (envelope.deployment, envelope.unit, envelope.chain, envelope.seq)
        for number, picture in enumerate(envelope.pictures):
            sealed = (site.settings.parent / "pictures" / picture.sha256).read_bytes()
            assert opener.open(sealed, context(*place, f"picture/{number}")) in pictures


def _inside(place: Place | None) -> contextlib.AbstractContextManager[None]:
    return place.inside() if place else contextlib.nullcontext()


def wait_until(true: Callable[[], bool], what: str, seconds: float = SECONDS_MAX) -> None:
    """Waits until something is so.

    Raises:
        AssertionError: it did not become so in time.
    """
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def pile(folder: Path, sheets: int, seed: int) -> Path:
    """A folder of photographs of that many different actas."""
    folder.mkdir()
    chance = random.Random(seed)
    for number in range(sheets):
        sheet = paper.draw(paper.random_payload(chance))
        picture = photo.photograph(sheet, seed=number, size=(1536, 864), dpmm=11.5 / 3)
        (folder / f"{number:03}.jpg").write_bytes(picture.jpeg())
    return folder
