"""The button: what goes down and comes up between a pin and ground, without its bounces."""

import threading

from gpiozero import DigitalInputDevice
from gpiozero.pins import Factory

from device.ports import ButtonHeld, ButtonPressed, ButtonReleased, PartMissing, Post
from device.signals import FaultCode
from hardware.pins import Pin

BOUNCE_SECONDS = 0.03
"""Longer than contacts bounce (20 ms), shorter than anyone presses: a level counts once it has stood for so long."""


class PushButton:
    """A push button between a pin and ground; of one whose pin cannot be had, nothing is ever heard but that.

    Args:
        pin: where it hangs.
        factory: where pins come from.
        post: the inbox.
    """

    def __init__(self, pin: Pin, factory: Factory, post: Post) -> None:
        self._post = post
        self._changing = threading.Lock()
        self._is_down = False
        self._button: DigitalInputDevice | None = None
        try:
            # gpiozero holds callbacks weakly: nothing is heard any more when this object is let go. Its `Button` has a
            # thread more, to time holds, which is the firmware's to do (device/hold.py).
            self._button = DigitalInputDevice(pin.bcm, pull_up=True, bounce_time=BOUNCE_SECONDS, pin_factory=factory)
        except Exception as error:  # noqa: BLE001  lgpio and gpiozero raise many kinds, and a unit can still send
            why = f"the button's pin cannot be used ({error}): end whatever else uses it, and restart the unit"
            post(PartMissing(why, FaultCode.BUTTON))
            return
        with self._changing:
            self._button.when_activated = self._went_down
            self._button.when_deactivated = self._came_up
            if self._button.is_active:
                self._is_down = True
                post(ButtonHeld())

    def close(self) -> None:
        """Lets the pin go."""
        if self._button is not None:
            self._button.close()

    def _went_down(self) -> None:
        with self._changing:
            if not self._is_down:  # else it went down while this was made, and that was told
                self._is_down = True
                self._post(ButtonPressed())

    def _came_up(self) -> None:
        with self._changing:
            if self._is_down:
                self._is_down = False
                self._post(ButtonReleased())
