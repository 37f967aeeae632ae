"""Reading: our reader and every other open decoder on the same pictures, in one run: what they read, and how fast.

    python -m bench reading                                   every set, of a size for some ten minutes
    python -m bench reading --only drawn --count 400
    python -m bench reading --only degraded --first 123 --count 1 --show picture.png

A picture counts as read when what it holds was given, and as wrong when anything was given that it does not hold.
Published photographs are read by the general reader, which knows nothing of actas.
"""

import argparse
import csv
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from random import Random

import cv2

from bench import peers
from bench.peers import Answer, Luma, Peer, Read
from device.eye import Eye
from device.pictures import Unreadable, luma_of
from device.reader import Knowledge, Reader
from sim import paper, photo
from sim.photo import Shot, marred, mixes
from wire.errors import OurFault
from wire.profiles import named

REAL = Path(__file__).parents[2] / "shared" / "data"
OURS = "testigo"
STOCK = "zxing-cpp, QR only"
UNITED = "all others united"

# What published texts may have been before they were texts.
ENCODINGS = ("utf-8", "latin-1", "cp932", "gb18030", "euc_jp", "big5")


@dataclass(frozen=True, slots=True)
class Case:
    """One picture.

    Attributes:
        row: the line of its set's table that it belongs to.
        luma: shape (height, width), dtype uint8.
        wanted: what must be read, in every encoding that may be meant.
        in_view: whatever else is in view.
    """

    row: str
    luma: Luma
    wanted: frozenset[bytes]
    in_view: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Set:
    """A set of pictures.

    Attributes:
        title: what they are.
        case: the picture of a number, from 0.
        count: how many are read if nobody says.
        most: how many there are.
        acta: whether our reader may know that they are actas.
        rows: the lines of its table, each with the share that is wanted, in percent; 0 if none.
        against: whether the failures of stock zxing-cpp and all others united are the measure.
    """

    title: str
    case: Callable[[int], Case]
    count: int
    most: int = 2**31
    acta: bool = True
    rows: dict[str, float] = field(default_factory=dict)
    against: bool = False


@dataclass(slots=True)
class Score:
    """What one decoder made of some pictures."""

    of: int = 0
    read: int = 0
    wrong: int = 0
    failed: int = 0
    ms: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        """How many, and the share."""
        return f"{self.read:5} of {self.of:5} {100 * self.read / max(self.of, 1):6.1f} %"


# The sets.


@cache
def _crops() -> list[tuple[Luma, str]]:
    """The 11 published codes with their payloads."""
    with (REAL / "ve2024" / "payloads.csv").open(newline="") as table:
        rows = [(row["image"], row["payload"]) for row in csv.DictReader(table) if row["image"]]
    return [(_luma(REAL / "ve2024" / "qr" / Path(image).name), payload) for image, payload in rows]


def _crop(number: int) -> Case:
    luma, payload = _crops()[number]
    return Case("", luma, frozenset({payload.encode()}))


def _degraded(number: int) -> Case:
    """Each kind and each grade in turn, of one crop after the other, the number being the seed."""
    kinds, crops = list(marred.KINDS), _crops()
    turn, kind = divmod(number, len(kinds))
    turn, step = divmod(turn, marred.GRADES)
    luma, payload = crops[turn % len(crops)]
    harmed = marred.mar(luma, kinds[kind], marred.grade(step), number)
    return Case(kinds[kind], harmed, frozenset({payload.encode()}))


@cache
def _photographs() -> list[dict[str, str]]:
    """The published photographs, but for four parts of a sequence whose texts nobody published."""
    with (REAL / "qr-photos" / "manifest.csv").open(newline="") as table:
        return [entry for entry in csv.DictReader(table) if entry["expected"]]


def _photograph(number: int) -> Case:
    entry = _photographs()[number]
    # One picture stands in both sets, shows two codes, and either set names another of them.
    same = entry["file"].partition("/")[2].partition(".")[0]
    texts = [other["expected"] for other in _photographs() if other["file"].partition("/")[2].startswith(f"{same}.")]
    luma = _luma(REAL / "qr-photos" / entry["file"])
    in_view = frozenset().union(*map(_encoded, texts))
    return Case(entry["file"].partition("/")[0], luma, _encoded(entry["expected"]), in_view)


def _encoded(text: str) -> frozenset[bytes]:
    found = set()
    for encoding in ENCODINGS:
        try:
            found.add(text.encode(encoding))
        except UnicodeEncodeError:
            continue  # whatever it was encoded in, it was not this
    return frozenset(found)


def _luma(path: Path) -> Luma:
    luma = luma_of(path.read_bytes())
    if isinstance(luma, Unreadable):
        raise OurFault(f"{path.name}: {luma.why}")
    return luma


