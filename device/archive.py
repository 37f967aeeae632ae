"""The archive: folders of scans and PDFs -> the rows of a CSV file, one for each picture, by several workers.

The rows are in the order of the walk through the folders, whoever is done first: so what a row says of the rows above
it ("the same payload as ...") depends neither on how many workers there are nor on how often the run was cut short.
"""

import hashlib
import os
import queue
import signal
import stat
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args
from urllib.parse import unquote_to_bytes

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from device.cause import Cause
from device.eye import certified
from device.pictures import ZIP, Unreadable, looks_like_picture, luma_of, pages_of
from device.progress import Shown, Tally
from device.reader import Knowledge, Reader, Reading
from device.reading import PICTURE_BYTES, content_of
from device.rows import QUALITY, READING, Row, cell, open_rows
from device.worker import Lost, Worker, share_of_memory
from wire.acta import Acta, Incomplete, Refusal
from wire.errors import OurFault
from wire.profiles import named
from wire.record import Quality

SECONDS_MAX = 60.0
"""A picture's time by the clock on the wall: a dozen workers may share a core, and nobody waits at a press."""

ANY = "any"
"""Instead of a profile's id: every QR code is read, and none is checked."""

# What picture files are called. Those we cannot read are among them, for one may hold an acta: their rows say so.
SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .tif .tiff .bmp .pbm .pgm .ppm .pnm .pdf .heic .heif .avif .gif .jp2 .jxl".split()
)
# How many pictures each worker may be ahead of the row to be written next. It is what a kill makes to be read again,
# and what keeps the others busy while one is at a picture that takes fifty times as long as most.
AHEAD = 16
# What a copy of a picture has from the row of the first.
COPIED = (
    *("state", "width", "height", "payload", "codes", "mesa", "refusal", "doubts"),
    *READING,
    *QUALITY,
    *("why", "several"),
)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing met on the walk.

    Attributes:
        path: where.
        state: empty for a file to look at; else that of its row, and `why` says the reason.
        asked_for: the path was given by name: it is a picture, whatever it is called.
    """

    path: Path
    state: str = ""
    why: str = ""
    asked_for: bool = False


@dataclass(frozen=True, slots=True)
class NoPicture:
    """A file that neither its name nor its beginning calls a picture; and in words why not."""

    why: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A picture file.

    Attributes:
        sha256: of its bytes, in hex.
        size: how many they are.
        pages: how many pictures they hold; or why they hold none.
        stamp: changes when the file does.
    """

    sha256: str
    size: int
    pages: int | Unreadable
    stamp: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """One picture to read: a page of a file, from 1, which must still have its stamp."""

    path: Path
    number: int
    stamp: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture that was decoded, its size in pixels, what was read in it and how well.

    Attributes:
        uncertified: where certifying failed.
        damaged: why no more than a part of the picture could be decoded, in which a code was read all the same.
    """

    width: int
    height: int
    reading: Reading
    quality: Quality
    uncertified: str = ""
    damaged: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """A file that was looked at, and since then cannot be opened or is another; and in words how."""

    why: str


Answer = NoPicture | Identity | Seen | Gone | Unreadable
ANSWERS = get_args(Answer)
Answered = Future[tuple[Answer | Lost, float]]
Ask = Callable[[Entry | Page], Answered]


@dataclass(frozen=True, slots=True)
class Step:
    """What the next row will be made of.

    Attributes:
        row: what is known of it so far; None if it is there already, from an earlier run.
        reading: what will complete it, being read.
        copied: what completes it: an earlier row, of the same picture.
        ends: the files that are done with it, 0 or 1.
    """

    row: dict[str, str] | None
    reading: Answered | None = None
    copied: Row | None = None
    ends: int = 1


class Looker:
    """What a worker does: tells what a file is, and reads a page of it."""

    def __init__(self, profile_id: str) -> None:
        cv2.setNumThreads(1)  # the workers share the cores already
        # The file of the last page: the next is mostly of the same, which may be half a gigabyte.
        self._held = b""
        self._stamp: tuple[int, ...] = ()
        # Its budget is the processor's time: nobody waits, and a busy machine should not read less.
        knowledge = None if profile_id == ANY else Knowledge.of(named(profile_id))
        self._reader = Reader(knowledge, clock=time.process_time)

    def __call__(self, request: Entry | Page) -> Answer:
        """The identity of an entry; or what is seen in a page."""
        return identity_of(request) if isinstance(request, Entry) else self._seen(request)

    def _seen(self, page: Page) -> Seen | Gone | Unreadable:
        picture = self._held if page.stamp == self._stamp else content_of(page.path)
        if isinstance(picture, Unreadable):
            return Gone(picture.why)
        try:
            changed = _stamp(page.path) != page.stamp
        except OSError:
            changed = True
        if changed:
            return Gone("the file changed while it was being read; say the command again")
        self._held, self._stamp = picture, page.stamp
        luma = luma_of(picture, page.number)
        if isinstance(luma, Unreadable):
            rest = luma_of(picture, page.number, damaged=True)
            seen = None if isinstance(rest, Unreadable) else self._read(rest, luma.why)
            return seen if seen and seen.reading.payloads else luma
        return self._read(luma)

    def _read(self, luma: NDArray[np.uint8], damaged: str = "") -> Seen:
        height, width = luma.shape
        reading = self._reader.read(luma)
        quality, _, uncertified = certified(luma, reading)
        return Seen(width, height, reading, quality, uncertified, damaged)


def identity_of(entry: Entry) -> Identity | NoPicture | Unreadable:
    """What the file is; one that is no picture is not read to its end."""
    path = entry.path
    try:
        if not entry.asked_for and path.suffix.lower() not in SUFFIXES:
            with path.open("rb") as file:
                beginning = file.read(1024)
            if path.suffix.lower() == ".zip":  # it may hold a thousand scans
                return Unreadable(ZIP)
            if not looks_like_picture(beginning):
                return NoPicture("no picture, by its name and by how it begins" if beginning else "empty file")
        stamp = _stamp(path)
    except OSError as error:
        return Unreadable(f"file cannot be opened: {error.strerror}")
    picture = content_of(path)
    if isinstance(picture, Unreadable):
        return picture
    return Identity(hashlib.sha256(picture).hexdigest(), len(picture), pages_of(picture), stamp)


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def walk(paths: Sequence[Path], leave_out: Path) -> Iterator[Entry]:
    """All there is under some paths, each once: by name, folders in their place among files.

    Links to folders are not followed, so there are no loops and nothing outside is read unasked. What is hidden is
    named, but not looked into.

    Args:
        paths: files and folders; these themselves may be hidden, or links.
        leave_out: a file to say nothing of: our own.
    """
    left = [(path, True) for path in reversed(paths)]
    met: set[Path] = set()
    while left:
        path, asked_for = left.pop()
        if path in met or (path.name == leave_out.name and os.path.realpath(path) == os.path.realpath(leave_out)):
            continue
        met.add(path)
        try:
            link, kind = stat.S_ISLNK(path.lstat().st_mode), path.stat().st_mode
        except OSError:
            yield Entry(path, asked_for=asked_for)  # whoever looks at it will be told the same, and say so
            continue
        folder = stat.S_ISDIR(kind)
        if path.name.startswith(".") and not asked_for:
            yield Entry(path, "passed over", "hidden folder, not looked into" if folder else "hidden file")
        elif folder and link and not asked_for:
            yield Entry(path, "passed over", "link to a folder, not followed; name that folder too to have it read")
        elif folder:
            try:
                left += [(inside, False) for inside in sorted(path.iterdir(), key=os.fsencode, reverse=True)]
            except OSError as error:
                yield Entry(path, "unopened", f"folder cannot be opened: {error.strerror}")
        elif asked_for or stat.S_ISREG(kind):
            yield Entry(path, asked_for=asked_for)
        else:
            yield Entry(path, "passed over", "not a regular file")


def read_archive(
    paths: Sequence[Path],
    out: Path,
    *,
    profile_id: str,
    workers: int,
    console: Console,
    make: Callable[[str], Callable[[Entry | Page], Answer]] = Looker,
    seconds_max: float = SECONDS_MAX,
) -> int:
    """Reads all pictures under some paths, and writes a row for each; goes on where an earlier run stopped.

    Args:
        paths: files, and folders with all that is in them.
        out: the CSV file.
        profile_id: whose checks to make; or `ANY`.
        workers: how many pictures are read at the same time.
        console: where a person, or a log, sees how far it is.
        make: gives a worker, for a profile's id, what it answers with (see `Worker`).
        seconds_max: how long one picture may take.

    Returns:
        The exit code: 0 if the code of every picture was read, 1 if not, 130 if Ctrl-C ended it.

    Raises:
        OurFault: there is nothing at one of the paths; the CSV file cannot be used; the profile is not known; no worker
            can be started.
    """
    if profile_id != ANY:
        named(profile_id)
    with open_rows(out) as rows, _asked_to_stop() as stop:
        entries = list(walk(paths, out))
        archive = Archive(profile_id, entries)
        for row in rows:
            archive.take(row)
        for path in paths:
            if archive.knows_nothing_of(path):
                raise OurFault(f"{path}: there is no such file or folder; nothing was read, say the path again")
        with (
            _crew(partial(make, profile_id), workers, seconds_max) as ask,
            Shown(console, archive.tally, len(entries)) as shown,
        ):
            for new, files in archive.read(ask, stop, AHEAD * workers):
                if new:
                    archive.take(new)
                    rows.append(new)
                shown.went_on(files, new)
    shown.sum_up(out, stopped=stop.is_set())
    return 130 if stop.is_set() else int(archive.tally.unread > 0)


class Archive:
    """What is known of an archive: the rows there are, and how to come by those that lack."""

    def __init__(self, profile_id: str, entries: Sequence[Entry]) -> None:
        self.tally = Tally()
        self._profile_id = profile_id
        self._profile = None if profile_id == ANY else named(profile_id)
        self._entries = entries
        self._walked = {_file(entry) for entry in entries}
        self._files: set[str] = set()  # that have a row
        # Of each page of a file, the picture's SHA-256; of a file that could not be looked into, the state of its row.
        self._known: dict[tuple[str, str], str] = {}
        # Of each picture, by SHA-256 and page: its first row; and how many of its rows name a file that is gone.
        self._first: dict[tuple[str, str], Row] = {}
        self._gone: Counter[tuple[str, str]] = Counter()
        # Where a payload was first met; and each mesa's first payload, and where.
        self._payloads: dict[str, str] = {}
        self._mesas: dict[str, tuple[str, str]] = {}

    def take(self, row: Row) -> None:
        """Takes notice of a row.

        Raises:
            OurFault: it was made with another profile.
        """
        if row["profile"] != self._profile_id:
            raise OurFault(
                f"the rows in the CSV file were made with --profile {row['profile']}, not {self._profile_id}; "
                f"say the same again, or name another file"
            )
        picture = row["sha256"], row["page"]
        self._files.add(row["file"])
        self._known[row["file"], row["page"]] = row["sha256"] or row["state"]
        if row["sha256"]:
            self._first.setdefault(picture, row)
            self._gone[picture] += row["file"] not in self._walked and not os.path.lexists(
                unquote_to_bytes(row["file"])
            )
        if row["payload"]:
            self._payloads.setdefault(row["payload"], _place(row))
        if row["mesa"]:
            self._mesas.setdefault(row["mesa"], (row["payload"], _place(row)))
        self.tally.take(row)

    def knows_nothing_of(self, path: Path) -> bool:
        """Whether nothing is there, and nothing was: no row tells of it. What was there may come back."""
        return not os.path.lexists(path) and cell(os.fsencode(path)) not in self._files

    def read(self, ask: Ask, stop: threading.Event, depth: int) -> Iterator[tuple[Row | None, int]]:
        """The rows that lack, in the order of the walk, each with how many files are done with it, 0 or 1.

        Each row must have been taken before the next is asked for.

        Args:
            ask: gives a request to the workers.
            stop: once set, what is not begun yet is left.
            depth: how many requests to have given ahead.
        """
        for step in _ahead(self._steps(ask, stop, depth), depth):
            row = step.row
            if row is not None:
                if step.reading:
                    if stop.is_set() and step.reading.cancel():
                        return
                    self._judge(row, *step.reading.result())
                elif step.copied:
                    row |= {column: step.copied.get(column, "") for column in COPIED}
                    row["same_picture_as"] = _place(step.copied)
                if row["state"] == "unopened":  # its page is not known by it, and so is tried again
                    row["sha256"] = ""
                self._relate(row)
            yield row, step.ends

    def _steps(self, ask: Ask, stop: threading.Event, depth: int) -> Iterator[Step]:
        for entry, looking in _ahead(self._looks(ask, stop), depth):
            if looking is None:
                yield self._unread(entry, entry.state, entry.why)
                continue
            if stop.is_set() and looking.cancel():
                return
            match looking.result()[0]:
                case Identity() as identity:
                    yield from self._pages(entry, identity, ask)
                case NoPicture(why):
                    yield self._unread(entry, "passed over", why)
                case Unreadable(why):
                    yield self._unread(entry, "unopened", why)
                case Lost(why):
                    yield self._unread(entry, "lost", why)
                case Seen() | Gone():
                    raise AssertionError("the worker answered with a picture where it was asked for an identity")

    def _looks(self, ask: Ask, stop: threading.Event) -> Iterator[tuple[Entry, Answered | None]]:
        for entry in self._entries:
            if stop.is_set():
                return
            yield entry, None if entry.state else ask(entry)

    def _unread(self, entry: Entry, state: str, why: str) -> Step:
        file = _file(entry)
        if self._known.get((file, "")) == state:
            return Step(None)
        return Step({"file": file, "page": "", "state": state, "sha256": "", "profile": self._profile_id, "why": why})

    def _pages(self, entry: Entry, identity: Identity, ask: Ask) -> Iterator[Step]:
        pages = 1 if isinstance(identity.pages, Unreadable) else identity.pages
        for page in range(1, pages + 1):
            row = {
                "file": _file(entry),
                "page": str(page),
                "pages": str(pages),
                "sha256": identity.sha256,
                "bytes": str(identity.size),
                "profile": self._profile_id,
            }
            picture = identity.sha256, row["page"]
            ends = int(page == pages)
            if self._known.get((row["file"], row["page"])) == identity.sha256:
                yield Step(None, ends=ends)
            elif self._gone[picture]:
                self._gone[picture] -= 1
                self.tally.moved += 1
                yield Step(None, ends=ends)
            elif picture in self._first:
                yield Step(row, copied=self._first[picture], ends=ends)
            else:
                self._first[picture] = row  # complete by the time that a copy's turn comes
                if isinstance(identity.pages, Unreadable):
                    row |= {"state": "broken", "why": identity.pages.why}
                    yield Step(row)
                else:
                    yield Step(row, ask(Page(entry.path, page, identity.stamp)), ends=ends)

    def _judge(self, row: dict[str, str], answer: Answer | Lost, seconds: float) -> None:
        row["ms"] = f"{seconds * 1000:.1f}"
        match answer:
            case Unreadable(why):
                row |= {"state": "broken", "why": why}
            case Gone(why):
                row |= {"state": "unopened", "why": why}
            case Lost(why):
                row |= {"state": "lost", "why": why}
            case Seen(width, height, reading, quality, uncertified, damaged):
                row |= {"width": str(width), "height": str(height), "codes": str(len(reading.payloads))}
                row |= _measured(reading, quality)
                row |= self._checked(reading.payloads)
                whys = [row.get("why", "")]
                if uncertified:
                    whys.append(f"how well it could be read is not known: failed at {uncertified}")
                if damaged:
                    whys.append(f"the file is damaged, what there is of it was read; get it again ({damaged})")
                row["why"] = "; ".join(filter(None, whys))
            case Identity() | NoPicture():
                raise AssertionError("the worker answered with an identity where it was asked for a picture")

    def _checked(self, payloads: Sequence[str]) -> Row:
        if not payloads:
            return {"state": "no code", "why": "no QR code could be read in the picture"}
        acta = self._profile.read(payloads) if self._profile else None
        joined = cell("\n".join(payloads).encode("latin-1"))
        match acta:
            case Acta(mesa=mesa, doubts=doubts):
                return {"state": "read", "payload": joined, "mesa": mesa, "doubts": "; ".join(doubts)}
            case _ if len(payloads) > 1:
                return {"state": "several", "several": joined, "why": f"{len(payloads)} different QR codes are in view"}
            case Incomplete():
                return {"state": "part", "payload": joined, "why": str(acta)}
            case Refusal():
                return {"state": "refused", "payload": joined, "refusal": str(acta)}
            case None:
                return {"state": "read", "payload": joined}

    def _relate(self, row: dict[str, str]) -> None:
        payload, mesa = row.get("payload", ""), row.get("mesa", "")
        row["payload"], row["mesa"] = payload, mesa
        if payload:
            row["same_payload_as"] = self._payloads.get(payload, "")
        first, place = self._mesas.get(mesa, (payload, ""))
        if mesa and first != payload:
            row["conflict"] = place


def _measured(reading: Reading, quality: Quality) -> Row:
    """What was measured: of what was not the cell is empty, and nothing is made of it."""
    cells = {name: measure(getattr(reading, name)) for name in READING}
    cells |= {name: measure(getattr(quality, name)) for name in QUALITY}
    if not reading.payloads:
        cells |= dict.fromkeys(("erasures", "assumed", "margin"), "")
    if not reading.px_per_module:
        cells["px_per_module"] = ""
    if not quality.pitch:
        cells |= dict.fromkeys(("blur", "contrast", "glare", "light", "pitch", "sharpness", "skew"), "")
        # The whole of a scan does not say what the whole of a photograph does: a dark rim is no tray, nor white glare.
        cells["cause"] = quality.cause and Cause.NO_CODE.value
    return cells


def measure(value: object) -> str:
    """What was measured, as a cell: numbers to three decimals, points as (x y)."""
    match value:
        case None:
            return ""
        case float():
            return str(round(value, 3))
        case tuple() | list():
            return "(" + " ".join(measure(part) for part in value) + ")" if value else ""
        case _:
            return str(value)


def _file(entry: Entry) -> str:
    return cell(os.fsencode(entry.path))


def _place(row: Row) -> str:
    """Where a row's picture is, as other rows refer to it."""
    return row["file"] + (f"#page={row['page']}" if row["pages"] != "1" else "")


