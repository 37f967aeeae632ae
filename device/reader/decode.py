"""The decoding: soft modules -> what a symbol says, or nothing.

Whatever is tried to find the content, one test decides whether it is believed: evidence, in bits. For a block with k
content codewords and a candidate for it,

    evidence = sum over its codewords of log2(256 P(codeword | its modules)) - 8 k

P is the probability that the modules of one codeword, seen alone, give to what the candidate has there. A clean
codeword tells 8 bits, a lost one 0, a contradicted one about -5. Were the signs of modules chance, the mean of 256 P
would be 1 for any given candidate, however P is made from the magnitudes; so by Markov's inequality a candidate tells s
bits with a probability of at most 2**-s, and any of all 2**(8 k) contents tells them with at most 2**(8 k - s). That
union is over all the contents there are, hence over all tries there could be: **trying harder cannot make a wrong
reading likelier.**

So a block with an evidence of x bits is wrong with a probability of at most 2**-x, and a symbol is believed when each
block has `EVIDENCE_BITS_MIN`: with at most 81 blocks and `FORMATS_MAX` formats tried, less than 81 * 8 * 2**-40 = 6e-10
a call, and 6 * 8 * 2**-40 = 4e-11 for the 6 blocks of an acta. Where one format is tried, of a symbol with few blocks,
6e-10 needs fewer bits: 30.7 for one block. Evidence is (check codewords - 2 errors - erasures) of the bounded decoder,
8 bits each, made exact for soft modules.

A profile's grammar helps to find the content, which does not touch the bound. It also narrows the union: the bits that
are the same in all its payloads (3 of 8 of each character) leave 2**(5 k) contents. They may replace what the evidence
lacks, but never wholly: `SEEN_BITS_MIN` of every block, two check codewords, must be there without the grammar, and
the payload must be one of it. Where it is not, only the evidence counts.

Half of one symbol beside half of another is not chance. Two actas are alike: where a block's content is nearly the same
in both, its checks, half of one and half of the other, may decide for either, with up to 1.5 bits for each check; and
no check spans the blocks, so some may be one acta's and some the other's. But blocks take turns codeword by codeword:
what one place of the picture shows of one block it shows of the next. Blocks of one symbol are seen, and hidden, in the
same places; those of two are contradicted where the others are seen. `TOGETHER_MIN` tells them apart.

Nor is one symbol that shows through another: half of each bit is seen everywhere. There, what is left when the decided
modules are taken away says something else, beyond doubt; of one symbol it is noise.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from segno import consts

from device.reader import symbol
from device.reader.correct import corrected, likeliest
from device.reader.knowledge import ODDS_MAX, Knowledge
from device.reader.symbol import Blocks, Layout

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

EVIDENCE_BITS_MIN = 40.0
SEEN_BITS_MIN = 16.0
# Any two blocks must be seen together in so many times the places where each alone contradicts the other. Measured:
# 3 or more (2.5 once) in 250 drawn actas read from bad paper, at most 1 in 42 mixtures of half one acta and half
# another that were taken for a third, of 6,000 with evidence of at most 28 bits.
TOGETHER_MIN = 2
# What is left of a symbol is made as strong as this on average, log odds, to be decoded, and so many bits of one block
# say that it is another symbol: of two actas that show alike 95 to 121 in each; no reading of 728 of one is lost by it.
OTHER_ODDS = 3.0
OTHER_BITS_MIN = 24.0
# What a codeword must tell to count as seen there, or as contradicted, bits of 8.
TOLD_BITS_MIN = 2.0
BLOCKS_MAX = 81
FORMATS_MAX = 8
# A payload's length is not known, nor whether a codeword of zeros precedes the padding: so many more contents, in bits.
LENGTHS_BITS = 8.0
# Format information this much less likely (log) than the likeliest is not tried: e**-7 is one in 1000.
FORMAT_DOUBT_MAX = 7.0
# Modules that look sure and are wrong (dirt, ink, a misplaced grid), as a share of all: no module is believed more.
MODULE_WRONG = 1 / 200
# Codewords, 2 x 4 modules, that are wrong as a whole, as a share of all: no codeword is contradicted more.
CODEWORD_WRONG = 1 / 40
# The evidence of a true block is spread by about 12 bits round what its modules promise; what promises too little by
# more than twice that is not tried.
EVIDENCE_SPREAD_BITS = 25.0
# Ordered statistics cost more than the square of a block's content: 10 ms for one of 19 codewords, 45 for 60.
LIKELIEST_CONTENT_MAX = 60
# When none of so many blocks in a row is solved, the rest would not be either.
LIKELIEST_BLOCKS = 8
# Content codewords of the blocks that are searched together: 90 ms at most, so that a deadline can be kept.
LIKELIEST_TOGETHER = 160
# Rounds of grammar and blocks: each solved block tells the grammar where the characters of the others are.
ROUNDS_MAX = 6

# How far round a module that is known to have lied others are doubted, in modules (standard deviation of a gaussian),
# and how many modules' worth of a good name they have to lose. Measured: with 16 x 16 modules overprinted and 3 % of
# the others wrong, drawn actas are read in 11 of 15 cases, with the grammar in 15; without doubt in 0, and in 2.
DOUBT_MODULES = 2.0
DOUBT_PRIOR = 0.05

# Rows x columns that masked content shows in one colour by chance in one symbol of 1000: 24 modules, 2**-23 a place.
_ONE_COLOUR = [np.ones(size, np.uint8) for size in ((5, 5), (2, 12), (12, 2), (1, 24), (24, 1))]
_ODDS_MAX = float(np.log(1 / MODULE_WRONG - 1))


# How far beyond chance the modules of one frame must agree with the checks of each block: 3e-5 by chance. A frame of
# which a third of the modules is wrong does.
SPEAKING_DEVIATIONS = 4.0


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a symbol says, and how surely.

    Attributes:
        content: the bytes of its segments, as zxing-cpp's `bytes` gives them; at least one.
        corrected: codewords that were seen, but read wrongly.
        erasures: codewords that were not seen, half of their modules or more.
        assumed: codewords, of those read wrongly or not seen, that the profile's grammar told before a check did.
        margin: the share of its error correction that the worst block had left, 1 untouched, 0 used up: its evidence
            as a share of 8 bits for each check codeword, and nothing in it assumed.
        version: 1 to 40.
        level: one of `symbol.LEVELS`.
        mask: 0 to 7.
        words: shape (blocks, length), uint8: its codewords, in blocks.
    """

    content: bytes
    corrected: int
    erasures: int
    assumed: int
    margin: float
    version: int
    level: str
    mask: int
    words: NDArray[np.uint8] = field(compare=False, repr=False)