MIXES = {"moderate": 97.0, "hard": 85.0, "cut": 90.0, "small": 90.0}


def _drawn(number: int) -> Case:
    mix = list(MIXES)[number % len(MIXES)]
    photograph = mixes.photograph(mix, number)
    return Case(mix, photograph.luma, frozenset({photograph.payload.encode()}))


def _clean(number: int) -> Case:
    payload = paper.random_payload(Random(number))
    photograph = photo.photograph(paper.draw(payload, seed=number), seed=number)
    return Case("", photograph.luma, frozenset({payload.encode()}))


HOPELESS = (
    Shot(motion_px=60),
    Shot(cut=0.6),
    Shot(cut=0.45, cut_side="right"),
    Shot(defocus_px=24),
    Shot(tilt_deg=68, motion_px=30),
)


def _hopeless(number: int) -> Case:
    payload = paper.random_payload(Random(number))
    sheet = paper.draw(payload, seed=number, length_mm=mixes.END_MM)
    return Case("", photo.shoot(sheet, HOPELESS[number % len(HOPELESS)], number).luma, frozenset({payload.encode()}))


SETS = {
    "crops": Set("the 11 real crops", _crop, 11, most=11, rows={"": 100.0}),
    "degraded": Set("degraded copies of the real crops", _degraded, 528, against=True),
    "photographs": Set("published photographs of any QR codes", _photograph, 316, most=316, acta=False),
    "drawn": Set("drawn actas, photographed", _drawn, 160, rows=MIXES),
    "clean": Set("whole clean frames of 12 megapixels", _clean, 9),
    "hopeless": Set("whole frames of 12 megapixels that cannot be read", _hopeless, 10),
}


# The run.


def _ours(acta: bool) -> Read:
    cv2.setNumThreads(1)
    # Its deadline in time of its own: what it reads must not hang on what else the machine does.
    reader = Reader(Knowledge.of(named("ve-2024-presidential")) if acta else None, clock=time.thread_time)
    return lambda luma: {payload.encode("latin-1") for payload in reader.read(luma).payloads}


def run(arguments: Sequence[str] = ()) -> int:
    """Reads the sets and prints a table for each; returns 1 if we misread any picture."""
    options = _options(arguments)
    others, missing = peers.here()
    print(f"beside: {', '.join(peer.name for peer in others)}")
    for name, why in missing.items():
        print(f"not here: {name}: {why}")
    wrong = 0
    for name in options.only or SETS:
        if not REAL.exists() and name in ("crops", "degraded", "photographs"):
            print(f"{name}: left out, for the real pictures are not here ({REAL.parent.name}/{REAL.name})")
            continue
        ours = Peer(OURS, partial(_ours, SETS[name].acta), folder=None)
        wrong += _Run(name, ours, others).read(options)
        ours.close()
        if name == "hopeless":
            _print_presses(range(options.first, options.first + (options.count or SETS[name].count)))
    for peer in others:
        peer.close()
    return int(wrong > 0)


def _print_presses(numbers: Sequence[int]) -> None:
    """What a unit takes over frames that cannot be read: each read, fused with those before it, and given its cause."""
    cv2.setNumThreads(1)
    eye, spent = Eye(named("ve-2024-presidential"), clock=time.thread_time), defaultdict[int, list[float]](list)
    for number in numbers:
        luma = _hopeless(number).luma
        for frame in range(3):
            began = time.thread_time()
            eye.see(luma, press=number)
            spent[frame].append(1000 * (time.thread_time() - began))
    for frame, ms in spent.items():
        print(f"  frame {frame + 1} of a press: median {statistics.median(ms):.0f} ms, worst {max(ms):.0f} ms")


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench reading", description="Reads beside other decoders.")
    parser.add_argument("--only", nargs="+", choices=list(SETS), help="these sets (default: all)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first picture (default: 0)")
    parser.add_argument("--count", type=int, help="how many pictures of each set (default: for ten minutes in all)")
    parser.add_argument("--times", type=int, default=1, help="tries at each; the shortest counts (default: 1)")
    parser.add_argument("--show", type=Path, help="write the first picture to this file too")
    return parser.parse_args(arguments)


