"""The board: the body of a real unit, put together."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from device.mqtt import MqttLink
from device.ports import Body, Post
from device.settings import Settings
from hardware.clock import SystemClock
from hardware.pins import Pins
from hardware.storage import CardStorage
from wire.errors import OurFault
from wire.topics import Leaf, Topic


@dataclass(frozen=True, slots=True)
class Board(Body):
    """A body, and its button, which only has to be held on to."""

    button: object


def make_body(settings: Settings, post: Post) -> Body:
    """The body of the Raspberry Pi that this runs on.

    Raises:
        OurFault: this is none, its pins cannot be had, or the settings do not fit it.
    """
    factory, picamera2 = _libraries()
    # These import gpiozero, and so come after it is known to be there.
    from hardware.button import PushButton
    from hardware.camera import PiCamera, open_camera
    from hardware.indicator import PinIndicator

    pins = Pins()
    subscription = str(Topic(settings.deployment, settings.unit, Leaf.RECEIPT))
    return Board(
        camera=PiCamera(partial(open_camera, picamera2), post),
        indicator=PinIndicator(pins, factory),
        clock=SystemClock(),
        storage=card_of(settings),
        link=MqttLink(settings.brokers, settings.base, settings.unit, subscription, post),
        button=PushButton(pins.button, factory, post),
    )


def card_of(settings: Settings) -> CardStorage:
    """The card alone, of a unit that is not running.

    Raises:
        OurFault: it is not there.
    """
    return CardStorage(settings.card)


def _libraries() -> tuple[Any, Any]:
    """The factory of this machine's pins, and the class `Picamera2`."""
    try:
        from gpiozero.pins.lgpio import LGPIOFactory
        from picamera2 import Picamera2  # pyright: ignore[reportMissingImports]

        return LGPIOFactory(), Picamera2
    except ImportError as error:
        raise OurFault(
            f"this machine has no {error.name}: run the firmware on a Raspberry Pi (whose system has python3-picamera2 "
            "and python3-lgpio), or try it without hardware with testigo-sim"
        ) from error
    except Exception as error:  # lgpio, gpiozero and libraries built for another numpy raise many kinds
        raise OurFault(
            f"pins or camera cannot be had: {error}: see docs/on-device.md, 'Before the first start'"
        ) from error
