"""A unit is seized: what its card, its settings and its log tell those who have it, and what they never do.

The card is a real ext4 file system on a loop device, used by the real program; it is searched as an image, with all
that was deleted from it, by `tests.e2e.forensics`. docs/threats.md says what is found: it is what this file allows.
"""

import contextlib
import random
import re
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from sim import paper, photo
from tests.e2e.card_image import CardImage, why_not
from tests.e2e.forensics import Secrets, readable
from tests.e2e.world import Program, World, pile, wait_until
from tests.wire.samples import signing_key
from wire import note, profiles
from wire.acta import Acta
from wire.control import Control, Network
from wire.note import KeySigner

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(bool(why_not()), reason=why_not())]

PLACE = "Liceo Andrés Bello"
"""Where the unit stands: the volunteer's folder of pictures is called so."""

STRANGE = "WIFI:T:WPA;S:Red Casa Rivas;P:muchas gracias;;"
NETWORK = "Red Casa Rivas"
JOINED = Network("Teléfono de José", "la casa de la esquina")
"""Of the control card that the unit was shown, which operators have signed."""
OPERATORS = KeySigner("cards", signing_key("seized operators"))

DAY = 86_400

HEX = "[0-9a-fA-F]{32,}"
CUT = (r'\A[0-9a-f]{1,31}"', r'"[0-9a-f]{1,31}\Z')  # what is left of a hash where a page of the index begins or ends
NOTE_WORDS = (
    '"(?:at|chain|chunks|deployment|extras|hash|hub|missing|pictures|prev|record|seq|sha256|size|unit|whole)":',
    "testigo/(?:envelope|receipt|refused|holding)/1",
    r'\{"first":"","moves":\{\},"numbers":\{"cards\+[0-9a-f]{8} network":7\}\}',  # which control cards were taken
    "[A-Za-z0-9+/]{90,100}={0,2}",  # a signature; what it may hide is searched for as base64
)
NAMES = "(?:table|index)[a-z_0-9]{1,60}"  # of SQLite's own
SCHEMA = r"CREATE (?:TABLE|INDEX) [a-zA-Z0-9_ (),\n]+"


@dataclass(frozen=True)
class Seized:
    """What was seized, and what must not be found in it."""

    world: World
    secrets: Secrets
    image: bytes
    began: int
    ended: int

    @property
    def card(self) -> CardImage:
        """The card."""
        return CardImage(self.world.card())

    @property
    def without_package(self) -> bytes:
        """The image, but for the deployment package, which says the same to every unit; its roster names all mesas."""
        package = self.world.made.package.read_bytes()
        assert self.image.count(package) == 1, "it lies there in one piece, and once"
        return self.image.replace(package, bytes(len(package)))


@dataclass(frozen=True)
class Trays:
    """Two piles of sheets, one with a QR code that is no acta among them, and what is secret of them."""

    first: Path
    second: Path
    secrets: Secrets
    mesas: tuple[str, ...]


@pytest.fixture(scope="module")
def trays(tmp_path_factory: pytest.TempPathFactory) -> Trays:
    folder = tmp_path_factory.mktemp("trays")
    payloads = [STRANGE]
    words = [PLACE, NETWORK, JOINED.name, JOINED.passphrase]
    piles, mesas = [], []
    for seed, sheets in ((11, 5), (12, 3)):
        made = folder / f"{PLACE} {seed}"
        piles.append(pile(made, sheets, seed))
        chance = random.Random(seed)
        payloads += [paper.random_payload(chance) for _ in range(sheets)]
    strange = photo.photograph(paper.draw(STRANGE), seed=1, size=(1536, 864), dpmm=11.5 / 3)
    (piles[0] / "strange.jpg").write_bytes(strange.jpeg())
    now = int(time.time())
    signed = Control(
        begin=now - DAY, deployment="trial", end=now + DAY, number=7, order=JOINED, signer="cards", units=()
    )
    card = paper.draw(note.write(signed, OPERATORS).decode("latin-1"))
    (piles[1] / "!card.jpg").write_bytes(photo.photograph(card, seed=2, size=(1536, 864), dpmm=11.5 / 3).jpeg())
    profile = profiles.named("ve-2024-presidential")
    for payload in payloads[1:]:
        acta = profile.read([payload])
        assert isinstance(acta, Acta)
        mesas.append(acta.mesa)
        words += [acta.mesa, payload.partition(".")[0]]
    pictures = [path.read_bytes() for tray in piles for path in tray.iterdir()]
    return Trays(piles[0], piles[1], Secrets(payloads, words, pictures), tuple(mesas))


