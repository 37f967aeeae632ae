"""The controlling: control cards and moves, signed by a trial's own keys, for the tests of what units make of them."""

from typing import Any

from hub.keys import Keys
from hub.settings import read
from sim.clock import DATE
from sim.deployment import Deployment
from wire import note
from wire.control import Control, Order
from wire.move import Move, Place

DAY = 86_400


def card(of: Deployment, order: Order, **changes: Any) -> str:
    """The text of a control card's QR code, good for today."""
    stated: dict[str, Any] = {
        "begin": DATE - DAY,
        "deployment": "trial",
        "end": DATE + DAY,
        "number": 7,
        "order": order,
        "signer": of.cards.verifier.name,
        "units": (),
        **changes,
    }
    return note.write(Control(**stated), of.cards).decode("latin-1")


def move(of: Deployment, hub: int, number: int, *ports: int) -> bytes:
    """A hub's own word that its broker is at these ports of the loopback."""
    settings = read(of.hubs[hub])
    places = tuple(Place("127.0.0.1", port) for port in ports)
    said = Move(brokers=places, deployment=settings.deployment, hub=settings.name, number=number)
    return note.write(said, Keys.read(settings.keys, settings.name).signer)
