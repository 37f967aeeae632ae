"""The positional layout: one QR code, whose separators and positions alone say what is what."""

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal

import msgspec

from wire.acta import COUNT, Acta, Contest, Incomplete, Refusal


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field of text: the pattern it must match, the same in words, and what it usually is."""

    name: str
    pattern: str
    words: str
    usual: str = ""

    def __post_init__(self) -> None:
        """Refuses what is no pattern; msgspec makes a `ValidationError` of it."""
        try:
            re.compile(self.pattern, re.ASCII)
        except re.error as error:
            raise ValueError(f"`pattern` of {self.name}: {error}") from error


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run of fields or of counts: `counts` is `votes`, `nulos` or `vacios`; otherwise `fields` are listed."""

    separator: str = ""
    fields: tuple[Field, ...] = ()
    counts: Literal["", "votes", "nulos", "vacios"] = ""


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A candidate and the ballot options that count for them, in the order of the ballot."""

    id: str
    options: tuple[str, ...]


class Race(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The one contest of the sheet."""

    id: str
    candidates: tuple[Candidate, ...]


class Usual(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The soft rules: lowest and highest usual number of valid, void and blank votes."""

    valid: tuple[int, int]
    nulos: tuple[int, int]
    vacios: tuple[int, int]


class Symbol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the QR code is printed: versions it may have, error-correction level, mm a module."""

    versions: tuple[Annotated[int, msgspec.Meta(ge=1, le=40)], ...]
    level: Literal["L", "M", "Q", "H"]
    module_mm: Annotated[float, msgspec.Meta(gt=0)]


class Positional(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="layout", tag="positional", dict=True
):
    """A profile of this layout. Its attributes are the keys of its TOML file, which explains them."""

    id: str
    separator: str
    mesa: tuple[str, ...]
    section: tuple[Section, ...]
    contest: tuple[Race]
    usual: Usual
    symbol: Symbol | None = None

    def __post_init__(self) -> None:
        """Refuses a profile by which nothing could be read; msgspec makes a `ValidationError` of it."""
        counted = sorted(section.counts for section in self.section if section.counts)
        fields = [field.name for section in self.section if not section.counts for field in section.fields]
        options = [option for candidate in self.contest[0].candidates for option in candidate.options]
        if counted != ["nulos", "vacios", "votes"]:
            raise ValueError("one `section` each must count `votes`, `nulos` and `vacios`")
        if len(set(fields)) != len(fields) or not set(self.mesa) <= set(fields):
            raise ValueError("each field must have a name of its own, and `mesa` must be of them")
        if not options or len(set(options)) != len(options):
            raise ValueError("each of `options` must have a name of its own")

    @property
    def mesa_fields(self) -> tuple[Field, ...]:
        """The fields of a mesa's key."""
        fields = {field.name: field for section in self.section for field in section.fields}
        return tuple(fields[name] for name in self.mesa)

    @cached_property
    def _owners(self) -> dict[str, str]:
        return {option: candidate.id for candidate in self.contest[0].candidates for option in candidate.options}

    def candidate(self, contest: str, option: str) -> str:
        """Who gets the votes of a ballot option; KeyError for an option that is not on the ballot."""
        if contest != self.contest[0].id:
            raise KeyError(contest)
        return self._owners[option]

    @cached_property
    def grammar(self) -> str:
        """A regular expression of exactly the payloads that `read` makes an acta of, usual values first."""
        count = f"(?:{COUNT.pattern})"
        sections: list[str] = []
        for section in self.section:
            items = [
                f"(?:{re.escape(field.usual)}|{field.pattern})" if field.usual else f"(?:{field.pattern})"
                for field in section.fields
            ]
            if section.counts:
                items = [count] * (len(self._owners) if section.counts == "votes" else 1)
            sections.append(re.escape(section.separator).join(items))
        return re.escape(self.separator).join(sections)

    def read(self, payloads: Sequence[str]) -> Acta | Incomplete | Refusal:
        """Reads the one QR code of a sheet."""
        if len(payloads) != 1:
            return Refusal(self.id, "1 QR code", f"{len(payloads)} QR codes")
        texts = payloads[0].split(self.separator)
        if len(texts) != len(self.section):
            return Refusal(self.id, f"{len(self.section)}", f"{len(texts)} sections set apart by {self.separator!r}")
        fields: dict[str, str] = {}
        counts: dict[str, list[int]] = {}
        for section, text in zip(self.section, texts, strict=True):
            refusal = self._section(section, text, fields, counts)
            if refusal:
                return refusal
        contest = Contest(
            self.contest[0].id,
            tuple(zip(self._owners, counts["votes"], strict=True)),
            nulos=counts["nulos"][0],
            vacios=counts["vacios"][0],
        )
        mesa = ".".join(fields[name] for name in self.mesa)
        return Acta(self.id, mesa, tuple(sorted(fields.items())), (contest,), tuple(self._doubts(fields, contest)))

    def _section(
        self, section: Section, text: str, fields: dict[str, str], counts: dict[str, list[int]]
    ) -> Refusal | None:
        """Reads one section into `fields` or `counts`."""
        texts = text.split(section.separator) if section.separator else [text]
        if section.counts:
            wanted = len(self._owners) if section.counts == "votes" else 1
            if len(texts) != wanted:
                return Refusal(self.id, f"{wanted}", f"{len(texts)} counts of {section.counts}")
            if not all(map(COUNT.fullmatch, texts)):
                position = next(place for place, item in enumerate(texts, start=1) if not COUNT.fullmatch(item))
                what = f"no plain number as count {position} of {section.counts}"
                return Refusal(self.id, "numbers without sign or leading zero", what)
            counts[section.counts] = list(map(int, texts))
            return None
        if len(texts) != len(section.fields):
            names = ", ".join(field.name for field in section.fields)
            return Refusal(self.id, f"{len(section.fields)} ({names})", f"{len(texts)} fields")
        for field, item in zip(section.fields, texts, strict=True):
            if not re.fullmatch(field.pattern, item, re.ASCII):
                return Refusal(self.id, field.words, f"{len(item)} other characters as {field.name}")
            fields[field.name] = item
        return None

    def _doubts(self, fields: dict[str, str], contest: Contest) -> list[str]:
        """The soft rules that the acta breaks."""
        doubts = [
            f"{field.name} is not {field.usual!r} as usual"
            for section in self.section
            for field in section.fields
            if field.usual and fields[field.name] != field.usual
        ]
        for name, (low, high) in (
            ("valid", self.usual.valid),
            ("nulos", self.usual.nulos),
            ("vacios", self.usual.vacios),
        ):
            if not low <= getattr(contest, name) <= high:
                doubts.append(f"{name} is outside the usual {low} to {high}")
        return doubts