def decode(
    soft: Floats, knowledge: Knowledge | None = None, *, lost: Bools | None = None, stop: Callable[[], bool] = bool
) -> Decoded | None:
    """What a symbol says, if that is beyond doubt: first quickly, then thoroughly.

    Args:
        soft: shape (dim, dim), float32: above 0 dark; the magnitude is confidence, about 1 for a clean module;
            upright, row 0 at the top, not mirrored. `dim` says the version.
        knowledge: what is known of the symbol before; None for any QR code.
        lost: shape (dim, dim), bool: modules that were not seen: cut off, under glare, in a streak.
        stop: whether to give up.

    Raises:
        ValueError: no version has so many modules a side.
    """
    unseen = np.zeros(soft.shape, bool) if lost is None else lost
    return quickly(soft, knowledge, unseen) or thoroughly(soft, knowledge, unseen, stop)


def quickly(soft: Floats, knowledge: Knowledge | None, lost: Bools) -> Decoded | None:
    """`decode` by bounded correction of what was seen, under the likeliest format: 2 ms."""
    layout = symbol.layout(symbol.version_of(soft.shape[0]))
    odds = _odds(soft, lost, layout)
    level, mask = next(_formats(odds, layout, knowledge))
    return _Search.of(odds, layout, level, mask).decoded(knowledge)


