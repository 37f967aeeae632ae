"""The keyed layout: `KEY:VALUE` words, in one QR code or several, hashed and signed by what printed them."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta

from wire.acta import COUNT, Acta, Contest, Incomplete, Refusal
from wire.record import PARTS_MAX

_VALUE = "[A-Za-z0-9.:]{1,200}"
_WORD = re.compile(rf"([A-Z]{{4}}|[0-9]{{2,5}}):({_VALUE})", re.ASCII)
_PART = re.compile(r"([1-9][0-9]?):([1-9][0-9]?)", re.ASCII)

Word = tuple[str, str]


class _RefusedError(Exception):
    """Ends the reading with (expected, found); never leaves this module."""


@dataclass(frozen=True, slots=True)
class _MesaField:
    """A field of a mesa's key."""

    name: str
    pattern: str = _VALUE
    words: str = "1 to 200 letters, digits, '.' and ':'"


@dataclass(slots=True)
class _Open:
    """A contest being read."""

    id: str
    fields: dict[str, str] = field(default_factory=dict)
    votes: dict[str, int] = field(default_factory=dict)
    party: str = ""
    party_from: int = 0
    nominal: int = 0
    for_parties: int = 0


class Keyed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="layout", tag="keyed"):
    """A profile of this layout. Its attributes are the keys of its TOML file, which explains them.

    `signing_key` is the election authority's Ed25519 public key (64 hex digits), where it is known.
    """

    id: str
    mesa: tuple[str, ...]
    part: str
    version: Mapping[str, str]
    header: tuple[str, ...]
    fields: tuple[str, ...]
    repeated: tuple[str, ...]
    usual: Mapping[str, str]
    hash: str
    signature: str
    contest: str
    contest_fields: tuple[str, ...]
    party: str
    party_votes: str
    party_total: str
    nominal_total: str
    party_votes_total: str
    vacios: str
    nulos: str
    total: str
    signing_key: Annotated[str, Meta(pattern=r"\A([0-9a-f]{64})?\Z")] = ""

    def __post_init__(self) -> None:
        """Refuses a profile by which nothing could be read; msgspec makes a `ValidationError` of it."""
        if not {self.part, *self.version} <= set(self.header):
            raise ValueError("`part` and the keys of `version` must be among `header`")

    @property
    def mesa_fields(self) -> tuple["_MesaField", ...]:
        """The fields of a mesa's key."""
        return tuple(map(_MesaField, self.mesa))

    def candidate(self, contest: str, option: str) -> str:  # noqa: ARG002  the layout of every profile asks for both
        """The option itself: the sheet knows candidates and parties by number."""
        return option

    def read(self, payloads: Sequence[str]) -> Acta | Incomplete | Refusal:
        """Reads the QR codes of one sheet, in any order; a QR code shown twice counts once."""
        try:
            return self._read(payloads)
        except _RefusedError as refused:
            expected, found = refused.args
            return Refusal(self.id, expected, found)

    def _read(self, payloads: Sequence[str]) -> Acta | Incomplete:
        parts, of, fields = self._parts(payloads)
        text = ""
        have: list[int] = []
        for number in sorted(parts):
            if number != len(have) + 1:
                break  # the hash of a later part covers this one, which is still to come
            text = f"{text} {parts[number]}" if text else parts[number]
            self._check_hash(text, last=number == of)
            have.append(number)
        if len(parts) < of:
            return Incomplete(self.id, tuple(sorted(parts)), of)
        return self._acta(list(_words(text)), fields, of)

    def _parts(self, payloads: Sequence[str]) -> tuple[dict[int, str], int, dict[str, str]]:
        """The text of each part without its header, by number; how many there must be; what their headers say."""
        parts: dict[int, str] = {}
        sheets: set[tuple[int, tuple[Word, ...]]] = set()
        for payload in payloads:
            header = list(_words(payload))[: len(self.header)]
            if tuple(key for key, _ in header) != self.header:
                raise _RefusedError(f"the keys {', '.join(self.header)} first", "another beginning")
            values = dict(header)
            for key, version in self.version.items():
                if values[key] != version:
                    raise _RefusedError(f"{key}:{version}", f"another {key}")
            numbers = _PART.fullmatch(values[self.part])
            number, of = (int(numbers[1]), int(numbers[2])) if numbers else (1, 0)
            if not number <= of <= PARTS_MAX:
                raise _RefusedError(f"{self.part}:number:count, at most {PARTS_MAX}", f"no such {self.part}")
            body = " ".join(payload.split(" ")[len(self.header) :])
            if parts.setdefault(number, body) != body:
                raise _RefusedError("one text for each QR code of a sheet", f"two different QR codes {number} of {of}")
            sheets.add((of, tuple((key, value) for key, value in header if key not in (self.part, *self.version))))
        if len(sheets) != 1:
            raise _RefusedError("QR codes of one sheet", f"QR codes of {len(sheets)} sheets")
        of, kept = sheets.pop()
        return parts, of, dict(kept)

    def _check_hash(self, text: str, *, last: bool) -> None:
        """Checks the hash that ends `text`, and behind the last one the signature."""
        covered, found, tail = text.rpartition(f" {self.hash}:")
        printed, _, signature = tail.partition(f" {self.signature}:")
        if not found or (not re.fullmatch("[0-9A-F]{128}", printed)):
            raise _RefusedError(f"{self.hash}: and 128 hex digits at the end", "none")
        if bool(signature) != last or (last and not re.fullmatch("[0-9A-F]{128}", signature)):
            raise _RefusedError(f"{self.signature}: and 128 hex digits behind the last {self.hash}", "something else")
        digest = hashlib.sha512(covered.encode("latin-1")).digest()
        if digest.hex().upper() != printed:
            raise _RefusedError(f"text that hashes to its {self.hash}", "text that does not")
        if last and self.signing_key:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.signing_key))
            try:
                key.verify(bytes.fromhex(signature), digest)
            except InvalidSignature:
                raise _RefusedError(f"a valid {self.signature}", "one that is not the authority's") from None

    def _acta(self, words: list[Word], fields: dict[str, str], of: int) -> Acta:
        """Reads the words of all parts; `fields` has those of the headers."""
        keys = [key for key, _ in words]
        if keys.count(self.hash) != of or keys.count(self.signature) != 1:
            raise _RefusedError(f"one {self.hash} at each end and one {self.signature}", "others in between")
        doubts: list[str] = []
        contests: list[Contest] = []
        seal = ""
        contest: _Open | None = None
        for key, value in words:
            if key == self.hash:
                continue
            if key == self.signature:
                seal = value
            elif contest is None and key == self.contest:
                contest = _Open(value)
            elif contest is None:
                self._sheet_field(key, value, fields, doubts)
            elif key == self.total:
                contests.append(self._close(contest, value))
                contest = None
            else:
                self._contest_word(key, value, contest, doubts)
        if contest is not None or not contests:
            raise _RefusedError(f"contests from {self.contest} to {self.total}", f"{len(contests)} whole ones")
        if len({each.id for each in contests}) != len(contests):
            raise _RefusedError(f"each {self.contest} once", "one twice")
        if not fields.keys() >= set(self.mesa):
            raise _RefusedError(f"the keys {', '.join(self.mesa)}", "not all of them")
        mesa = ".".join(fields[name] for name in self.mesa)
        return Acta(self.id, mesa, tuple(sorted(fields.items())), tuple(contests), tuple(doubts), seal)

    def _sheet_field(self, key: str, value: str, fields: dict[str, str], doubts: list[str]) -> None:
        if key.isdigit():
            raise _RefusedError(f"votes within {self.contest} and {self.total}", "votes outside")
        if key not in self.fields:
            doubts.append(f"{key} is not a key of this profile")
        if key in self.usual and value != self.usual[key]:
            doubts.append(f"{key} is not {self.usual[key]!r} as usual")
        if key not in fields:
            fields[key] = value
        elif key in self.repeated:
            fields[key] += f",{value}"
        else:
            raise _RefusedError("each key once", "one twice")

    def _contest_word(self, key: str, value: str, contest: _Open, doubts: list[str]) -> None:
        if key.isdigit():
            votes = _count("a ballot option's votes", value)
            self._vote(contest, key, votes)
            contest.nominal += votes
        elif key == self.party:
            contest.party, contest.party_from = value, contest.nominal + contest.for_parties
        elif key == self.party_votes:
            self._vote(contest, f"{contest.party}/{self.party_votes}", _count(key, value))
            contest.for_parties += _count(key, value)
        elif key == self.party_total:
            found = contest.nominal + contest.for_parties - contest.party_from
            _check_sum(key, _count(key, value), found)
        elif key in contest.fields:
            raise _RefusedError("each key once in a contest", "one twice")
        else:
            known = (self.nominal_total, self.party_votes_total, self.vacios, self.nulos, *self.contest_fields)
            if key not in known:
                doubts.append(f"{key} is not a key of this profile")
            contest.fields[key] = value

    def _vote(self, contest: _Open, option: str, votes: int) -> None:
        if option in contest.votes:
            raise _RefusedError("each ballot option once", "one twice")
        contest.votes[option] = votes

    def _close(self, contest: _Open, total: str) -> Contest:
        def count(key: str) -> int:
            return _count(key, contest.fields.get(key, "0" if key == self.party_votes_total else ""))

        _check_sum(self.nominal_total, count(self.nominal_total), contest.nominal)
        _check_sum(self.party_votes_total, count(self.party_votes_total), contest.for_parties)
        vacios, nulos = count(self.vacios), count(self.nulos)
        found = contest.nominal + contest.for_parties + vacios + nulos
        _check_sum(self.total, _count(self.total, total), found)
        return Contest(contest.id, tuple(contest.votes.items()), nulos=nulos, vacios=vacios)


def _words(text: str) -> Iterator[Word]:
    for place, word in enumerate(text.split(" "), start=1):
        match = _WORD.fullmatch(word)
        if match is None:
            raise _RefusedError("words KEY:VALUE between single spaces", f"another word at place {place}")
        yield match[1], match[2]


def _count(key: str, value: str) -> int:
    if not COUNT.fullmatch(value):
        raise _RefusedError("numbers without sign or leading zero", f"no plain number as {key}")
    return int(value)


def _check_sum(key: str, printed: int, found: int) -> None:
    if printed != found:
        raise _RefusedError(f"a {key} that is the sum of its parts", f"a {key} that is not")
