"""The bench: each part of a real unit alone, without the firmware; and all of them, for a unit that is to go out.

Whoever is at the unit answers by its button: a press says yes, nothing says no. Each part ends as good, bad or absent,
in a sentence; one that fails takes none of the others with it.
"""

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from device import marks
from device.ports import BodyEvent, ButtonHeld, ButtonPressed, ButtonReleased, PartMissing
from device.settings import Settings
from device.signals import Signal
from hardware import calibration
from hardware.calibration import FILE, Calibration, Setting, focus_sweep
from hardware.camera import Stream, in_words
from hardware.card import CardHealth
from hardware.clock import SystemClock
from hardware.health import UNDERVOLTED, WAS_UNDERVOLTED, throttled
from hardware.pins import Pins
from hardware.power import Gauges, Lines
from wire.errors import TestigoError
from wire.readiness import Check

if TYPE_CHECKING:
    from gpiozero.pins import Factory

ANSWER_SECONDS = 20.0
"""How long whoever is at the unit has to answer."""

LAMP_SECONDS = 0.8
"""How long each lamp is lit: long enough to see which one."""

SOUND_SECONDS = 1.5
"""How long the three tones of a unit that is ready last, and a little."""

LOOKS = 5
LOOK_MS_MAX = 600
"""A press has its verdict within a second at the median, and reading takes up to 400 ms of it."""

WRITES = 100
WRITE_BYTES = 16_384
"""A sealed record with its envelope is some 3 KB, a card's own page 16."""

WRITE_MS_MAX = 250
"""Of a hundred records at most five may take longer to be safe on the card: a press waits for four such writes."""

FIELD_MM_OFF = 10.0
MIDDLE_MM_OFF = 6.0
LEAN_PERCENT_MAX = 4.0
"""How the camera may hang: every mark, and the QR end at the arrow, are still in view with some mm to spare."""

MM_PER_INCH = 25.4


class _NoError(Exception):
    """The part is not good: why, in words."""


class _NoneError(Exception):
    """The unit has no such part: what that means, in words."""


@dataclass
class Bench:
    """A unit whose firmware does not run.

    Attributes:
        settings: the unit's.
        pins: opens the pins.
        camera: opens the camera.
        say: tells whoever is at the unit something.
        root: where the kernel's files are.
        wait: waits for so many seconds.
        answer_seconds: how long to wait for an answer.
    """

    settings: Settings
    pins: "Callable[[], Factory]"
    camera: Callable[[], Stream]
    say: Callable[[str], object]
    root: Path = Path("/")
    wait: Callable[[float], object] = field(default_factory=lambda: threading.Event().wait)
    answer_seconds: float = ANSWER_SECONDS

    def check(self, part: str) -> Check:
        """Looks at one part."""
        try:
            outcome, words = "good", PARTS[part](self)
        except _NoneError as none:
            outcome, words = "absent", str(none)
        except (_NoError, TestigoError) as why:
            outcome, words = "bad", str(why)
        except Exception as error:  # noqa: BLE001  what a part's library raises is that part's, and no other's
            outcome, words = "bad", in_words(error) if part in OF_CAMERA else f"{type(error).__name__}: {error}"
        return Check(outcome=outcome, part=part, words=words[:400])

    # What several parts need.

    @contextmanager
    def button(self) -> "Iterator[Button]":
        """The unit's button, as long as it is needed."""
        factory = self.pins()  # before anything that imports gpiozero: it says in a sentence what lacks
        from hardware.button import PushButton

        events: SimpleQueue[BodyEvent] = SimpleQueue()
        pushed = PushButton(Pins().button, factory, events.put)
        try:
            yield Button(events, self.answer_seconds)
        finally:
            pushed.close()

    def confirm(self, question: str, otherwise: str) -> None:
        """Asks whoever is at the unit something, to be answered by a press.

        Raises:
            _NoError: nobody pressed: `otherwise` says what that means.
        """
        with self.button() as button:
            self.say(f"{question}: press the button")
            if not button.is_pressed():
                raise _NoError(otherwise)
            button.is_released()  # else the next question would find it held

    @contextmanager
    def stream(self) -> Iterator[Stream]:
        """The camera, as long as it is needed, and the light over the tray: what is found in the dark is no use."""
        with self._light():
            opened = self.camera()
            try:
                yield opened
            finally:
                opened.close()

    @contextmanager
    def _light(self) -> Iterator[None]:
        factory, pin = self.pins(), Pins().paper
        from gpiozero import LED

        try:
            lamp = LED(pin.bcm, initial_value=True, pin_factory=factory)
        except Exception as error:  # lgpio and gpiozero raise many kinds
            raise _NoError(f"{pin.part}: its pin cannot be used ({error}): end whatever else uses it") from error
        try:
            yield
        finally:
            lamp.close()


