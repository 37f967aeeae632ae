"""The lamps: which of all that a unit says at once has which lamp, and what the buzzer sounds; it touches nothing.

Every body plays what this yields: which lamp goes on or off and which tone sounds, from when. It has no clock either:
whoever says or asks something says what time it is.
"""

from dataclasses import dataclass

from device.signals import PACE_MS, FaultCode, Lamp, Ms, Owner, Pattern, Rhythm, Signal, Tone, counted

RISE_MS_MIN = 358
"""From one lighting up of a lamp to its next: more than 2.8 a second can harm people with photosensitive epilepsy."""

ON_MS_MIN = 280
"""A lamp that is lit stays lit for so long. So what lights it up again waits for it 78 ms at most, and the first light
of a press is there within 100."""


@dataclass(frozen=True, slots=True)
class Lit:
    """A lamp goes on or off."""

    at: Ms
    lamp: Lamp
    is_on: bool


@dataclass(frozen=True, slots=True)
class Sounded:
    """The buzzer sounds from now on; 0 is silence."""

    at: Ms
    hertz: int


Change = Lit | Sounded


@dataclass(slots=True)
class _Said:
    """What an owner says.

    Attributes:
        lamps: those it wants.
        since: when it begins.
        again_at: when its tones sound once more, if ever.
    """

    pattern: Pattern
    lamps: dict[Lamp, Rhythm]
    since: Ms
    again_at: Ms | None


@dataclass(slots=True)
class _Light:
    """A lamp as it is, and when it last lit up."""

    is_on: bool
    rose: Ms


@dataclass(frozen=True, slots=True)
class _Tune:
    owner: Owner
    tones: tuple[Tone, ...]
    at: Ms

    @property
    def rank(self) -> int:
        """Who sounds before whom: somebody waits for a verdict."""
        return -1 if self.owner is Owner.VERDICT else self.owner


