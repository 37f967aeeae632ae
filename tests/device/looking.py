"""Looking and listening: what somebody makes of the changes of lamps and buzzer."""

from collections.abc import Callable, Iterable, Sequence

from device.lamps import Change, Lit, Mixer, Sounded
from device.signals import FaultCode, Lamp, Ms, Owner, Pattern, Signal

Said = Signal | FaultCode

GLANCE_MS = 50

HERTZ_MAX = 2.8
"""Lights that flash more often can harm people with photosensitive epilepsy (unit.md)."""

SAID: tuple[Said, ...] = (*(signal for signal in Signal if signal not in (Signal.FAULT, Signal.TROUBLE)), *FaultCode)
"""All that a unit can say: a fault is never said but by its code."""


def pattern_of(said: Said) -> Pattern:
    pattern: Pattern = said.pattern if isinstance(said, FaultCode) else said.value
    return pattern


def owner_of(said: Said) -> Owner:
    return pattern_of(said).owner


def by(owner: Owner) -> list[Said]:
    """What an owner can say."""
    return [said for said in SAID if owner_of(said) is owner]


def word(said: Said | None) -> str:
    """Its name in a test's name."""
    return "-" if said is None else f"{said.name}"


def shown(context: Iterable[Said], said: Said | Callable[[Mixer, Ms], None], ms: Ms) -> list[Change]:
    """What is played for so long after something is said on top of a context that has stood for a while."""
    mixer, now = Mixer(0), 0
    for each in context:
        mixer.show(each, now)
        now += 130
    now += 2_000
    mixer.play(now)
    lit = [lamp for lamp in Lamp if mixer.is_on(lamp)]
    if callable(said):
        said(mixer, now)
    else:
        mixer.show(said, now)
    start: list[Change] = [Lit(0, lamp, True) for lamp in lit]
    return start + [_moved(change, -now) for change in mixer.play(now + ms)]


def _moved(change: Change, by_ms: Ms) -> Change:
    if isinstance(change, Lit):
        return Lit(change.at + by_ms, change.lamp, change.is_on)
    return Sounded(change.at + by_ms, change.hertz)


def spans(changes: Sequence[Change], lamp: Lamp, until: Ms) -> list[tuple[Ms, Ms]]:
    """From when to when a lamp was lit."""
    found: list[tuple[Ms, Ms]] = []
    lit: Ms | None = None
    for change in changes:
        if isinstance(change, Lit) and change.lamp is lamp:
            if change.is_on and lit is None:
                lit = change.at
            elif not change.is_on and lit is not None:
                found.append((lit, change.at))
                lit = None
    found += [] if lit is None else [(lit, until)]
    return [(start, end) for start, end in found if start < end]


def view(changes: Sequence[Change], until: Ms) -> bytes:
    """What somebody sees who tells no colours apart: one byte for every glance, one bit for every lamp."""
    found, lit, glances = bytearray(), 0, range(0, until, GLANCE_MS)
    changing = [change for change in changes if isinstance(change, Lit)]
    bits = {lamp: 1 << number for number, lamp in enumerate(Lamp)}
    for at in glances:
        while changing and changing[0].at <= at:
            change = changing.pop(0)
            lit = lit | bits[change.lamp] if change.is_on else lit & ~bits[change.lamp]
        found.append(lit)
    return bytes(found)


def differing_ms(one: bytes, other: bytes) -> Ms:
    """For how long two views differ."""
    return GLANCE_MS * sum(a != b for a, b in zip(one, other, strict=True))


def rises(changes: Iterable[Change], lamp: Lamp | None = None) -> list[Ms]:
    """When a lamp lit up; or, of all together, when any did."""
    return sorted({c.at for c in changes if isinstance(c, Lit) and c.is_on and lamp in (None, c.lamp)})


def heard(changes: Iterable[Change]) -> list[tuple[int, Ms]]:
    """The tones: hertz and milliseconds of each."""
    found: list[tuple[int, Ms]] = []
    began: tuple[int, Ms] | None = None
    for change in changes:
        if isinstance(change, Sounded):
            if began is not None:
                found.append((began[0], change.at - began[1]))
            began = (change.hertz, change.at) if change.hertz else None
    return found
