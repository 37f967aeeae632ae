"""The reader: the luma plane of a frame -> the payloads of the QR codes in view.

A ladder, from cheap to dear, that stops at the first safe hit: zxing-cpp as it is; zxing-cpp on variants of the region;
a grid reader of our own. docs/reading.md says what each rung is for.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import Any, cast

import numpy as np
import zxingcpp
from numpy.typing import NDArray

from device.reader import symbol
from device.reader.decode import Decoded, decode, quickly, speaks_for, thoroughly
from device.reader.effort import Attempt, attempts, first_attempt
from device.reader.fuse import mean_of
from device.reader.grid import lay
from device.reader.knowledge import Knowledge
from device.reader.locate import (
    ROLLED_GAIN,
    ROLLED_LIKELY,
    SEARCH_PIXELS_MAX,
    SIDES_MAX,
    Candidate,
    busiest,
    candidates,
    partial,
    rolled,
    searched,
    side_of,
    sides_of,
    squashed,
)
from device.reader.variants import symbols, variants

__all__ = ["Corners", "Knowledge", "Reader", "Reading"]

Luma = NDArray[np.uint8]
Corners = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]

# A frame's time here, where a hopeless one is to be given up within 1.0 s: an attempt takes up to 0.2 s on 12
# megapixels. A smaller board sets more.
SECONDS_MAX = 0.8
# A picture of this size is searched by variants whole; of a larger one only where something looks like a symbol.
WHOLE_PIXELS_MAX = 1_000_000
# Places of one picture that the grid reader works on.
PLACES_MAX = 3
# Below this agreement three hits may not be finders of one symbol: then one or two finders are tried too.
DOUBTFUL = 0.6
# A symbol that zxing-cpp read is believed as it is if so much of its error correction is left in every block: then it
# has 40 bits of evidence (`decode.EVIDENCE_BITS_MIN`), and any two blocks are seen together twice as often as one is
# contradicted where the other is seen (`decode.TOGETHER_MIN`).
LEFT_MIN = 0.5
# Attempts that are decoded quickly before any is decoded thoroughly, which takes longer than to make them.
QUICK = 3
# A candidate that agrees so much less than the best is another way to lay the same three finders.
WORSE = 0.15
# Where a large frame shows nothing that looks like a symbol, its busiest squares are searched at full resolution: a
# symbol of version 8 with 1.5 px a module, far away on a table, has 74 px.
SMALL_SIDE_PX = 512
SMALL_PLACES = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """What one frame gave.

    Attributes:
        payloads: the distinct payloads in view, sorted by their bytes: places mean nothing when any way up must read.
            Each is the symbol's bytes decoded as ISO 8859-1, which loses nothing: `payload.encode("latin-1")` gives the
            bytes back, and ASCII is unchanged. At most 2953 characters, or 7089 where all are digits. A symbol that
            holds no text is as no symbol: zxing-cpp does not report it.
        how: the rung that read the last of them: "zxing-cpp", "variant median", "grid", "grid equalised"; empty when
            nothing was read.
        erasures: codewords given up as unseen or doubtful, of all symbols.
        assumed: codewords that only the profile told.
        margin: share of the error correction that was left in the worst block of the worst symbol, 0 to 1; 0 if unread.
        corners: the symbol's outer corners, px; of the first payload's, or where one seems to be that was not read.
        px_per_module: the mean side of its modules, px; 0 if unknown.
        unread: symbols in view that zxing-cpp found and nobody could read. One that it does not even find is not
            missed while others are read.
    """

    payloads: tuple[str, ...]
    how: str
    erasures: int = 0
    assumed: int = 0
    margin: float = 0.0
    corners: Corners | None = None
    px_per_module: float = 0.0
    unread: int = 0

    @property
    def modules(self) -> int:
        """Modules a side of the symbol at `corners`; 0 if unknown."""
        return round(side_of(self.corners) / self.px_per_module) if self.corners and self.px_per_module else 0


@dataclass(frozen=True, slots=True)
class _Hit:
    """One symbol read."""

    payload: str
    how: str
    erasures: int
    assumed: int
    margin: float
    corners: Corners
    px_per_module: float


@dataclass(frozen=True, slots=True)
class _Place:
    """A cut of the frame where a symbol may be, and its origin in the frame, px."""

    luma: Luma
    x: int
    y: int


class Reader:
    """Reads QR codes of model 2, never Micro QR or rMQR, and only those whose error correction leaves no doubt.

    It may not return: zxing-cpp 3.1.1 can loop for ever on some pictures (its issue 1150). Where the picture is a
    stranger's, read in a process that can be ended (`device.reading`).
    """

    def __init__(
        self,
        knowledge: Knowledge | None = None,
        *,
        seconds_max: float = SECONDS_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A reader.

        Args:
            knowledge: what is known of the symbols looked for; None reads any.
            seconds_max: no attempt begins later than this after `read` was called.
            clock: seconds, from any start.
        """
        self._knowledge = knowledge
        self._dims = tuple(17 + 4 * version for version in knowledge.versions) if knowledge else ()
        self._seconds_max = seconds_max
        self._clock = clock

    def read(self, luma: Luma) -> Reading:
        """Reads every symbol in view.

        Args:
            luma: shape (height, width), neither 0; dtype uint8; 0 is black. Any strides: a view of a camera's padded Y
                plane is read without a copy.

        Raises:
            ValueError: the array is no luma plane; a fault of the caller, not of the paper.
        """
        if luma.ndim != 2 or luma.dtype != np.uint8 or luma.size == 0:
            raise ValueError(
                f"luma plane: expected shape (height, width) of at least 1 pixel and dtype uint8, "
                f"found {luma.shape} and {luma.dtype}; give the Y plane of the frame, or convert it to grey first"
            )
        end = self._clock() + self._seconds_max
        seen = symbols(luma)
        hits = self._hits(seen, "zxing-cpp")
        if 0 < len(hits) == len(seen):
            return _reading(hits, 0)
        left = [_corners(code) for code in seen]
        left = [corners for corners in left if not any(_overlap(corners, hit.corners) for hit in hits)]
        if hits:  # beside a symbol that is read, text in rows is not worth the search
            left = [corners for corners in left if _is_square(corners)]
            if not left:
                return _reading(hits, 0)
        unread, seems = 0, None
        failed: list[Candidate] = []
        places = _places(luma, left)
        for number, place in enumerate(places):
            found, candidate = self._climb(luma, place, failed, self._share(end, len(places) - number))
            hits += found
            unread += not found
            seems = seems or candidate
        if not hits and self._clock() < end:  # what zxing-cpp took for a symbol's corners may be none's, or far off
            hits, candidate = self._climb(luma, _Place(luma, 0, 0), failed, end)
            seems, unread = candidate or seems, 0
        if hits:
            return _reading(hits, unread)
        corners = _tuples(seems.corners) if seems else next(iter(left), None)
        return Reading((), "", corners=corners, px_per_module=seems.px_per_module if seems else 0.0, unread=len(left))

    def fused(self, frames: Sequence[Luma], seconds_max: float | None = None) -> Reading | None:
        """What several frames say together of which none says it alone; None if nothing.

        Of frames that did not move the mean is taken, of others the sum of their modules. It is believed only if each
        of them speaks for every block of it: the sheet may have been changed between two frames. Of moved frames those
        that do not are left out, but never the last one, whose photograph would be kept.

        Args:
            frames: each as for `read`; of fewer than two nothing is said.
            seconds_max: no attempt begins later than this; None: as for `read`.
        """
        if len(frames) < 2:
            return None
        end = self._clock() + (self._seconds_max if seconds_max is None else seconds_max)
        mean = mean_of(frames)
        if mean is not None:
            return self._of_mean(mean, frames, end)
        found: list[Attempt] = []
        for frame in reversed(frames):  # so the last one is the first
            laid = self._candidates(frame, end)[:1] if self._clock() < end else []
            if not laid and not found:
                return None
            found += [list(islice(attempts(lay(frame, candidate)), 2))[-1] for candidate in laid]
        while len(found) > 1:
            softs = [each.seen for each in found]
            if any(soft.shape != softs[0].shape for soft in softs):
                return None
            decoded = decode(np.stack(softs).sum(axis=0), self._knowledge, stop=lambda: self._clock() > end)
            if not decoded or not speaks_for(softs[0], decoded):
                return None
            speaking = [each for each, soft in zip(found, softs, strict=True) if speaks_for(soft, decoded)]
            if len(speaking) == len(found):
                return _reading([_of_grid(decoded, found[0], f"sum of {len(found)}")], 0)
            found = speaking
        return None

    def _of_mean(self, mean: Luma, frames: Sequence[Luma], end: float) -> Reading | None:
        for candidate in self._candidates(mean, end)[:1]:
            for decoded, attempt in self._decoded(mean, candidate, [], end):
                grids = [replace(attempt.grid, luma=lay(frame, candidate).luma) for frame in frames]
                if all(speaks_for(first_attempt(grid).seen, decoded) for grid in grids):
                    return _reading([_of_grid(decoded, attempt, f"mean of {len(frames)}, {attempt.how}")], 0)
        return None

    def _share(self, end: float, count: int) -> float:
        """When the first of so many must give up, for all to have the same of the time that is left."""
        now = self._clock()
        return now + (end - now) / count

    def _hits(self, seen: Sequence[zxingcpp.Barcode], how: str) -> list[_Hit]:
        """Those of the symbols that zxing-cpp found which are read beyond doubt.

        It corrects each block to its last codeword, and asks no more. What hangs by that is decoded again from the
        modules that it saw: of half one acta beside half of another it reads a third.
        """
        hits = []
        for code in seen:
            hit = _of_zxing(code, how) if code.valid else None
            if hit and hit.margin < LEFT_MIN:
                hit = self._confirmed(hit, code)
            if hit:
                hits.append(hit)
        return hits

    def _confirmed(self, hit: _Hit, code: zxingcpp.Barcode) -> _Hit | None:
        """The hit, if the modules that zxing-cpp saw leave no doubt, with what they leave of its error correction."""
        seen = np.asarray(code.to_image(scale=1, add_quiet_zones=False))
        soft = np.where(seen < 128, np.float32(1), np.float32(-1))
        unseen = np.zeros(soft.shape, bool)
        for knowledge in (self._knowledge, None) if self._knowledge else (None,):
            decoded = quickly(soft, knowledge, unseen)
            if decoded and decoded.content == code.bytes:
                return replace(hit, margin=decoded.margin)
        return None

    def _decoded(
        self, luma: Luma, candidate: Candidate, failed: list[Attempt], end: float
    ) -> Iterator[tuple[Decoded, Attempt]]:
        """What the grid reader reads of a candidate, attempt by attempt; what failed before is not tried again."""

        def late() -> bool:
            return self._clock() > end

        def by_all_means() -> Iterator[tuple[Decoded, Attempt]]:
            while waiting:
                failed.append(waiting.pop())
                if decoded := thoroughly(failed[-1].soft, self._knowledge, failed[-1].lost, late):
                    yield decoded, failed[-1]

        waiting: list[Attempt] = []
        for number, attempt in enumerate(attempts(lay(luma, candidate), late), 1):
            if late():
                return
            if not any(attempt.repeats(other) for other in failed + waiting):
                if decoded := quickly(attempt.soft, self._knowledge, attempt.lost):
                    yield decoded, attempt
                waiting.append(attempt)
            if number >= QUICK:
                yield from by_all_means()
        yield from by_all_means()

    def _climb(
        self, frame: Luma, place: _Place, failed: list[Candidate], end: float
    ) -> tuple[list[_Hit], Candidate | None]:
        """The rungs after the first, on one place: what they read, and the likeliest candidate there.

        Args:
            frame: what the place is cut from.
            place: the place.
            failed: candidates that were tried in vain, in the frame: not tried again, and added to.
            end: when to give up.
        """
        found = None
        region = place
        if place.luma.size > WHOLE_PIXELS_MAX:
            found = self._candidates(place.luma, end)
            region = _around(place, found[0].corners) if found else place
        if region.luma.size <= WHOLE_PIXELS_MAX:
            until = self._share(end, 2)  # the other half is the grid reader's
            for how, read, scale in variants(region.luma, inverted=self._knowledge is None):
                if self._clock() > until:
                    break
                if hits := self._hits(read(), how):
                    return [_moved(hit, scale, region) for hit in hits], None
        if self._clock() > end:
            return [], None
        found = self._candidates(place.luma, end) if found is None else found
        worth = [each for each in found[:PLACES_MAX] if each.score > found[0].score - WORSE]
        attempted: list[Attempt] = []
        for candidate in worth:
            there = _shifted(candidate, place)
            if any(there.is_at(other) for other in failed):
                continue
            for decoded, attempt in self._decoded(place.luma, candidate, attempted, end):
                return [_moved(_of_grid(decoded, attempt, attempt.how), 1.0, place)], None
            if self._clock() < end and _whole(there, place, frame):
                failed.append(there)
        return [], _shifted(found[0], place) if found else None

    def _candidates(self, luma: Luma, end: float) -> list[Candidate]:
        """Where symbols may be, best first: whole, or rolled; in a large frame small; of a known size cut ones too."""
        search = searched(luma)
        found = candidates(search, self._dims or None)
        if not found and luma.size > SEARCH_PIXELS_MAX:
            for x, y in busiest(luma, SMALL_SIDE_PX, SMALL_PLACES):
                if self._clock() > end:
                    break
                cut = _Place(luma[y : y + SMALL_SIDE_PX, x : x + SMALL_SIDE_PX], x, y)
                found += [_shifted(each, cut) for each in candidates(searched(cut.luma), self._dims or None)]
        if self._dims and (not found or found[0].score < DOUBTFUL) and self._clock() < end:
            found += partial(search, self._dims, lambda: self._clock() > end)
        found.sort(key=lambda each: -each.score)
        likely, flat = ROLLED_LIKELY
        if found and likely < found[0].score < flat and self._clock() < end:
            least = found[0].score + ROLLED_GAIN
            found = [each for each in rolled(squashed(search), found, self._dims or None) if each.score > least] + found
        return found