class Mixer:
    """What lamps and buzzer show of all that is said.

    * A lamp is the first owner's that wants it (`Owner`); what ends gives it back.
    * All that blinks does so in step, at a pace that begins anew as something is answered. Whoever has a lamp, and
      however often it changes hands, it lights up at most 2.8 times a second.
    * One tune sounds and one may wait. Who comes before whoever sounds (a verdict before all, then as owners do) cuts
      it; others wait, and of two that would, the first of them does, or the newest. A press cuts both.

    Args:
        now: when all is dark and silent.
    """

    def __init__(self, now: Ms) -> None:
        self._said: dict[Owner, _Said] = {}
        self._lights = {lamp: _Light(False, now - RISE_MS_MIN) for lamp in Lamp}
        self._pace = now
        self._is_quiet = False
        self._tune: _Tune | None = None
        self._waiting: _Tune | None = None
        self._edges: list[tuple[Ms, int | None]] = []
        self._changes: list[Change] = []
        self._next: Ms | None = None

    def show(self, said: Signal | FaultCode, now: Ms) -> None:
        """Says something; what its owner said before is over."""
        if said is Signal.SEARCHING:  # whether a fault is still there is about to be seen
            self.hush(now)
            self._said.pop(Owner.FAULT, None)
            self._said.pop(Owner.TROUBLE, None)
        pattern: Pattern = said.pattern if isinstance(said, FaultCode) else said.value
        self._say(pattern, now)

    def count(self, number: int, now: Ms) -> None:
        """Reads a number out."""
        self._say(counted(number), now)

    def quiet(self, on: bool, now: Ms) -> None:
        """Sounds nothing from now on, or sounds again."""
        self._go_on(now)
        self._is_quiet = on
        if on:
            self._cut(now)

    def hush(self, now: Ms) -> None:
        """Somebody has pressed: cuts what sounds and waits to, and what the button was told."""
        self._go_on(now)
        self._said.pop(Owner.BUTTON, None)
        self._cut(now)
        self._step(now)

    def play(self, now: Ms) -> list[Change]:
        """All changes up to now, in order; each is told once."""
        self._go_on(now)
        changes, self._changes = self._changes, []
        return changes

    @property
    def due(self) -> Ms | None:
        """When there is something to play next, if nothing is said before; None if never."""
        return self._changes[0].at if self._changes else self._next

    def is_on(self, lamp: Lamp) -> bool:
        """Whether a lamp is lit, as far as this was played."""
        return self._lights[lamp].is_on

    def owner(self, lamp: Lamp) -> Owner | None:
        """Whose a lamp is now; None when nobody wants it, and it is dark."""
        return min((owner for owner, said in self._said.items() if lamp in said.lamps), default=None)

    def _say(self, pattern: Pattern, now: Ms) -> None:
        self._go_on(now)
        owner = pattern.owner
        for other in _ENDS.get(owner, ()):
            if other in self._said and not self._said[other].pattern.lasts_ms:
                del self._said[other]
        before, since = self._said.get(owner), self._begin(owner, now)
        if before is None or before.pattern != pattern or owner in _ANSWERS:
            again_at = since + pattern.again_ms if pattern.again_ms else None
            self._said[owner] = _Said(pattern, dict(pattern.lamps), since, again_at)
        self._sound(_Tune(owner, pattern.tones, since), now)
        self._step(now)

    def _begin(self, owner: Owner, now: Ms) -> Ms:
        """When what an owner says begins: at once, and the pace of all with it; or in step with what is being said."""
        others = [(other, said) for other, said in self._said.items() if other is not owner]
        is_busy = any(said.pattern.lasts_ms or (o < owner and o is not Owner.POWER) for o, said in others)
        if is_busy or owner in (Owner.POWER, Owner.LINK):
            return now + (self._pace - now) % PACE_MS
        self._pace = now
        return now

    def _since(self, said: _Said) -> Ms:
        """When what is said began, at the pace as it is now."""
        return max(self._pace, said.since + (self._pace - said.since) % PACE_MS)

    def _go_on(self, now: Ms) -> None:
        while self._next is not None and self._next <= now:
            self._step(self._next)

    def _step(self, now: Ms) -> None:
        """Brings everything to where it is now, and finds out when it next changes."""
        for owner, said in list(self._said.items()):
            if said.pattern.lasts_ms and now >= self._since(said) + said.pattern.lasts_ms:
                del self._said[owner]
            elif said.again_at is not None and now >= said.again_at:
                said.again_at += said.pattern.again_ms
                self._sound(_Tune(owner, said.pattern.tones, now), now)
        due: list[Ms | None] = [self._light(lamp, light, now) for lamp, light in self._lights.items()]
        due.append(self._sing(now))
        for said in self._said.values():
            due += [said.again_at, self._since(said) + said.pattern.lasts_ms if said.pattern.lasts_ms else None]
        self._next = min((at for at in due if at is not None), default=None)

    def _light(self, lamp: Lamp, light: _Light, now: Ms) -> Ms | None:
        """Brings one lamp to where it is now; when it may next change."""
        is_wanted, next_at = False, None
        owner = self.owner(lamp)
        if owner is not None:
            said = self._said[owner]
            since = self._since(said)
            is_wanted, after = said.lamps[lamp].at(now - since)
            next_at = None if after is None else since + after
        if is_wanted is not light.is_on:
            free_at = light.rose + (RISE_MS_MIN if is_wanted else ON_MS_MIN)
            if now < free_at:
                return free_at if next_at is None else min(free_at, next_at)
            light.is_on = is_wanted
            light.rose = now if is_wanted else light.rose
            self._changes.append(Lit(now, lamp, is_wanted))
        return next_at

    def _sound(self, tune: _Tune, now: Ms) -> None:
        if self._is_quiet or not tune.tones:
            return
        if self._tune is None or tune.rank < self._tune.rank:
            self._silence(now)
            self._strike_up(tune, now)
        elif self._waiting is None or tune.rank <= self._waiting.rank:
            self._waiting = tune

    def _strike_up(self, tune: _Tune, now: Ms) -> None:
        self._tune, at = tune, max(tune.at, now)
        for tone in tune.tones:
            sound = tone.value
            self._edges += [(at, sound.hertz), (at + sound.ms, 0)]
            at += sound.ms + sound.gap_ms
        self._edges.append((at, None))

    def _sing(self, now: Ms) -> Ms | None:
        """Brings the buzzer to where it is now; when it next changes."""
        while self._edges and self._edges[0][0] <= now:
            at, hertz = self._edges.pop(0)
            if hertz is not None:
                self._changes.append(Sounded(at, hertz))
                continue
            waiting, self._tune, self._waiting = self._waiting, None, None
            if waiting is not None:
                self._strike_up(waiting, now)
        return self._edges[0][0] if self._edges else None

    def _cut(self, now: Ms) -> None:
        self._waiting = None
        self._silence(now)

    def _silence(self, now: Ms) -> None:
        if self._tune is not None and len(self._edges) % 2 == 0:  # between a tone's beginning and its end
            self._changes.append(Sounded(now, 0))
        self._tune = None
        self._edges.clear()


_ANSWERS = (Owner.VERDICT, Owner.BUTTON)
"""Said twice, they begin again: each is an answer to something that somebody has done."""

_ENDS = {Owner.FAULT: _ANSWERS, Owner.PROMPT: (Owner.VERDICT,)}
"""What ends a search, or another wait that has no end of its own."""
