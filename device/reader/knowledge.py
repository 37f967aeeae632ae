"""The knowledge: what an election's profile says of its symbols before one is seen.

A payload is nearly a word of a second code: digits and separators at places that depend on each other. `Knowledge`
makes of a profile's grammar a hidden Markov model of the payload's characters, and of soft bits what they are when
payloads of the grammar are possible and nothing else is. Each way the grammar can go on is as likely as the others: of
counts it knows that they are numbers, and nothing of how many votes are likely.
"""

import re
from dataclasses import dataclass
from functools import cache, reduce
from operator import and_, or_

import numpy as np
from numpy.typing import NDArray
from segno import consts

from wire.acta import Profile
from wire.errors import OurFault
from wire.positional import Positional

Floats = NDArray[np.float32]

ODDS_MAX = 30.0
"""Log odds of a bit that the grammar leaves no choice."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of a symbol that is looked for.

    Attributes:
        versions: those it may have; empty when that is not known.
        level: its error-correction level, one of `symbol.LEVELS`; empty when that is not known.
        module_mm: a module's side on paper, mm; 0 when that is not known.
        grammar: a regular expression of the payload, which is one segment in byte mode; empty when that is not known.
            Of characters, classes, alternatives, groups that do not capture, and counted repetition.

    Raises:
        OurFault: the grammar uses something else of regular expressions.
    """

    versions: tuple[int, ...] = ()
    level: str = ""
    module_mm: float = 0.0
    grammar: str = ""

    def __post_init__(self) -> None:
        """Refuses a grammar that is beyond it before the first symbol is read."""
        if self.grammar:
            _chain(self.grammar)

    @classmethod
    def of(cls, profile: Profile) -> "Knowledge | None":
        """What a profile says of its symbols; None when it says nothing."""
        if not isinstance(profile, Positional) or profile.symbol is None:
            return None
        return cls(profile.symbol.versions, profile.symbol.level, profile.symbol.module_mm, profile.grammar)

    @property
    def bits_known(self) -> int:
        """How many bits of each character are the same in all that the grammar has."""
        return _chain(self.grammar).same.bit_count() if self.grammar else 0

    def allows(self, content: bytes) -> bool:
        """Whether the grammar has this payload."""
        return bool(self.grammar) and re.fullmatch(self.grammar, content.decode("latin-1"), re.ASCII) is not None

    def expected(self, bits: int, version: int) -> Floats:
        """What all payloads have in common: shape (bits,), 1 or -1 for a content bit that must be 1 or 0, else 0."""
        expected = np.zeros(bits, np.float32)
        if self.grammar:
            chain, begin = _chain(self.grammar), _begin(version)
            expected[:4] = np.array([-1, 1, -1, -1])
            same, value = (_bits([byte])[0] for byte in (chain.same, chain.value))
            end = min(bits, begin + 8 * chain.shortest)
            expected[begin:end] = np.resize(same * (2 * value - 1), end - begin)
        return expected

    def sharpened(self, odds: Floats, version: int) -> tuple[Floats, float]:
        """Soft content bits, given that they are a payload of the grammar (forward-backward algorithm).

        Args:
            odds: shape (bits,): log odds that each content bit is 1, by the modules alone.
            version: the symbol's.

        Returns:
            The same, by the modules and the grammar together; and how many bits more likely the modules are, given the
            grammar, than had the content been chance: below 0 this is no symbol of the profile.
        """
        chain, begin = _chain(self.grammar), _begin(version)
        places = (len(odds) - begin) // 8
        window = slice(begin, begin + 8 * places)
        zero = np.log(2) - np.logaddexp(0, odds)  # log of twice the probability that the bit is 0
        told = zero[window].reshape(places, 8).sum(axis=1)[:, None] + odds[window].reshape(places, 8) @ chain.bits.T
        scale = told.max(axis=1)
        told = np.exp(told - scale[:, None]).astype(np.float32)  # how well each character fits each place
        emitted = told @ chain.emits.T
        frames, lengths = _frames(len(odds), version)
        # How well each length fits, by the bits that are not payload; all lengths are as likely before.
        framed = zero @ (frames >= 0).T + odds @ (frames > 0).T - np.log(len(frames))

        # Messages are scaled to a sum of 1; what they were scaled by is kept as logarithms.
        before, before_log = np.zeros((places, len(chain.first)), np.float32), np.full(places, -np.inf)
        belief, log = chain.first, 0.0
        for place in range(places):
            before[place], before_log[place] = belief, log
            belief = chain.ahead(belief * emitted[place])
            total = float(belief.sum())
            if not total:  # no payload is longer
                break
            belief, log = belief / total, log + float(np.log(total)) + float(scale[place])
        after, after_log = np.zeros_like(before), np.zeros(places)
        ending = np.full(places, -np.inf)
        np.logaddexp.at(ending, lengths - 1, framed)
        belief, log = np.zeros_like(chain.first), -np.inf
        for place in range(places - 1, -1, -1):
            top = max(log, float(ending[place]))
            after[place] = belief * np.exp(log - top) + chain.last * np.exp(ending[place] - top)
            after_log[place] = top
            belief = chain.back(after[place] * emitted[place])
            total = float(belief.sum())
            log = top + float(np.log(total)) + float(scale[place]) if total else -np.inf
            belief = belief / np.float32(total or 1)

        fit = before_log + after_log + scale
        total = float((before[0] * emitted[0]) @ after[0])
        if not total:
            return odds, -np.inf
        whole = float(fit[0]) + float(np.log(total))
        # No share is above 1: what would overflow belongs to places that no payload reaches.
        share = np.exp(np.minimum(fit - whole, 600))[:, None]
        characters = ((before * after) @ chain.emits) * told * share
        ends = ((before * emitted) @ chain.last)[lengths - 1]
        length_is = ends * np.exp(np.minimum((before_log + scale)[lengths - 1] + framed - whole, 600))
        one, none = length_is @ (frames > 0), length_is @ (frames == 0)
        one[window] += (characters @ chain.bits).ravel()
        none[window] += (characters @ (1 - chain.bits)).ravel()
        least = np.exp(-ODDS_MAX)
        return (np.log(one + least) - np.log(none + least)).astype(np.float32), whole / float(np.log(2))