def _ahead(items: Iterable[Item], depth: int) -> Iterator[Item]:
    """The same items, each given only when `depth` further ones have been taken: work is begun by taking them."""
    taken: deque[Item] = deque()
    for item in items:
        taken.append(item)
        if len(taken) > depth:
            yield taken.popleft()
    yield from taken


@contextmanager
def _crew(make: Callable[[], Callable[[Entry | Page], Answer]], count: int, seconds_max: float) -> Iterator[Ask]:
    """So many workers, and what gives a request to the first that is idle."""
    idle: queue.SimpleQueue[Worker[Entry | Page, Answer]] = queue.SimpleQueue()
    bytes_max = share_of_memory(1 / 2 / count, at_least=PICTURE_BYTES)

    def answered(request: Entry | Page) -> tuple[Answer | Lost, float]:
        worker = idle.get()
        try:
            return worker.ask(request)
        finally:
            idle.put(worker)

    with ThreadPoolExecutor(count) as pool:
        try:
            for _ in range(count):
                idle.put(Worker(make, ANSWERS, seconds_max=seconds_max, bytes_max=bytes_max))
            yield lambda request: pool.submit(answered, request)
        finally:
            pool.shutdown(cancel_futures=True)
            while not idle.empty():
                idle.get().end()


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """Set by Ctrl-C, in place of what that usually does."""
    stop = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
