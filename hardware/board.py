"""The board: the body of a real unit, put together."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Event

from device.mqtt import MqttLink
from device.ports import Body, Indicator, Post
from device.settings import Settings
from device.signals import FaultCode
from device.store import CardError
from hardware.calibration import FILE
from hardware.camera import PiCamera, open_camera
from hardware.clock import SystemClock
from hardware.gpio import open_pins
from hardware.network import FOLDER as NETWORK
from hardware.network import CardNetwork
from hardware.pins import Pins
from hardware.signer import make_key as make_key
from hardware.signer import open_signer as open_signer
from hardware.sticks import FOLDER, Socket
from hardware.storage import CardStorage
from hardware.watchdog import Watchdog
from wire.errors import OurFault
from wire.topics import Leaf, Topic


@dataclass(frozen=True, slots=True)
class Board(Body):
    """A body, and what only has to be held on to: its button, its socket for sticks, and what measures it."""

    beside: tuple[object, ...]


def make_body(settings: Settings, post: Post) -> Body:
    """The body of the Raspberry Pi that this runs on.

    Raises:
        OurFault: this is none, its pins cannot be had, or the settings do not fit it.
        CardError: its card is not there; its lamps say so.
    """
    factory = open_pins()
    # These import gpiozero, and so come after it is known to be there.
    from hardware.button import PushButton
    from hardware.health import Sensors, Watch
    from hardware.indicator import PinIndicator
    from hardware.power import Lines

    pins, clock, changed = Pins(), SystemClock(), Event()
    indicator = PinIndicator(pins, factory, post)
    try:
        storage = card_of(settings)
    except OurFault as error:
        indicator.show(FaultCode.CARD)
        raise CardError(str(error)) from error
    lines = Lines(pins, factory, changed.set, post)
    subscription = str(Topic(settings.deployment, settings.unit, Leaf.RECEIPT))
    return Board(
        camera=PiCamera(partial(open_camera, settings.card / FILE), post),
        indicator=indicator,
        clock=clock,
        storage=storage,
        link=MqttLink(settings.brokers, settings.base, settings.unit, subscription, post),
        network=CardNetwork(NETWORK, post),
        beside=(
            PushButton(pins.button, factory, post),
            Watch(Sensors(storage.folder, clock, lines), post, changed),
            Socket(FOLDER, post),
        ),
    )


def open_indicator() -> Indicator:
    """The lamps alone, of a unit that cannot run.

    Raises:
        OurFault: this is no Raspberry Pi, or its pins cannot be had.
    """
    factory = open_pins()
    from hardware.indicator import PinIndicator

    return PinIndicator(Pins(), factory, lambda _event: None)


def open_watchdog() -> Callable[[], None]:
    """What the unit's own thread calls between any two events."""
    return Watchdog().alive


def card_of(settings: Settings) -> CardStorage:
    """The card alone, of a unit that is not running.

    Raises:
        OurFault: it is not there.
    """
    return CardStorage(settings.card)