def _is_square(corners: Corners) -> bool:
    """Whether a symbol may lie there: no side is much longer than another.

    Rows of text that zxing-cpp takes for a symbol on every fourth scan of an acta are mostly four times as long as
    high: climbing on them took four times as long as the rest of the scan.
    """
    sides = sides_of(corners)
    return 0 < max(sides) <= SIDES_MAX * min(sides)


def _places(luma: Luma, left: Sequence[Corners]) -> list[_Place]:
    """The cuts around symbols that zxing-cpp found and could not read, each once."""
    once: list[Corners] = []
    for corners in left:
        if not any(_overlap(corners, other) for other in once):
            once.append(corners)
    return [_around(_Place(luma, 0, 0), np.array(corners, np.float32)) for corners in once]


def _around(place: _Place, corners: NDArray[np.float32]) -> _Place:
    """The cut around a symbol, with a quarter of its size on each side: zxing-cpp's failed corners are rough."""
    height, width = place.luma.shape
    low, high = corners.min(axis=0), corners.max(axis=0)
    rim = (high - low).max() / 4 + 8
    x0, y0 = np.floor(low - rim).clip(0).astype(int).tolist()
    x1, y1 = np.ceil(high + rim).astype(int).tolist()
    return _Place(place.luma[y0 : min(y1, height), x0 : min(x1, width)], place.x + x0, place.y + y0)


