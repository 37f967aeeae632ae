"""Reading: the `testigo-unit read` command, from picture files to one line of JSON each.

The files may be anybody's, and what decodes them may hang, crash or eat all memory. So they are read in a worker, and
where that is lost, the file's line says why.
"""

import json
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from device.pictures import Unreadable, luma_of
from device.reader import Reader, Reading
from device.worker import Lost, Worker, share_of_memory

# A file's time. Random noise of 64 megapixels takes 0.7 s here as PGM, 1.4 s as JPEG and 3 s as PNG with alpha.
SECONDS_MAX = 10.0
# 64 megapixels of 16 bits a sample take 1112 MiB of addresses until they are read, the most of all kinds tried.
PICTURE_BYTES = 1280 * 2**20
# The largest picture we would decode, 64 megapixels of 16-bit colour, is 384 MB uncompressed.
FILE_BYTES_MAX = 512 * 2**20

Outcome = Reading | Unreadable


def content_of(path: Path) -> bytes | Unreadable:
    """The bytes of a picture file; only a regular one is opened, for a pipe or a device may block, or worse."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return Unreadable("not a regular file; give the picture's own path")
        if found.st_size > FILE_BYTES_MAX:
            return Unreadable(f"file has {found.st_size} bytes, at most {FILE_BYTES_MAX} are read")
        return path.read_bytes()
    except OSError as error:
        return Unreadable(f"file cannot be opened: {error.strerror}")


def file_reader() -> Callable[[Path], Outcome]:
    """What reads one picture file after the other: of several pages, the first."""
    reader = Reader()

    def read(path: Path) -> Outcome:
        picture = content_of(path)
        luma = picture if isinstance(picture, Unreadable) else luma_of(picture)
        return luma if isinstance(luma, Unreadable) else reader.read(luma)

    return read


def read_files(
    paths: Sequence[Path],
    out: TextIO,
    *,
    make: Callable[[], Callable[[Path], Outcome]] = file_reader,
    seconds_max: float = SECONDS_MAX,
) -> int:
    """Reads each picture and prints one line of JSON for it, at once.

    Keys: `file`; `payload`, null unless exactly one was read; `ms`, the time to open, decode and read; `how`, the
    reader's step; where `payload` is null `why`, a sentence; where several are in view `payloads`, all of them.

    Args:
        paths: the files; what is no regular file is refused on its line.
        out: where the lines go; pure ASCII, whatever names and payloads hold.
        make: gives the worker what it reads files with (see `Worker`).
        seconds_max: how long it may take over one.

    Returns:
        The exit code: 0, or 1 when any line has no payload.

    Raises:
        OurFault: no worker can be started.
    """
    worker = Worker(
        make, [Reading, Unreadable], seconds_max=seconds_max, bytes_max=share_of_memory(1 / 2, at_least=PICTURE_BYTES)
    )
    all_read = True
    try:
        for path in paths:
            outcome, seconds = worker.ask(path)
            line: dict[str, object] = {"file": str(path), "payload": None, "ms": round(seconds * 1000, 1), "how": ""}
            match outcome:
                case Unreadable(why) | Lost(why):
                    line["why"] = why
                case Reading(payloads=(payload,), how=how):
                    line |= {"payload": payload, "how": how}
                case Reading(payloads=()):
                    line["why"] = "no QR code could be read in the picture"
                case Reading(payloads=payloads, how=how):
                    line |= {"payloads": payloads, "how": how, "why": f"{len(payloads)} different QR codes are in view"}
            all_read = all_read and line["payload"] is not None
            print(json.dumps(line), file=out, flush=True)
    finally:
        worker.end()
    return 0 if all_read else 1