def thoroughly(soft: Floats, knowledge: Knowledge | None, lost: Bools, stop: Callable[[], bool]) -> Decoded | None:
    """`decode` by all means, under every format that may be: 40 ms in vain."""
    layout = symbol.layout(symbol.version_of(soft.shape[0]))
    odds = _odds(soft, lost | _covered(soft), layout)
    for level, mask in _formats(odds, layout, knowledge):
        if stop():
            break
        if decoded := _Search.of(odds, layout, level, mask).decoded(knowledge, thorough_until=stop):
            return decoded
    return None


def speaks_for(soft: Floats, decoded: Decoded) -> bool:
    """Whether one frame's modules speak for every block of what several frames together said.

    Modules of another symbol agree with a block's checks by chance, with a deviation of 1; what two actas say is
    alike, so only checks count. Where blocks of two symbols were taken for one, each frame lacks the other's: for all
    frames to speak for all blocks nevertheless has a probability of at most (3e-5)**2.

    Args:
        soft: as for `decode`, of one frame; 0: not seen.
        decoded: what all of them said.
    """
    layout = symbol.layout(decoded.version)
    seen = _Search.of(soft.ravel(), layout, decoded.level, decoded.mask)
    odds = seen.odds[:, -seen.blocks.checks :]
    bits = np.unpackbits(decoded.words[:, -seen.blocks.checks :, None], axis=2) > 0
    agreeing = np.where(odds == 0, 0, np.where((odds > 0) == bits, 1, -1)).sum(axis=(1, 2))
    deviation = np.sqrt(np.maximum((odds != 0).sum(axis=(1, 2)), 1))
    return bool((agreeing / deviation >= SPEAKING_DEVIATIONS).all())


def _odds(soft: Floats, lost: Bools, layout: Layout) -> Floats:
    """Log odds that each module is dark, flat: calibrated on the modules that all symbols of the version have."""
    seen = (layout.fixed >= 0) & ~lost
    if not seen.any():
        return np.zeros(soft.size, np.float32)
    known = soft[seen] * (2 * layout.fixed[seen] - 1)
    # Log odds of a gaussian channel are 2 mean / variance times the value. The upper half tells both, for the lower may
    # hold modules that were covered.
    middle, upper = np.quantile(known, (0.5, 0.84))
    slope = min(8.0, max(0.0, 2 * middle / max((upper - middle) ** 2, 1e-3)))
    odds: Floats = np.clip(soft * np.float32(slope), -_ODDS_MAX, _ODDS_MAX)
    odds[lost] = 0
    return odds.ravel()


def _covered(soft: Floats) -> Bools:
    """Modules in areas of one colour, larger than content has them: cut off, under a stamp or glare, in a streak.

    Padding under a badly chosen mask can look like that too, so a symbol is first tried without.
    """
    covered = np.zeros(soft.shape, bool)
    for colour in ((soft > 0).astype(np.uint8), (soft <= 0).astype(np.uint8)):
        for shape in _ONE_COLOUR:
            opened = cv2.morphologyEx(colour, cv2.MORPH_OPEN, shape, borderType=cv2.BORDER_CONSTANT, borderValue=0)
            covered |= opened > 0
    return covered


