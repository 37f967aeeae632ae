"""The indicator: what device/lamps.py yields, played on lamps, a paper lamp and a buzzer by a thread of its own."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from gpiozero import LED, OutputDevice, PWMOutputDevice
from gpiozero.pins import Factory

from device.lamps import Change, Lit, Mixer
from device.ports import Ms, PartMissing, Post
from device.signals import FaultCode, Lamp, Signal
from hardware.pins import Pin, Pins

BUZZER_LEVEL = 0.5
"""Half of the time: a square wave, the loudest that a piezo can be."""


class PinIndicator:
    """Lamps and a passive piezo on pins.

    A part whose pin cannot be had, or fails later, is told once; the others go on.

    Args:
        pins: what is wired where.
        factory: where pins come from.
        post: the inbox.
    """

    def __init__(self, pins: Pins, factory: Factory, post: Post) -> None:
        self._post = post
        self._pins: dict[Lamp | None, Pin] = {
            Lamp.READY: pins.ready,
            Lamp.KEPT: pins.kept,
            Lamp.AGAIN: pins.again,
            Lamp.LINK: pins.link,
            Lamp.PAPER: pins.paper,
            None: pins.buzzer,
        }
        self._parts: dict[Lamp | None, OutputDevice] = {}
        for which, pin in self._pins.items():
            try:
                self._parts[which] = _part(which, pin, factory)
            except Exception as error:  # noqa: BLE001  lgpio and gpiozero raise many kinds, and the other parts go on
                post(_missing(pin, error))
        self._failed: set[Lamp | None] = set()
        self._mixer = Mixer(_now())
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="indicator", daemon=True)
        self._thread.start()

    def show(self, said: Signal | FaultCode) -> None:
        """Shows a signal from now on."""
        self._tell(lambda now: self._mixer.show(said, now))

    def count(self, number: int) -> None:
        """Reads a number out."""
        self._tell(lambda now: self._mixer.count(number, now))

    def quiet(self, on: bool) -> None:
        """Sounds nothing from now on, or sounds again."""
        self._tell(lambda now: self._mixer.quiet(on, now))

    def hush(self) -> None:
        """Cuts what sounds."""
        self._tell(self._mixer.hush)

    def close(self) -> None:
        """Ends in order: dark and silent."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        for part in self._parts.values():
            with suppress(Exception):  # of a pin that is gone there is nothing left to let go
                part.close()

    def _tell(self, say: Callable[[Ms], None]) -> None:
        with self._changed:
            if not self._thread.is_alive():  # its end was logged; a unit whose lamps stand still must start anew
                raise AssertionError("nothing moves the lamps any more: restart the unit")
            say(_now())
            self._changed.notify()

    def _run(self) -> None:
        while not self._closed:
            for change in self._next():
                self._play(change)

    def _next(self) -> list[Change]:
        """Waits for what is to be played next, or for the end."""
        with self._changed:
            while not (changes := self._mixer.play(_now())) and not self._closed:
                due = self._mixer.due
                self._changed.wait(None if due is None else (due - _now()) / 1000)
            return changes

    def _play(self, change: Change) -> None:
        which = change.lamp if isinstance(change, Lit) else None
        part = self._parts.get(which)
        if part is None or which in self._failed:
            return
        try:
            if isinstance(change, Lit):
                part.value = int(change.is_on)
            else:
                _sound(part, change.hertz)
        except Exception as error:  # noqa: BLE001  as above
            self._failed.add(which)
            self._post(_missing(self._pins[which], error))


def _part(which: Lamp | None, pin: Pin, factory: Factory) -> OutputDevice:
    """A lamp, or the buzzer."""
    if which is None:
        return PWMOutputDevice(pin.bcm, frequency=None, pin_factory=factory)  # pyright: ignore[reportArgumentType]
    return LED(pin.bcm, pin_factory=factory)


def _sound(buzzer: OutputDevice, hertz: int) -> None:
    """Sets the buzzer; without any PWM while it is silent.

    lgpio times every pulse in a thread, also those of no length, which costs a fifth of a core.
    """
    buzzer.frequency = hertz or None
    buzzer.value = BUZZER_LEVEL if hertz else 0


def _missing(pin: Pin, error: Exception) -> PartMissing:
    why = f"{pin.part}: its pin cannot be used ({error}): end whatever else uses it, or go on without"
    return PartMissing(why, FaultCode.PANEL)


def _now() -> Ms:
    return time.monotonic_ns() // 1_000_000