def _corners(code: zxingcpp.Barcode) -> Corners:
    at = code.position
    a, b, c, d = (at.top_left, at.top_right, at.bottom_right, at.bottom_left)
    return (float(a.x), float(a.y)), (float(b.x), float(b.y)), (float(c.x), float(c.y)), (float(d.x), float(d.y))


def _tuples(corners: NDArray[np.float32]) -> Corners:
    a, b, c, d = ((float(x), float(y)) for x, y in corners.tolist())
    return a, b, c, d


def _overlap(one: Corners, other: Corners) -> bool:
    """Whether the middle of either lies within the other's bounds: two symbols lie side by side."""

    def inside(corners: Corners, box: Corners) -> bool:
        x, y = (sum(along) / 4 for along in zip(*corners, strict=True))
        xs, ys = zip(*box, strict=True)
        return min(xs) <= x <= max(xs) and min(ys) <= y <= max(ys)

    return inside(one, other) or inside(other, one)


def _of_zxing(code: zxingcpp.Barcode, how: str) -> _Hit:
    corners = _corners(code)
    extra = cast(dict[str, Any], code.extra)
    version = int(extra["Version"])
    margin = _left(float(extra["UEC"]), version, extra["ECLevel"])
    return _Hit(code.bytes.decode("latin-1"), how, 0, 0, margin, corners, side_of(corners) / (17 + 4 * version))