@contextlib.contextmanager
def used(folder: Path, trays: Trays) -> Iterator[Seized]:
    """A unit that has kept, sent, been receipted, waited, been killed and purged, and was then unplugged."""
    world = World(folder / "world", hubs=2, brokers=1)
    with_roster = world.made.next_package(roster=trays.mesas, cards=(str(OPERATORS.verifier),))
    world.made.package.write_bytes(with_roster)
    began = int(time.time())
    try:
        with CardImage(world.card()) as card:
            for site in world.sites:
                site.hub.start()
            world.broker.start()
            world.power_on(trays.first)
            wait_until(lambda: world.kept() == 6, "five actas and a strange code are kept")
            wait_until(lambda: world.is_settled(world.name), "both hubs have receipted them")
            for site in world.sites:
                site.hub.kill()
            world.unit.kill()
            assert re.match(r"[1-9]\d* records purged", purged(world))
            world.power_on(trays.second)
            wait_until(lambda: world.kept() == 8, "two more are kept")
            assert [each["kind"] for each in world.unit.events("control-taken")] == ["network"]
            world.unit.kill()  # somewhere in the third
            world.power_on()
            wait_until(lambda: len(world.unit.events("started")) == 3, "it has started once more")
            world.unit.kill()
            ended = int(time.time())
        yield Seized(world, trays.secrets, card.content(), began, ended)
    finally:
        world.end()


def purged(world: World) -> str:
    """What `testigo-unit purge` says."""
    settings = str(world.made.units[world.name])
    command = [sys.executable, "-m", "device", "purge", "--settings", settings]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def seized(tmp_path_factory: pytest.TempPathFactory, trays: Trays) -> Iterator[Seized]:
    with used(tmp_path_factory.mktemp("seized"), trays) as made:
        yield made


def test_the_image_of_a_card_tells_nothing_of_what_was_read(seized: Seized) -> None:
    assert seized.secrets.found_in(seized.without_package) == []
    assert len(seized.image) > 500_000, "pictures were kept in it"


def test_the_package_tells_which_mesas_are_expected_and_nothing_of_what_was_read(seized: Seized, trays: Trays) -> None:
    package = seized.world.made.package.read_bytes()
    assert package.endswith("".join(f"{mesa}\n" for mesa in sorted(trays.mesas)).encode())
    assert all(word.encode() not in package for word in (PLACE, NETWORK, JOINED.name, JOINED.passphrase))


def test_nothing_can_be_read_on_it_but_numbers_and_our_own_words(seized: Seized) -> None:
    mounted_at = re.escape(str(seized.world.card()))
    assert readable(seized.without_package, [HEX, *CUT, *NOTE_WORDS, NAMES, SCHEMA, mounted_at]) == []


def test_neither_settings_nor_log_tell_anything_of_what_was_read(seized: Seized) -> None:
    folder = seized.world.made.units[seized.world.name].parent
    files = [path for path in folder.iterdir() if path.is_file() and path.suffix in ("", ".toml", ".pem")]
    assert {path.name for path in files} == {"log", "out", "unit.toml", "unit.pem"}
    for path in files:
        if path.name != "out":  # what the volunteer of the simulator says, who is no part of a unit
            assert seized.secrets.found_in(path.read_bytes()) == []
    assert seized.world.unit.events("refused-payload"), "the strange code was told of"


def test_what_is_kept_does_not_say_when(seized: Seized) -> None:
    # Hubs' receipts say when they were given, which is their use, and a file system when it was used; what the unit
    # writes says nothing.
    with seized.card.mounted() as folder:
        assert {path.stat().st_mtime_ns for path in (folder / "kept").iterdir()} == {0}
        notes = [path.read_bytes().partition(b"\n\n")[0] for path in (folder / "kept").glob("*.envelope")]
        assert notes
        database = sqlite3.connect(folder / "index.db")
        database.execute("UPDATE receipt SET at = 0, text = ''")
        rows = "\n".join(database.iterdump()).encode()
        database.close()
    for content in (*notes, rows):
        assert _times(content, seized.began, seized.ended) == []
    assert _times(b"at %d" % seized.ended, seized.began, seized.ended)
    assert _times(b"!" + struct.pack(">I", seized.began), seized.began, seized.ended)


def _times(content: bytes, first: int, last: int) -> list[str]:
    """Moments between two, in seconds or parts of them, as text and as numbers."""
    found = [match[0].decode() for match in re.finditer(rb"\d{10}", content) if first <= int(match[0]) <= last]
    for at in range(len(content) - 3):
        for order in "<>":
            (number,) = struct.unpack_from(f"{order}I", content, at)
            if first <= number <= last:
                found.append(f"{number} at {at}")
    return found


