"""The forensics: what a laboratory would try on the image of a card, and the secrets that it must not find there.

The image is looked at as it is, and through whatever it may have been wrapped in: base64, hexadecimal, escapes, and
anything compressed. In all of it we look for texts; for pieces of payloads and QR codes of 12 bytes, and of pictures
(as files, and as luma in several sizes) of 16; for whatever decodes as a picture or document, at any offset; and for
smooth runs of bytes, as luma is that was made smaller in a way of its own.
"""

import base64
import bz2
import contextlib
import io
import lzma
import re
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from device.pictures import Unreadable, luma_of
from device.reader.symbol import layout, version_of
from sim.paper.symbol import modules_of

WINDOW_BYTES = 8
PAYLOAD_BYTES_MIN = 12
PICTURE_BYTES_MIN = 16
"""Of pictures every eighth window is known, so that a piece as long as this holds at least one."""

DISTINCT_MIN = 5
"""A window of fewer different bytes (zeros, a white sheet, commas) is anybody's."""

SMALLER = (2, 3, 4, 6, 8, 12, 16)
"""How many times smaller luma is looked for by its bytes."""

SMOOTH_BYTES, SMOOTH_STEP, SMOOTH_DISTINCT = 256, 10, 16
"""Of bytes of luma, neighbours differ by less than this step in the middle; of random ones by 75."""

UNPACKED_BYTES_MAX = 2**24
RUN_BYTES_MIN = 24
"""Of printable bytes: in 16 MB of random ones a run so long comes up once in a thousand images."""

_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"II*\0", b"MM\0*", b"GIF8", b"P5\n", b"P6\n")
_DOCUMENTS = (b"%PDF-", b"PK\3\4")
_PACKED: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    *((bytes([0x78, level]), zlib.decompressobj) for level in (0x01, 0x5E, 0x9C, 0xDA)),
    (b"\x1f\x8b\x08", lambda: zlib.decompressobj(31)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", lzma.LZMADecompressor),
)

Bytes = NDArray[np.uint8]


class Secrets:
    """What must not be found.

    Args:
        payloads: the texts of QR codes.
        words: other texts: mesas, centros, places, networks.
        pictures: files of pictures.
    """

    def __init__(self, payloads: Sequence[str], words: Sequence[str], pictures: Sequence[bytes]) -> None:
        texts = [(word, word) for word in words] + [(payload, "a payload") for payload in payloads]
        encodings = ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "utf-32-le")
        self._needles = {text.encode(encoding): name for text, name in texts for encoding in encodings}
        for payload in payloads:
            self._needles.update(dict.fromkeys(_rows_of(modules_of(payload)), "a row of a QR code"))
        self._pieces = (
            _Pieces("a payload", [form for each in payloads for form in _forms_of(each)], 1, PAYLOAD_BYTES_MIN),
            _Pieces("a picture", [form for each in pictures for form in _planes_of(each)], 8, PICTURE_BYTES_MIN),
        )

    def found_in(self, image: bytes) -> list[str]:
        """What of it an image holds, and what else it holds that nothing on a card may be."""
        found = list[str]()
        for how, seen in views(image):
            for needle, name in self._needles.items():
                if (at := seen.find(needle)) >= 0:
                    found.append(f"{name}, {how}, at {at}")
            found += [f"{finding}, {how}" for pieces in self._pieces for finding in pieces.found_in(seen)]
            found += [f"{finding}, {how}" for finding in (*carved(seen), *smooth(seen))]
        return found


def views(image: bytes, depth: int = 2) -> Iterator[tuple[str, bytes]]:
    """An image as it is, and what is in it in some wrapping, and in a wrapping in that; each with how it was got."""
    yield "as it is", image
    if depth:
        for how, unwrap in (
            ("base64", _base64),
            ("hexadecimal", _hexadecimal),
            ("escaped", _escaped),
            ("packed", _packed),
        ):
            if unwrapped := unwrap(image):
                yield from ((f"{how}, {inner}", seen) for inner, seen in views(unwrapped, depth - 1))


