"""The move: a hub's own word on where units reach it from now on; its keys stay what they were.

Any carrier will do: another hub, a QR code, a stick. Units check a broker's certificate for the hub's name and not for
its address, so whoever repeats an old move, or stands at the new address, gains nothing by it but time.
"""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from wire.fields import Host, Name, Port, Positive
from wire.note import Statement

PLACES_MAX = 4
"""Each that is dead costs a unit up to a minute."""

SUFFIX = ".move"
"""On a stick, a move is the file `testigo/<deployment>/<hub>.move`."""


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a broker is."""

    host: Host
    port: Port


class Move(Statement, frozen=True, kw_only=True):
    """Where units reach a hub from now on.

    Attributes:
        brokers: where its broker is, the one to try first at the top.
        deployment: whose election trial or night it is.
        hub: the hub's name, and signer.
        number: rises with each move of the hub.
    """

    KIND: ClassVar[str] = "testigo/move/1"

    brokers: Annotated[tuple[Place, ...], Meta(min_length=1, max_length=PLACES_MAX)]
    deployment: Name
    hub: Name
    number: Positive

    @property
    def author(self) -> str:
        """The hub."""
        return self.hub


def is_note(payload: str) -> bool:
    """Whether a QR code's text begins as a move does, forged or not."""
    return payload.startswith(f"{Move.KIND}\n")