def _begin(version: int) -> int:
    """At which content bit the payload begins: after the mode and the count."""
    return 4 + consts.CHAR_COUNT_INDICATOR_LENGTH[consts.MODE_BYTE][1 + (version >= 10) + (version >= 27)]


def _bits(values: list[int]) -> Floats:
    """Shape (values, 8): the bits of bytes, most significant first."""
    return np.unpackbits(np.array(values, np.uint8)[:, None], axis=1).astype(np.float32)


@cache
def _frames(bits: int, version: int) -> tuple[NDArray[np.int8], NDArray[np.intp]]:
    """What is around a payload in byte mode, for each length it may have.

    Returns:
        shape (frames, bits): 0 or 1, or -1 where the payload is; shape (frames,): the payload's length. Padding comes
        in two kinds: some encoders put a codeword of zeros before 236, 17, 236 ... (see `decode.parsed`).
    """
    begin = _begin(version)
    frames: list[NDArray[np.int8]] = []
    lengths: list[int] = []
    for length in range(1, min((bits - begin) // 8, (1 << begin - 4) - 1) + 1):
        for zeros in (0, 1):
            frame = np.full(bits, -1, np.int8)
            frame[:begin] = [int(bit) for bit in f"{consts.MODE_BYTE:04b}{length:0{begin - 4}b}"]
            end = begin + 8 * length
            stop = min(bits, (end + 4 + 7) // 8 * 8 + 8 * zeros)
            frame[end:stop] = 0
            frame[stop:] = np.resize(_bits([0xEC, 0x11]).ravel(), bits - stop)
            frames.append(frame)
            lengths.append(length)
    return np.stack(frames), np.array(lengths, np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class _Chain:
    """A hidden Markov model: states are the places in the grammar where a character stands (Glushkov's automaton).

    Attributes:
        bits: shape (characters, 8): the bits of each character the grammar has anywhere.
        emits: shape (states, characters): how likely each state's character is each of them.
        first: shape (states,): how likely each state is to be the first.
        steps: states and states that can follow them, and how likely those do: each shape (steps,).
        last: shape (states,): how likely the payload is to end after it.
        same: the bits, as a byte, that are the same in all characters; `value` is what they are.
        shortest: characters of the shortest payload.
    """

    bits: Floats
    emits: Floats
    first: Floats
    steps: tuple[NDArray[np.intp], NDArray[np.intp], Floats]
    last: Floats
    same: int
    value: int
    shortest: int

    def ahead(self, states: Floats) -> Floats:
        """Each state's share, shape (states,), handed to those that can follow it."""
        one, other, likely = self.steps
        return np.bincount(other, states[one] * likely, len(states)).astype(np.float32)

    def back(self, states: Floats) -> Floats:
        """What each state's followers have, on average."""
        one, other, likely = self.steps
        return np.bincount(one, states[other] * likely, len(states)).astype(np.float32)


@cache
def _chain(grammar: str) -> _Chain:
    parser = _Parser(grammar)
    whole = parser.alternatives()
    if parser.at < len(grammar) or whole.empty:
        raise parser.fault()
    characters = sorted(frozenset().union(*parser.classes))
    states = len(parser.classes)
    emits = np.array([[(c in one) / len(one) for c in characters] for one in parser.classes], np.float32)
    first, last = np.zeros(states, np.float32), np.zeros(states, np.float32)
    first[list(whole.first)] = 1 / len(whole.first)
    steps: list[tuple[int, int, float]] = []
    for state, nexts in enumerate(parser.follow):
        ways = len(nexts) + (state in whole.last)
        steps += [(state, following, 1 / ways) for following in nexts]
        last[state] = (state in whole.last) / ways
    reached, shortest = set(whole.first), 1
    while not reached & whole.last:
        reached, shortest = set().union(*(parser.follow[state] for state in reached)), shortest + 1
    value = reduce(and_, characters)
    one, other, likely = zip(*steps, strict=True)
    edges = np.array(one, np.intp), np.array(other, np.intp), np.array(likely, np.float32)
    return _Chain(
        _bits(characters), emits, first, edges, last, 255 & ~(reduce(or_, characters) ^ value), value, shortest
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a grammar: the states it may begin with and end with, and whether it may be empty."""

    first: frozenset[int]
    last: frozenset[int]
    empty: bool


_NOTHING = _Part(frozenset(), frozenset(), True)


class _Parser:
    """Reads a regular expression into states; what it does not know is a fault, for guessing would misread votes."""

    def __init__(self, grammar: str) -> None:
        self.grammar = grammar
        self.at = 0
        self.classes: list[frozenset[int]] = []
        self.follow: list[set[int]] = []

    def fault(self) -> OurFault:
        rest = self.grammar[self.at : self.at + 8]
        return OurFault(
            f"grammar of the payload: expected characters, classes, alternatives, (?:groups) and {{counts}}, found "
            f"{rest!r} at character {self.at}: write the profile's patterns with those"
        )

    def alternatives(self) -> _Part:
        parts = [self._sequence()]
        while self._took("|"):
            parts.append(self._sequence())
        return _Part(
            frozenset().union(*(part.first for part in parts)),
            frozenset().union(*(part.last for part in parts)),
            any(part.empty for part in parts),
        )

    def _sequence(self) -> _Part:
        whole = _NOTHING
        while self.at < len(self.grammar) and self.grammar[self.at] not in "|)":
            whole = self._then(whole, self._repeated())
        return whole

    def _then(self, one: _Part, other: _Part) -> _Part:
        for state in one.last:
            self.follow[state] |= other.first
        return _Part(
            one.first | other.first if one.empty else one.first,
            one.last | other.last if other.empty else other.last,
            one.empty and other.empty,
        )

    def _repeated(self) -> _Part:
        begin = self.at
        copies = [self._atom()]
        if self._took("?"):
            least, most = 0, 1
        elif count := re.compile(r"\{(\d+)(?:,(\d+))?\}").match(self.grammar, self.at):
            least, most = int(count[1]), int(count[2] or count[1])
            for _ in range(most - 1):  # each copy has states of its own
                self.at = begin
                copies.append(self._atom())
            self.at = count.end()
        else:
            return copies[0]
        whole = _NOTHING
        for place in range(most - 1, -1, -1):
            whole = self._then(copies[place], whole)
            if place >= least:
                whole = _Part(whole.first, whole.last, True)
        return whole

    def _atom(self) -> _Part:
        if self._took("(?:"):
            part = self.alternatives()
            if not self._took(")"):
                raise self.fault()
            return part
        one = re.compile(r"\[([^\]\[\\^]+)\]|\\(\W)|([^\\\[\](){}?*+.^$|])").match(self.grammar, self.at)
        if one is None:
            raise self.fault()
        self.at = one.end()
        choice = re.sub("(.)-(.)", _spelled, one[1]) if one[1] else one[2] or one[3]
        self.classes.append(frozenset(choice.encode("latin-1")))
        self.follow.append(set())
        state = frozenset({len(self.classes) - 1})
        return _Part(state, state, False)

    def _took(self, token: str) -> bool:
        took = self.grammar.startswith(token, self.at)
        self.at += len(token) * took
        return took


def _spelled(ends: re.Match[str]) -> str:
    return "".join(map(chr, range(ord(ends[1]), ord(ends[2]) + 1)))