@dataclass(frozen=True, slots=True)
class Button:
    """A button that somebody is asked to press."""

    events: "SimpleQueue[BodyEvent]"
    seconds: float

    def is_pressed(self) -> bool:
        """Whether it is pressed in time.

        Raises:
            _NoError: it cannot be, or is down already.
        """
        match self._next():
            case ButtonPressed():
                return True
            case ButtonHeld():
                raise _NoError(
                    "the button is down before anybody pressed it: see whether it is stuck, or wired wrongly"
                )
            case PartMissing(why):
                raise _NoError(why)
            case _:
                return False

    def is_released(self) -> bool:
        """Whether it comes up again in time."""
        return isinstance(self._next(), ButtonReleased)

    def _next(self) -> BodyEvent | None:
        try:
            return self.events.get(timeout=self.seconds)
        except Empty:
            return None


def _press(bench: Bench) -> str:
    pin = Pins().button
    with bench.button() as button:
        bench.say("press the button, and let it go")
        if not button.is_pressed():
            raise _NoError(f"nothing was heard of the button: check its wires, BCM {pin.bcm}, header {pin.header}")
        if not button.is_released():
            raise _NoError("the button went down and did not come up: see whether it is stuck")
    return "pressed, and let go"


def _light(bench: Bench) -> str:
    pins, factory = Pins(), bench.pins()
    from gpiozero import LED

    for pin in (pins.ready, pins.kept, pins.again, pins.link, pins.paper):
        lamp = LED(pin.bcm, pin_factory=factory)
        try:
            bench.say(f"now lit: {pin.part}")
            lamp.on()
            bench.wait(LAMP_SECONDS)
        finally:
            lamp.close()
    bench.confirm(
        "if all five were lit, one after the other",
        "nobody confirmed that all lamps were lit: check the wires of the one that stayed dark",
    )
    return "all lamps were lit"


def _sound(bench: Bench) -> str:
    factory, missing = bench.pins(), list[BodyEvent]()
    from hardware.indicator import PinIndicator

    indicator = PinIndicator(Pins(), factory, missing.append)
    try:
        bench.say("now three tones: low, mid, high")
        indicator.show(Signal.READY)
        bench.wait(SOUND_SECONDS)
    finally:
        indicator.close()
    for event in missing:
        if isinstance(event, PartMissing):
            raise _NoError(event.why)
    bench.confirm(
        "if you heard three tones, told apart by ear",
        "nobody confirmed that the buzzer was heard: check its wires and its transistor",
    )
    return "three tones were heard"


def _look(bench: Bench) -> str:
    with bench.stream() as stream:
        taken, light = list[float](), 0
        for _ in range(LOOKS):
            began = time.monotonic_ns()
            frame = stream.look(began)
            taken.append((time.monotonic_ns() - began) / 1e6)
            light = round(float(frame.luma[::8, ::8].mean()))
        width, height = stream.size
        words = (
            f"{stream.model}, {width} x {height}, a look takes {statistics.median(taken):.0f} ms, light {light} of 255"
        )
    # The first look may wait for a camera that finds everything for itself.
    if statistics.median(taken) > LOOK_MS_MAX:
        raise _NoError(f"{words}: looks are too slow (at most {LOOK_MS_MAX} ms): calibrate the unit, and look again")
    return words


def _read(bench: Bench) -> str:
    from device.eye import Eye

    bench.confirm("lay an acta for training down, QR code under the lens", "nobody laid a sheet down")
    with bench.stream() as stream:
        luma = stream.look(time.monotonic_ns()).luma
    began = time.monotonic()
    found = Eye(bench.settings.profile).see(luma, 0)
    ms = 1000 * (time.monotonic() - began)
    if not found.payloads:
        raise _NoError(
            f"no QR code was read ({found.quality.cause or 'nothing like one was seen'}): clean the lens, calibrate"
        )
    return f"read in {ms:.0f} ms at {found.quality.dpi} dpi, {found.quality.margin} % of its error correction left"