def carved(image: bytes) -> Iterator[str]:
    """Pictures and documents, whole or cut off, that begin somewhere in an image."""
    for magic in _PICTURES:
        for at in _places(image, magic):
            with warnings.catch_warnings(), contextlib.suppress(Exception):
                warnings.simplefilter("ignore")
                picture = Image.open(io.BytesIO(image[at : at + UNPACKED_BYTES_MAX]))
                yield f"a {picture.format} of {picture.width}x{picture.height} at {at}"
    yield from (f"{magic!r} at {at}" for magic in _DOCUMENTS for at in _places(image, magic))


def smooth(image: bytes) -> Iterator[str]:
    """Where bytes change as little from one to the next as luma does, and are neither zeros nor text."""
    content = np.frombuffer(image[: len(image) // SMOOTH_BYTES * SMOOTH_BYTES], np.uint8).reshape(-1, SMOOTH_BYTES)
    steps = np.median(np.abs(np.diff(content.astype(np.int16), axis=1)), axis=1)
    odd = ((content < 0x20) | (content > 0x7E)).mean(axis=1)
    for row in np.flatnonzero((steps > 0) & (steps <= SMOOTH_STEP) & (odd > 0.5)):
        if len(np.unique(content[row])) >= SMOOTH_DISTINCT and np.mean(content[row] == 0) < 0.3:
            yield f"what looks like luma at {row * SMOOTH_BYTES}"


def readable(image: bytes, expected: Sequence[str]) -> list[str]:
    """Runs of printable bytes, in one and in two bytes a character, that expected patterns do not account for."""
    patterns = re.compile("|".join(f"(?:{pattern})" for pattern in expected).encode())
    runs = [match[0] for match in re.finditer(rb"[ -~\t\n\r]{%d,}" % RUN_BYTES_MIN, image)]
    runs += [match[0].replace(b"\0", b"") for match in re.finditer(rb"(?:[ -~]\0){%d,}" % RUN_BYTES_MIN, image)]
    rests = (rest.decode() for run in runs for rest in patterns.sub(b"\0", run).split(b"\0"))
    return [rest for rest in rests if len(rest) >= RUN_BYTES_MIN]


class _Pieces:
    """Secrets cut into windows, and the search for a piece of any.

    Args:
        name: of such a secret.
        secrets: the bytes.
        stride: from one window to the next.
        bytes_min: how long a piece must be.
    """

    def __init__(self, name: str, secrets: Sequence[bytes], stride: int, bytes_min: int) -> None:
        self._name, self._bytes_min = name, bytes_min
        self._all = (b"\0" * WINDOW_BYTES).join(secrets)
        ends = np.cumsum([len(each) + WINDOW_BYTES for each in secrets]) - WINDOW_BYTES
        starts = ends - [len(each) for each in secrets]
        at = np.concatenate([np.arange(a, b - WINDOW_BYTES + 1, stride) for a, b in zip(starts, ends, strict=True)])
        windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(self._all, np.uint8), WINDOW_BYTES)[at]
        ordered = np.sort(windows, axis=1)
        telling = 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1) >= DISTINCT_MIN
        values = np.ascontiguousarray(windows[telling]).view("<u8")[:, 0]
        order = np.argsort(values, kind="stable")
        self._values, self._at = values[order], at[telling][order]
        self._may = np.zeros(2**24, np.bool_)
        self._may[_hashed(self._values)] = True

    def found_in(self, image: bytes) -> list[str]:
        """The first pieces of secrets in an image."""
        found = list[str]()
        for shift in range(min(WINDOW_BYTES, max(0, len(image) - WINDOW_BYTES + 1))):
            values = np.frombuffer(image, "<u8", (len(image) - shift) // WINDOW_BYTES, shift)
            rows = np.flatnonzero(self._may[_hashed(values)])
            firsts, lasts = (np.searchsorted(self._values, values[rows], side) for side in ("left", "right"))
            known = firsts < lasts
            for row, first, last in zip(rows[known], firsts[known], lasts[known], strict=True):
                place = int(row) * WINDOW_BYTES + shift
                if any(self._common(image, place, int(at)) >= self._bytes_min for at in self._at[first:last][:64]):
                    found.append(f"a piece of {self._name} at {place}")
                    break
        return found

    def _common(self, image: bytes, place: int, at: int) -> int:
        """How many bytes around these places are the same, as far as it matters."""
        before = after = 0
        while (
            before < self._bytes_min
            and min(place, at) > before
            and image[place - before - 1] == self._all[at - before - 1]
        ):
            before += 1
        rest = min(len(image) - place, len(self._all) - at, self._bytes_min)
        while after < rest and image[place + after] == self._all[at + after]:
            after += 1
        return before + after


def _hashed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return (values * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)


def _forms_of(payload: str) -> Iterator[bytes]:
    """A payload as it is on its way to and from a QR code."""
    text = payload.encode("latin-1")
    yield text
    yield payload.encode("utf-16-le")
    modules = modules_of(payload)
    of_version = layout(version_of(len(modules)))
    for mask in (of_version.masks[0], False):  # codewords as they stand in the symbol, and without its mask 0
        yield np.packbits(modules.reshape(-1)[of_version.order].astype(np.bool_) ^ mask, axis=1).tobytes()
    nibbles = int.from_bytes(
        text, "big"
    )  # as content of a symbol: four bits of mode, eight of length, and then the text
    yield (nibbles << 4).to_bytes(len(text) + 1, "big")
    for colour in (0, 1):
        bits = modules.reshape(-1) ^ colour
        yield from (np.packbits(bits[shift:]).tobytes() for shift in range(8))


def _rows_of(modules: Bytes) -> Iterator[bytes]:
    """Rows of a QR code, a byte a module, as programs hold them."""
    for row in modules[len(modules) // 3 :: len(modules) // 3]:
        yield from ((row ^ colour).tobytes() for colour in (0, 1))
        yield from (((row ^ colour) * 255).astype(np.uint8).tobytes() for colour in (0, 1))


def _planes_of(picture: bytes) -> Iterator[bytes]:
    """A picture as a file, and its luma, in several sizes."""
    yield picture
    luma = luma_of(picture)
    assert not isinstance(luma, Unreadable), luma
    yield luma.tobytes()
    for times in SMALLER:
        size = (luma.shape[1] // times, luma.shape[0] // times)
        yield cv2.resize(luma, size, interpolation=cv2.INTER_AREA).tobytes()
        yield luma[::times, ::times].tobytes()


def _places(image: bytes, magic: bytes) -> Iterator[int]:
    return (match.start() for match in re.finditer(re.escape(magic), image))


def _base64(image: bytes) -> bytes:
    lines = image.replace(b"\r", b"").replace(b"\n", b"").translate(bytes.maketrans(b"-_", b"+/"))
    runs = re.findall(rb"[A-Za-z0-9+/]{16,}", lines)
    return bytes(8).join(base64.b64decode(run[at:][: (len(run) - at) // 4 * 4]) for run in runs for at in range(4))


def _hexadecimal(image: bytes) -> bytes:
    runs = re.findall(rb"[0-9A-Fa-f]{16,}", image.replace(b"\r", b"").replace(b"\n", b""))
    return bytes(8).join(bytes.fromhex(run[at:][: (len(run) - at) // 2 * 2].decode()) for run in runs for at in (0, 1))


def _escaped(image: bytes) -> bytes:
    """What stands in percent escapes, or in those of JSON and Python, with a little of what is around it."""
    around = re.findall(rb"[ -~]{0,200}(?:%|\\x|\\u00)[0-9A-Fa-f]{2}[ -~]{0,4000}", image)
    return bytes(8).join(unquote_to_bytes(re.sub(rb"\\x|\\u00", b"%", each)) for each in around)


def _packed(image: bytes) -> bytes:
    found = list[bytes]()
    for magic, unpacker in _PACKED:
        for at in _places(image, magic):
            unpacked = bytearray()
            with contextlib.suppress(zlib.error, OSError, EOFError, lzma.LZMAError, ValueError):
                unpacking = unpacker()
                for start in range(at, len(image), 8):  # what comes before a fault, or a false end, is had all the same
                    unpacked += unpacking.decompress(image[start : start + 8])
                    if unpacking.eof or len(unpacked) > UNPACKED_BYTES_MAX:
                        break
            found.append(bytes(unpacked))
    return bytes(8).join(found)