class _Run:
    """One set, read by all."""

    def __init__(self, name: str, ours: Peer, others: list[Peer]) -> None:
        self._name, self._set = name, SETS[name]
        self._ours, self._others = ours, others
        self._scores: dict[str, dict[str, Score]] = defaultdict(lambda: defaultdict(Score))  # by row, by decoder
        self._ratios: list[float] = []  # our time to stock's, where that one reads
        self._hopeless: list[float] = []  # our milliseconds where we read nothing

    def read(self, options: argparse.Namespace) -> int:
        """Reads the pictures and prints what came of it; returns how many we misread."""
        end = min(options.first + (options.count or self._set.count), self._set.most)
        for number in range(options.first, end):
            case = self._set.case(number)
            if options.show and number == options.first:
                cv2.imwrite(str(options.show), case.luma)
            answers = self._answers(case.luma, options.times)
            self._count(number, case, answers)
        self._print()
        return sum(scores[OURS].wrong for scores in self._scores.values())

    def _answers(self, luma: Luma, times: int) -> dict[str, Answer]:
        """Everybody's answer; ours and stock zxing-cpp's one after the other, for their times are compared."""
        timed = [self._ours, *[peer for peer in self._others if peer.name == STOCK]]
        tries = [{peer.name: peer.read(luma) for peer in timed} for _ in range(times)]
        answers = {peer.name: min([each[peer.name] for each in tries], key=lambda one: one.ms) for peer in timed}
        rest = [peer for peer in self._others if peer.name != STOCK]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            answers |= zip([peer.name for peer in rest], pool.map(lambda peer: peer.read(luma), rest), strict=True)
        return answers

    def _count(self, number: int, case: Case, answers: dict[str, Answer]) -> None:
        scores = self._scores[case.row]
        found = {name: _found(case, name, answer) for name, answer in answers.items()}
        read = {name: _is_read(case, contents) for name, contents in found.items()}
        for name, answer in answers.items():
            score = scores[name]
            score.of += 1
            score.read += read[name]
            score.failed += bool(answer.failed)
            score.ms.append(answer.ms)
            if _is_wrong(case, found[name]):
                score.wrong += 1
                if name == OURS:
                    print(f"  WRONG: python -m bench reading --only {self._name} --first {number} --count 1")
        united = scores[UNITED]
        united.of += 1
        united.read += any(good for name, good in read.items() if name != OURS)
        if read.get(STOCK):
            self._ratios.append(answers[OURS].ms / answers[STOCK].ms)
        if not read[OURS]:
            self._hopeless.append(answers[OURS].ms)

    def _print(self) -> None:
        whole: dict[str, Score] = defaultdict(Score)
        for scores in self._scores.values():
            for name, score in scores.items():
                whole[name] = _sum(whole[name], score)
        print(f"\n{self._set.title}:")
        for name, score in whole.items():
            end = ""
            if name != UNITED:
                end = (
                    f"   wrong {score.wrong:3}   failed {score.failed:3}   median {statistics.median(score.ms):7.1f} ms"
                )
            print(f"  {name:22} {score}{end}")
        if len(self._scores) > 1:
            print(f"  {'':22} {OURS:>22} {STOCK:>22} {UNITED:>22}")
            for row, scores in self._scores.items():
                wanted = self._set.rows.get(row, 0)
                end = f"    (wanted: {wanted:g} %)" if wanted else ""
                print(f"  {row:22} {scores[OURS]} {scores[STOCK]} {scores[UNITED]}{end}")
        ours, stock, united = whole[OURS], whole[STOCK], whole[UNITED]
        if self._set.against:
            left = (ours.of - ours.read) / max(stock.of - stock.read, 1)
            above = 100 * (ours.read - united.read) / max(ours.of, 1)
            print(f"  failures, ours to stock zxing-cpp's: {left:.2f}    (wanted: at most 0.5)")
            print(f"  points above all others united: {above:.1f}    (wanted: at least 10)")
        if self._ratios:
            median = statistics.median(self._ratios)
            print(f"  time where stock zxing-cpp reads, ours to its: median {median:.2f}    (wanted: at most 1.2)")
        if self._hopeless:
            print(
                f"  time where we read nothing ({len(self._hopeless)} pictures): "
                f"median {statistics.median(self._hopeless):.0f} ms, worst {max(self._hopeless):.0f} ms    "
                "(wanted: under 1000)"
            )


def _is_read(case: Case, found: frozenset[bytes]) -> bool:
    return bool(found & case.wanted)


def _is_wrong(case: Case, found: frozenset[bytes]) -> bool:
    return not found <= case.wanted | case.in_view


def _found(case: Case, name: str, answer: Answer) -> frozenset[bytes]:
    """What a decoder found, in the words of the case where it is the same."""
    found = set()
    for content in answer.contents:
        # The manifest has unified the ends of lines. Others may have given a text, after guessing at the encoding: it
        # is no misreading to guess wrongly.
        meant = {content.replace(b"\r\n", b"\n")}
        if name != OURS:
            meant |= {one for text in meant for one in _encoded(text.decode("utf-8", "replace"))}
        found.add(next(iter(meant & (case.wanted | case.in_view)), content))
    return frozenset(found)


def _sum(one: Score, two: Score) -> Score:
    return Score(one.of + two.of, one.read + two.read, one.wrong + two.wrong, one.failed + two.failed, one.ms + two.ms)
