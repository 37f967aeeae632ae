"""The indicator: the patterns of device/signals.py on lamps and a buzzer; gpiozero blinks, a thread of ours sounds."""

import threading

from gpiozero import LED, PWMOutputDevice
from gpiozero.pins import Factory

from device.signals import Lamp, Pattern, Rhythm, Signal, Tone
from hardware.pins import Pins

SOUNDS: dict[Tone, tuple[int, int]] = {
    Tone.CLICK: (2700, 20),
    Tone.HIGH: (2700, 120),
    Tone.MID: (1800, 120),
    Tone.LOW: (900, 220),
    Tone.LONG_LOW: (900, 700),
}
"""Hertz and milliseconds of each tone; 2.7 kHz is where small piezos are loudest."""

GAP_MS = 100
"""The silence after each tone."""


class PinIndicator:
    """Lamps and a passive piezo on pins.

    A sound waits for the one in progress; only a press, which is `SEARCHING`, cuts it. Of each row (the link lamp's and
    the others') at most one sound waits, the newest, and the link lamp's comes last.

    Args:
        pins: what is wired where.
        factory: where pins come from.
    """

    def __init__(self, pins: Pins, factory: Factory) -> None:
        self._lamps = {
            Lamp.READY: LED(pins.ready, pin_factory=factory),
            Lamp.KEPT: LED(pins.kept, pin_factory=factory),
            Lamp.AGAIN: LED(pins.again, pin_factory=factory),
            Lamp.LINK: LED(pins.link, pin_factory=factory),
            Lamp.PAPER: LED(pins.paper, pin_factory=factory),
        }
        self._buzzer = PWMOutputDevice(pins.buzzer, frequency=SOUNDS[Tone.HIGH][0], pin_factory=factory)
        self._waiting: dict[bool, tuple[Tone, ...]] = {}
        self._changed = threading.Condition()
        self._cut = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._sound, name="buzzer", daemon=True)
        self._thread.start()

    def show(self, signal: Signal) -> None:
        """Shows a signal from now on."""
        pattern: Pattern = signal.value
        rhythms = dict(pattern.lamps)
        for lamp, led in self._lamps.items():
            if (lamp is Lamp.LINK) == signal.on_link_lamp:
                _shine(led, rhythms.get(lamp))
        with self._changed:
            if signal is Signal.SEARCHING:
                self._waiting.clear()
                self._cut.set()
            if pattern.tones:
                self._waiting[signal.on_link_lamp] = pattern.tones
                self._changed.notify()

    def close(self) -> None:
        """Ends in order: dark and silent."""
        with self._changed:
            self._closed = True
            self._cut.set()
            self._changed.notify()
        self._thread.join()
        for device in (*self._lamps.values(), self._buzzer):
            device.close()

    def _sound(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                tones = self._waiting.pop(min(self._waiting))
                self._cut.clear()
            for tone in tones:
                hertz, ms = SOUNDS[tone]
                self._buzzer.frequency = hertz
                self._buzzer.value = 0.5
                self._cut.wait(ms / 1000)
                self._buzzer.value = 0
                if self._cut.wait(GAP_MS / 1000):
                    break


def _shine(led: LED, rhythm: Rhythm | None) -> None:
    if rhythm is None:
        led.off()
    elif rhythm.off_ms == 0 and rhythm.times == 0:
        led.on()
    else:
        on, off = rhythm.on_ms / 1000, rhythm.off_ms / 1000
        led.blink(on, off, rhythm.times or None)  # pyright: ignore[reportArgumentType]  whole seconds are its default only