@contextlib.contextmanager
def failing(folder: Path, ways: Sequence[str]) -> Iterator[tuple[World, dict[str, Program]]]:
    """Units that fail on purpose (`tests.e2e.leaking`), each in its way, not started yet."""
    world = World(folder / "world", units=len(ways))
    units = {}
    for how, (name, path) in zip(ways, world.made.units.items(), strict=True):
        program = ("tests.e2e.leaking", how, "unit", "--settings", str(path), "--pace", "0.05")
        world.units[name] = units[how] = Program(path.parent, *program)
    try:
        yield world, units
    finally:
        world.end()


def test_units_that_leak_are_found_out(tmp_path: Path, trays: Trays) -> None:
    ways = ("unsealed", "log", "temporary_file", "index", "thumbnail")
    with contextlib.ExitStack() as cards:
        world, units = cards.enter_context(failing(tmp_path, ways))
        made = [cards.enter_context(CardImage(world.card(name))) for name in world.units]
        for unit in units.values():
            unit.start("--tray", str(trays.first))
        for unit in units.values():
            wait_until(lambda unit=unit: bool(unit.events("kept")), "something is kept")  # type: ignore[misc]
            unit.kill()
    for how, card in zip(ways, made, strict=True):
        content = units[how].log.read_bytes() if how == "log" else card.content()
        assert trays.secrets.found_in(content), how


def test_failures_with_a_payload_in_hand_say_where_and_not_what(tmp_path: Path, trays: Trays) -> None:
    ways = {"raises_in_unit": "crashed", "raises_aside": "crashed", "raises_in_reader": "reader-lost"}
    with failing(tmp_path, tuple(ways)) as (_, units):
        for unit in units.values():
            unit.start("--tray", str(trays.first))
        for how, event in ways.items():
            wait_until(lambda how=how, event=event: bool(units[how].events(event)), f"{how} is told")  # type: ignore[misc]
        for how, unit in units.items():
            assert "ValueError in leaking.py" in unit.log.read_text(), how
            assert trays.secrets.found_in(unit.log.read_bytes()) == [], how


def test_a_running_unit_would_leave_no_core_and_shares_its_card_with_nobody(tmp_path: Path) -> None:
    world = World(tmp_path / "world")
    try:
        world.power_on()
        wait_until(lambda: bool(world.unit.events("started")), "it runs")
        limits = [Path(f"/proc/{each}/limits").read_text() for each in world.unit.family()]
        assert len(limits) > 2, "the reader has a process of its own"
        own, reader = limits[0], limits[-1]
        assert all(re.search(r"Max core file size +0 +0 ", each) for each in (own, reader))
        second = Program(tmp_path, "device", "purge", "--settings", str(world.made.units[world.name]))
        second.start()
        wait_until(lambda: not second.runs, "the second program gives up")
        assert "a unit is already running on it" in second.log.read_text()
        assert world.unit.runs
    finally:
        world.end()


def test_a_core_is_not_even_handed_to_a_program_that_collects_them() -> None:
    asked = "import ctypes, device.memory as memory; memory.never_dump(); print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True, timeout=60).stdout == b"0\n"


def test_a_unit_writes_on_its_card_and_nowhere_else(tmp_path: Path, trays: Trays) -> None:
    world = World(tmp_path / "world")
    trace = tmp_path / "trace"
    watch = ("strace", "-D", "-f", "-y", "-o", str(trace), "-e", "trace=open,openat,openat2,creat,mknod,mknodat,rename")
    unit = Program(
        world.card().parent,
        *("sim", "unit", "--settings", str(world.made.units[world.name]), "--tray", str(trays.first), "--pace", "0.05"),
        under=watch,
    )
    try:
        unit.start()
        wait_until(lambda: len(unit.events("kept")) == 6, "everything is kept")
        assert unit.stop() == 0
    finally:
        unit.kill()
        world.end()
    for_writing = r'^\d+ +open\w*\(.*?"([^"]*)", [A-Z_|]*(?:O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE)'
    written = set(re.findall(for_writing, trace.read_text(), re.MULTILINE))
    harmless = rf"{re.escape(str(world.card()))}/.*|/dev/null|/proc/self/oom_score_adj|.*/__pycache__/.*"
    assert {each for each in written if not re.fullmatch(harmless, each)} == set()
    assert any(each.startswith(str(world.card())) for each in written)
    assert not re.search(r"^\d+ +(?:creat|mknod|mknodat)\(", trace.read_text(), re.MULTILINE)