def _formats(odds: Floats, layout: Layout, knowledge: Knowledge | None) -> Iterator[tuple[str, int]]:
    """Levels and masks, the likeliest first: by both copies of the format information, and by known content."""
    fit = odds[layout.format_at].sum(axis=0) @ (symbol.FORMATS.T.astype(np.float32) - 0.5)
    if knowledge and knowledge.level:
        level = symbol.LEVELS.index(knowledge.level)
        blocks = symbol.blocks(layout.version, knowledge.level)
        places = blocks.places.ravel()[blocks.content]
        plain = odds[layout.order[places]] * (0.5 - layout.masks[:, places])
        fit[8 * level : 8 * level + 8] += plain.reshape(8, -1) @ knowledge.expected(8 * len(places), layout.version)
        fit[np.arange(32) // 8 != level] = -np.inf
    likeliest_first = np.argsort(-fit, kind="stable")[:FORMATS_MAX]
    for place in likeliest_first:
        if fit[likeliest_first[0]] - fit[place] < FORMAT_DOUBT_MAX:
            yield symbol.LEVELS[place // 8], int(place % 8)


@dataclass(slots=True, eq=False)
class _Search:
    """The search for what one symbol says, under one format.

    Attributes:
        odds: shape (blocks, length, 8), float32: log odds that each bit is 1, by its module.
        hard: shape (blocks, length), uint8: the likeliest codewords, bit by bit.
        sure: shape (blocks, length), float32: log probability of `hard`.
        lost: shape (blocks, length), bool: half of the codeword's modules or more were not seen.
        absent: shape (blocks, length), bool: not in the symbol, always 0.
        words: shape (blocks, length), uint8: the best word so far for each block.
        evidence: shape (blocks,), float32: its evidence; -inf while there is none.
    """

    layout: Layout
    blocks: Blocks
    level: str
    mask: int
    odds: Floats
    hard: NDArray[np.uint8]
    sure: Floats
    lost: Bools
    absent: Bools
    words: NDArray[np.uint8]
    evidence: Floats

    @classmethod
    def of(cls, modules: Floats, layout: Layout, level: str, mask: int) -> "_Search":
        """Lays the modules' log odds out in blocks."""
        blocks = symbol.blocks(layout.version, level)
        bits = np.where(layout.masks[mask], -modules[layout.order], modules[layout.order])
        absent = blocks.places < 0
        odds = bits[blocks.places]
        odds[absent] = -ODDS_MAX
        hard, sure, evidence = _undecided(odds)
        lost = (odds == 0).sum(axis=2) >= 4
        return cls(layout, blocks, level, mask, odds, hard, sure, lost, absent, hard.copy(), evidence)

    def decoded(
        self, knowledge: Knowledge | None, *, thorough_until: Callable[[], bool] | None = None
    ) -> Decoded | None:
        """What it says, sought by bounded correction of what was seen, or thoroughly: by all means, until told."""
        grammar = knowledge if knowledge and knowledge.grammar else None
        alone = EVIDENCE_BITS_MIN
        if thorough_until is None:  # one format is tried, and these blocks
            alone -= float(np.log2(BLOCKS_MAX * FORMATS_MAX / len(self.words)))
        least = alone if grammar is None else self._least(grammar)
        if self._promised().min() < least - EVIDENCE_SPREAD_BITS:
            return None
        told = self.hard
        self._bounded([0])
        if thorough_until:
            told = self._search(grammar, least, thorough_until)
        content = parsed(self._content(self.words).tobytes(), self.layout.version)
        if grammar is None or content is None or not grammar.allows(content):
            least, told = alone, self.hard
        if not content or self.evidence.min() < least or not self._of_one_symbol() or self._covers_another():
            return None
        wrong = self.words != self.hard
        assumed = (wrong | self.lost) & (told == self.words) & (told != self.hard)
        return Decoded(
            content,
            corrected=int((wrong & ~self.lost & ~assumed).sum()),
            erasures=int((self.lost & ~assumed).sum()),
            assumed=int(assumed.sum()),
            margin=min(1.0, float(self.evidence.min()) / (8 * self.blocks.checks)),
            version=self.layout.version,
            level=self.level,
            mask=self.mask,
            words=self.words,
        )

    def _search(self, grammar: Knowledge | None, least: float, stop: Callable[[], bool]) -> NDArray[np.uint8]:
        """Tries the costlier means on blocks that are not solved, and returns what `_by_grammar` says, or `hard`."""
        self._bounded(range(2, self.blocks.checks + 1, 2))
        told = self.hard
        if self.blocks.places.shape[1] - self.blocks.checks <= LIKELIEST_CONTENT_MAX:
            if grammar is not None:
                told = self._by_grammar(grammar, least, stop)
            if told is self.hard:
                self._by_likelihood(stop)
        return told

    def _least(self, knowledge: Knowledge) -> float:
        """The evidence each block needs when the payload is of the grammar."""
        known = knowledge.bits_known * int(self._content_lengths().min())
        return max(SEEN_BITS_MIN, EVIDENCE_BITS_MIN + LENGTHS_BITS - known)

    def _promised(self) -> Floats:
        """The evidence that the true content of each block can be expected to have, by how sure its modules are."""
        against = np.abs(self.odds) * np.exp(-np.logaddexp(0, np.abs(self.odds)))
        told = (8 + (self.sure - against.sum(axis=2)) / np.log(2)) * ~self.absent
        promised: Floats = told.sum(axis=1) - 8 * self._content_lengths()
        return promised

    def _content_lengths(self) -> NDArray[np.intp]:
        lengths: NDArray[np.intp] = (~self.absent).sum(axis=1) - self.blocks.checks
        return lengths

    def _content(self, words: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return words.ravel()[self.blocks.content]

    def _offer(self, block: NDArray[np.intp], words: NDArray[np.uint8]) -> None:
        """Takes candidates for blocks, shape (candidates,) and (candidates, length), where they are better."""
        evidence = self._told(block, words).sum(axis=1) - 8 * self._content_lengths()[block]
        evidence[(words * self.absent[block]).any(axis=1)] = -np.inf  # something where the symbol has nothing
        for one in np.argsort(evidence, kind="stable"):
            if evidence[one] > self.evidence[block[one]]:
                self.evidence[block[one]], self.words[block[one]] = evidence[one], words[one]

    def _told(self, block: NDArray[np.intp], words: NDArray[np.uint8]) -> Floats:
        """What each codeword of candidates tells, bits: as `_offer` takes them, shape (candidates, length)."""
        odds = self.odds[block]
        bits = np.unpackbits(words[..., None], axis=2)
        against = np.where((odds > 0) != (bits > 0), np.abs(odds), 0).sum(axis=2)
        told = 8 + np.log2((1 - CODEWORD_WRONG) * np.exp(self.sure[block] - against) + CODEWORD_WRONG / 256)
        return np.where(self.absent[block], np.float32(0), told)

    def _of_one_symbol(self) -> bool:
        """Whether every two blocks are seen in the same places; only checks count, for content may be alike."""
        told = self._told(np.arange(len(self.words)), self.words)[:, -self.blocks.checks :]
        seen, contradicted = (told > TOLD_BITS_MIN).astype(int), (told < -TOLD_BITS_MIN).astype(int)
        together, apart = seen @ seen.T, seen @ contradicted.T
        return bool((together >= TOGETHER_MIN * np.minimum(apart, apart.T)).all())

    def _covers_another(self) -> bool:
        """Whether what is left, once its own modules are taken away, says something else: two symbols lie there."""
        own = 2 * np.unpackbits(self.words[..., None], axis=2).astype(np.float32) - 1
        seen = (self.odds != 0) & ~self.absent[..., None]
        share = (self.odds * own)[seen].mean()
        left = np.where(seen, self.odds - share * own, self.odds)
        spread = np.abs(left[seen]).mean()
        if spread <= 0:
            return False
        odds = np.where(seen, np.clip(left * (OTHER_ODDS / spread), -_ODDS_MAX, _ODDS_MAX), self.odds)
        hard, sure, evidence = _undecided(odds)
        other = replace(self, odds=odds, hard=hard, sure=sure, words=hard.copy(), evidence=evidence)
        other._bounded(range(0, self.blocks.checks + 1, 2))
        differs = (other.words != self.words).any(axis=1)
        return bool((differs & (other.evidence >= OTHER_BITS_MIN)).any())

    def _bounded(self, doubtful: Iterable[int]) -> None:
        """Errors and erasures: erased are the lost and so many doubtful ones (generalised minimum distance)."""
        doubt = np.where(self.lost, np.inf, np.where(self.absent, -np.inf, -self.sure))
        rank = np.argsort(np.argsort(-doubt, axis=1, kind="stable"), axis=1, kind="stable")
        tries = [
            (block, self.lost[block].sum() + more)
            for block in np.flatnonzero(self.evidence < EVIDENCE_BITS_MIN)
            for more in doubtful
            if self.lost[block].sum() + more <= self.blocks.checks
        ]
        if tries:
            block, erasures = np.array(tries).T
            words, done = corrected(self.hard[block], rank[block] < erasures[:, None], self.blocks.checks)
            self._offer(block[done], words[done])

    def _by_likelihood(self, stop: Callable[[], bool]) -> None:
        """Ordered statistics, by the modules alone."""
        together = max(1, LIKELIEST_TOGETHER // int(self._content_lengths().max()))
        while len(todo := np.flatnonzero(self.evidence < EVIDENCE_BITS_MIN)):
            self._doubt(todo)
            for begin in range(0, len(todo), together):
                if stop():
                    return
                block = todo[begin : begin + together]
                self._offer(block, likeliest(self.odds[block], self.blocks.checks))
                tried = todo[: begin + together][-LIKELIEST_BLOCKS:]
                if len(tried) in (len(todo), LIKELIEST_BLOCKS) and self.evidence[tried].max() < EVIDENCE_BITS_MIN:
                    return

    def _doubt(self, todo: NDArray[np.intp]) -> None:
        """Believes modules of unsolved blocks less where those of solved blocks around looked sure and were wrong.

        It takes magnitudes from other blocks only, so the bound on wrong readings stands.
        """
        solved = np.setdiff1d(np.arange(len(self.words)), todo)
        places = self.layout.order[self.blocks.places]
        looked_sure, lied = np.zeros((2, self.layout.dim**2), np.float32)
        sure = (np.abs(self.odds[solved]) > _ODDS_MAX / 2) & ~self.absent[solved][..., None]
        wrong = np.unpackbits((self.words ^ self.hard)[solved][..., None], axis=2) > 0
        looked_sure[places[solved][sure]] = 1
        lied[places[solved][sure & wrong]] = 1
        around = [
            cv2.GaussianBlur(grid.reshape(self.layout.dim, -1), (0, 0), DOUBT_MODULES, borderType=cv2.BORDER_CONSTANT)
            for grid in (lied, looked_sure)
        ]
        share = (around[0] + DOUBT_PRIOR * MODULE_WRONG) / (around[1] + DOUBT_PRIOR)
        most = np.log(1 / np.minimum(share, 0.49) - 1).ravel()[places[todo]]
        most[self.absent[todo]] = ODDS_MAX
        self.odds[todo] = np.clip(self.odds[todo], -most, most)
        self.sure[todo] = -np.logaddexp(0, -np.abs(self.odds[todo])).sum(axis=2)

    def _by_grammar(self, knowledge: Knowledge, least: float, stop: Callable[[], bool]) -> NDArray[np.uint8]:
        """Ordered statistics, by the modules and what the grammar makes of them and of the blocks that are solved.

        Returns:
            shape (blocks, length), uint8: what the grammar told of the codewords before the checks were asked; `hard`
            itself when nothing in the symbol speaks for the grammar.
        """
        told = self.hard
        for _ in range(ROUNDS_MAX):
            todo = np.flatnonzero(self.evidence < least)
            if not len(todo) or stop():
                break
            self._doubt(todo)
            solved = np.unpackbits(self.words[..., None], axis=2) * np.float32(2 * ODDS_MAX) - np.float32(ODDS_MAX)
            odds = np.where((self.evidence < least)[:, None, None], self.odds, solved)
            flat = odds.reshape(-1, 8)
            sharper, gain = knowledge.sharpened(flat[self.blocks.content].ravel(), self.layout.version)
            if gain < 0:
                break
            flat[self.blocks.content] = sharper.reshape(-1, 8)
            told = np.where((self.evidence < least)[:, None], np.packbits(odds > 0, axis=2)[..., 0], told)
            self._offer(todo, likeliest(odds[todo], self.blocks.checks))
            if (self.evidence[todo] < least).all():
                break
        return told


def _undecided(odds: Floats) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """What a search begins with: `hard` and `sure` by the modules' log odds, and no evidence."""
    hard = np.packbits(odds > 0, axis=2)[..., 0]
    sure = -np.logaddexp(np.float32(0), -np.abs(odds)).sum(axis=2)
    return hard, sure, np.full(len(hard), -np.inf, np.float32)


def parsed(content: bytes, version: int) -> bytes | None:
    """The bytes of a symbol's segments, from all its content codewords; None for what no encoder should have written.

    Text in ECI stays as it is encoded, kanji are Shift JIS. Parts of something larger (structured append), text with
    other rules (FNC1) and hanzi are left to zxing-cpp: no election uses them. What follows the terminator must be zeros
    to the end of the codeword and then 236, 17, 236 ...; some encoders, segno among them, put one codeword of zeros
    before.
    """
    bits, left = int.from_bytes(content), 8 * len(content)
    said = bytearray()

    def take(count: int) -> int:
        nonlocal left
        left -= count
        if left < 0:
            raise ValueError("cut short")
        return bits >> left & (1 << count) - 1

    try:
        while left >= 4 and (mode := take(4)):
            if mode == consts.MODE_ECI:
                lead = take(8)
                take(0 if lead < 0x80 else 8 if lead < 0xC0 else 16)
                continue
            if mode not in (consts.MODE_NUMERIC, consts.MODE_ALPHANUMERIC, consts.MODE_BYTE, consts.MODE_KANJI):
                return None
            count_bits = consts.CHAR_COUNT_INDICATOR_LENGTH[mode][1 + (version >= 10) + (version >= 27)]
            said += _segment(mode, take(count_bits), take)
    except (IndexError, ValueError):
        return None
    padding, rest = content[len(content) - left // 8 :], left % 8
    if padding[:1] == b"\0":
        padding = padding[1:]
    if bits >> left - rest & (1 << rest) - 1 or padding != (b"\xec\x11" * len(padding))[: len(padding)]:
        return None
    return bytes(said)


def _segment(mode: int, count: int, take: Callable[[int], int]) -> bytes:
    """The bytes of one segment; IndexError and ValueError for what its mode cannot mean."""
    if mode == consts.MODE_BYTE:
        return take(8 * count).to_bytes(count)
    if mode == consts.MODE_NUMERIC:
        digits = ""
        for size in [3] * (count // 3) + [count % 3] * (count % 3 > 0):
            group = f"{take((0, 4, 7, 10)[size]):0{size}}"
            if len(group) > size:
                raise ValueError("no digits")
            digits += group
        return digits.encode()
    if mode == consts.MODE_ALPHANUMERIC:
        letters = consts.ALPHANUMERIC_CHARS
        pairs = b""
        for _ in range(count // 2):
            high, low = divmod(take(11), 45)
            pairs += bytes((letters[high], letters[low]))
        return pairs + bytes(letters[take(6)] for _ in range(count % 2))
    kanji = b""  # two bytes squeezed into 13 bits
    for _ in range(count):
        high, low = divmod(take(13), 0xC0)
        pair = 0x8140 + (high << 8 | low)
        kanji += (pair + 0x4000 * (pair > 0x9FFF)).to_bytes(2)
    return kanji
