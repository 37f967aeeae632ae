"""The button: one press, one event."""

from gpiozero import Button
from gpiozero.pins import Factory

from device.ports import ButtonPressed, Post

BOUNCE_SECONDS = 0.03
"""Longer than contacts bounce, shorter than anyone presses: a level counts once it has stood this long."""


class PushButton:
    """A push button between a pin and ground.

    Args:
        pin: BCM number.
        factory: where pins come from.
        post: the inbox.
    """

    def __init__(self, pin: int, factory: Factory, post: Post) -> None:
        # gpiozero holds callbacks weakly: the press stops being heard when this object is let go.
        self._button = Button(pin, pull_up=True, bounce_time=BOUNCE_SECONDS, pin_factory=factory)
        self._button.when_pressed = lambda: post(ButtonPressed())