def _focus(bench: Bench) -> str:
    bench.confirm("lay an acta for training down, QR code under the lens", "nobody laid a sheet down")
    with bench.stream() as stream:
        curve, _ = _sweep(bench, stream)
    return f"sharpest at {curve.best:.2f} dioptres"


def _sweep(bench: Bench, stream: Stream) -> tuple[calibration.Curve, Setting]:
    if not stream.dioptres_max:
        raise _NoneError("the lens cannot be moved: set it by hand until a sheet on the tray is sharp")
    bench.say("the lens moves through its range: half a minute")
    curve, setting = focus_sweep(stream, lambda _point: None)
    bench.say(str(curve))
    if not curve.is_clear:
        raise _NoError(
            "no position of the lens is clearly the sharpest: lay a printed sheet down, and measure the height"
        )
    return curve, setting


def _tray(bench: Bench) -> str:
    known = calibration.read(bench.settings.card / FILE)
    if known is None:
        raise _NoneError("the unit is not calibrated, so nobody knows how its empty tray looks: calibrate it first")
    bench.confirm("take everything off the tray", "nobody cleared the tray")
    with bench.stream() as stream:
        spots = calibration.dirt(stream.look(time.monotonic_ns()).luma, known)
    for spot in spots:
        bench.say(str(spot))
    if spots:
        raise _NoError(f"{len(spots)} places of the tray are not as they were; the first: {spots[0]}")
    return "the empty tray is as it was when the unit was calibrated"


def _marks(bench: Bench) -> str:
    with bench.stream() as stream:
        luma = stream.look(time.monotonic_ns()).luma
    seen = marks.seen(luma)
    if seen is None:
        raise _NoneError("no marks are seen: glue them on the tray (docs/guides/build.md), and hang the camera over it")
    sees_mm, (x, y) = max(luma.shape) / seen.px_per_mm, seen.off_mm
    across, along = (100 * lean for lean in seen.leans)
    words = (
        f"{seen.px_per_mm:.1f} px a mm: it sees {sees_mm:.0f} mm of {marks.FIELD_MM:.0f}; its middle is {x:+.0f} mm "
        f"across and {y:+.0f} mm along; it leans {across:+.1f} % to the right and {along:+.1f} % to the arrow"
    )
    # First the lean, for it moves the middle too.
    if max(abs(across), abs(along)) > LEAN_PERCENT_MAX:
        raise _NoError(f"{words}: set the mast upright, the camera level, and look again")
    if abs(sees_mm - marks.FIELD_MM) > FIELD_MM_OFF or max(abs(x), abs(y)) > MIDDLE_MM_OFF:
        raise _NoError(f"{words}: move the arm along the mast, or the camera on the arm, and look again")
    return words