@cache
def _left(told: float, version: int, level: str) -> float:
    """What the worst block has left, as zxing-cpp tells it; 3.1.1 writes 0.09 as 0.9: the less, where both may be."""
    checks = symbol.blocks(version, level).checks
    cents = {100 * (checks - 2 * errors) // checks for errors in range(checks // 2 + 1)}
    return told / 10 if told < 1 and round(100 * told) in {10 * cent for cent in cents} else told


def _of_grid(decoded: Decoded, attempt: Attempt, how: str) -> _Hit:
    corners = _tuples(attempt.grid.corners())
    return _Hit(
        decoded.content.decode("latin-1"),
        how,
        decoded.erasures,
        decoded.assumed,
        decoded.margin,
        corners,
        side_of(corners) / attempt.grid.dim,
    )


def _moved(hit: _Hit, scale: float, place: _Place) -> _Hit:
    """A hit in a scaled cut, in the frame."""
    origin = np.array([place.x, place.y], np.float32)
    corners = _tuples((np.array(hit.corners, np.float32) + 0.5) / scale - 0.5 + origin)
    return replace(hit, corners=corners, px_per_module=hit.px_per_module / scale)


def _shifted(candidate: Candidate, place: _Place) -> Candidate:
    return replace(candidate, quad=candidate.quad + np.array([place.x, place.y], np.float32))


def _whole(candidate: Candidate, place: _Place, frame: Luma) -> bool:
    """Whether a place holds all of a candidate that its frame holds."""
    height, width = place.luma.shape
    seen = candidate.corners.clip(0, (frame.shape[1] - 1, frame.shape[0] - 1))
    return bool((seen >= (place.x, place.y)).all() and (seen < (place.x + width, place.y + height)).all())


def _reading(hits: Sequence[_Hit], unread: int) -> Reading:
    """Several symbols as one reading; two of the same payload are one."""
    first = min(hits, key=lambda hit: hit.payload)
    return Reading(
        tuple(sorted({hit.payload for hit in hits})),
        hits[-1].how,
        sum([hit.erasures for hit in hits]),
        sum([hit.assumed for hit in hits]),
        min([hit.margin for hit in hits]),
        first.corners,
        first.px_per_module,
        unread,
    )