def _card(bench: Bench) -> str:
    folder = bench.settings.card
    content = os.urandom(WRITE_BYTES)
    taken = sorted(_written(folder, content))
    for limit in (5, 10, 20, 50, 100, 250, 1000):
        bench.say(f"{limit:5d} ms {'#' * round(60 * sum(ms <= limit for ms in taken) / len(taken))}")
    median, most = statistics.median(taken), taken[len(taken) * 95 // 100]
    free = os.statvfs(folder)
    health = CardHealth(folder, bench.root)
    words = (
        f"safe in {median:.1f} ms, 95 of 100 in {most:.1f} ms, the slowest in {taken[-1]:.0f} ms; "
        f"{free.f_bavail * free.f_frsize // 1_000_000} MB free; {health.errors or 0} errors noted"
    )
    if health.errors:
        raise _NoError(f"{words}: the card has had errors: take another")
    if most > WRITE_MS_MAX:
        raise _NoError(f"{words}: too slow (at most {WRITE_MS_MAX} ms): take another card")
    return words


def _written(folder: Path, content: bytes) -> Iterator[float]:
    """How many milliseconds each of many small files takes to be safe: written, synced, renamed, its folder synced."""
    with TemporaryDirectory(dir=folder, prefix="bench-") as place:
        of_place = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for count in range(WRITES):
                began = time.monotonic_ns()
                new = Path(place, f"{count}.new")
                with new.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                new.replace(new.with_suffix(".kept"))
                os.fsync(of_place)
                yield (time.monotonic_ns() - began) / 1e6
        finally:
            os.close(of_place)


def _battery(bench: Bench) -> str:
    power = Gauges(bench.root).look()
    lines = Lines(Pins(), bench.pins(), lambda: None, lambda _event: None)
    try:
        on_battery, is_low = lines.on_battery, lines.is_low
    finally:
        lines.close()
    if is_low:
        raise _NoError("the battery board says that its battery is low: charge it")
    if power.percent is None:
        raise _NoneError("no battery gauge answers: if there is one, name it in config.txt (docs/on-device.md)")
    source = {True: "the battery gives", False: "power comes from outside", None: "the gauge does not say who gives"}
    return f"{power.percent} % left; {source[True if on_battery else power.on_battery]}"


def _power(bench: Bench) -> str:
    told = throttled(bench.root)
    if told is None:
        raise _NoneError("nothing tells whether the voltage held: this is no Raspberry Pi, or has another's kernel")
    if told & (UNDERVOLTED | WAS_UNDERVOLTED):
        raise _NoError("there was too little voltage since the start: a stronger supply, or a shorter, thicker cable")
    return "the voltage has held since the start"


def _clock(bench: Bench) -> str:
    clock = SystemClock(bench.root)
    if clock.is_lost:
        raise _NoError("the clock board has lost the date: change its cell")
    if clock.source() == "unset":
        raise _NoError("nobody has told the unit the date: connect it to a network, or set it (sudo date -s)")
    if not clock.has_board:
        raise _NoneError("there is no clock board: after a start without network the date is that of the last stop")
    return f"the clock board runs; the date now comes from {clock.source()}"


PARTS: dict[str, Callable[[Bench], str]] = {
    "press": _press,
    "light": _light,
    "sound": _sound,
    "look": _look,
    "read": _read,
    "focus": _focus,
    "tray": _tray,
    "marks": _marks,
    "card": _card,
    "battery": _battery,
    "power": _power,
    "clock": _clock,
}
"""Each part that can be looked at alone: what is good about it, in words."""

UNATTENDED = ("card", "power", "battery", "look", "marks")
"""What needs nobody at the unit, the camera last, which may hang. Not the clock: where a unit first starts there is
often no network, and beats say how its clock is."""

OF_CAMERA = ("look", "read", "focus", "tray", "marks")


def calibrate(bench: Bench) -> Calibration:
    """Finds what the unit's camera is to be set to, and keeps it on the unit's card.

    Raises:
        TestigoError: it could not be found; nothing was changed.
    """
    try:
        return _calibrate(bench)
    except (_NoError, _NoneError) as why:
        raise UncalibratedError(str(why)) from why
    except TestigoError:
        raise
    except Exception as error:  # whatever picamera2 makes of a bad ribbon
        raise UncalibratedError(in_words(error)) from error


class UncalibratedError(TestigoError):
    """The camera could not be calibrated: why, and what to do."""


def _calibrate(bench: Bench) -> Calibration:
    from device.eye import Eye

    bench.confirm("lay an acta for training down, QR code under the lens", "nobody laid a sheet down")
    with bench.stream() as stream:
        if stream.dioptres_max:
            _, setting = _sweep(bench, stream)
        else:
            stream.find()
            stream.take(time.monotonic_ns())
            setting = Setting.of(stream.metadata)
            stream.hold(setting)
        found = Eye(bench.settings.profile).see(stream.take(time.monotonic_ns()).luma, 0)
        if not found.payloads or not found.quality.dpi:
            raise _NoError("the QR code of the sheet was not read: lay an acta for training flat under the lens")
        bench.confirm("now take everything off the tray", "nobody cleared the tray")
        empty = stream.take(time.monotonic_ns()).luma
        made = Calibration.of(stream, setting, found.quality.dpi / MM_PER_INCH, empty)
    calibration.write(made, bench.settings.card / FILE)
    return made
