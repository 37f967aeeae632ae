"""The standing: what control cards and moves have changed for good, remembered on the card.

Numbers alone stand there, moves, and which hub to try first: no network, no centro, nothing that was reported.
"""

import msgspec

from device import durable
from device.control import Taken, Trust, judge
from device.log import Event
from device.ports import Storage
from device.store import CardError
from wire.control import Hub
from wire.log import Log
from wire.move import Move
from wire.settings import Broker


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """What the file holds: the hub to try first, moves by hub, numbers by what they are of."""

    first: str = ""
    moves: dict[str, str] = {}
    numbers: dict[str, int] = {}


class Standing:
    """What holds until something else is said.

    Args:
        storage: the card.
        trust: whom the unit believes.
        log: told when what was remembered is lost.
    """

    def __init__(self, storage: Storage, trust: Trust, log: Log) -> None:
        self._path = storage.folder / "standing"
        self._trust = trust
        self._file = _File()
        try:
            self._file = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            # It is asked for again by showing the cards again: nothing to stop a unit for.
            log(Event.CARD_REPAIRED, what=f"which control cards were taken is forgotten: {error}")

    @property
    def numbers(self) -> dict[str, int]:
        """The highest number taken of each kind."""
        return self._file.numbers

    def take(self, taken: Taken) -> bool:
        """Remembers what was taken; whether brokers are to be tried in another order, or other ones.

        Raises:
            CardError: the card refuses; nothing has changed.
        """
        before = self._file
        numbers = before.numbers | {taken.what: taken.number}
        match taken.said:
            case Move() as move:
                after = _File(before.first, before.moves | {move.hub: taken.note.decode("utf-8")}, numbers)
            case Hub(hub):
                after = _File(hub, before.moves, numbers)
            case _:
                after = _File(before.first, before.moves, numbers)
        if after == before:
            return False
        try:
            durable.replace(self._path, msgspec.json.encode(after))
        except OSError as error:
            raise CardError(f"card: what was shown could not be remembered: {error}: show it again") from error
        self._file = after
        return (after.first, after.moves) != (before.first, before.moves)

    def brokers(self, given: tuple[Broker, ...]) -> tuple[Broker, ...]:
        """The brokers by rank: those of hubs that moved where these are now, and behind them all where they were.

        So no move, not even one signed by who has stolen a hub's key, keeps units from where their package sends them.
        """
        moves = {hub: move for hub, text in self._file.moves.items() if (move := self._move(text)) is not None}
        moved = [
            msgspec.structs.replace(given[0], hub=hub, host=place.host, port=place.port)  # the rest is the unit's own
            for hub, move in moves.items()
            for place in move.brokers
        ]
        first, ranks = self._file.first, {broker.hub: rank for rank, broker in reversed(list(enumerate(given)))}
        now = sorted(
            [*moved, *(broker for broker in given if broker.hub not in moves)],
            key=lambda broker: (not first or broker.hub != first, ranks.get(broker.hub, len(given))),
        )
        return tuple(dict.fromkeys((*now, *given)))

    def _move(self, text: str) -> Move | None:
        """A move that was taken, if the hub's key of today has signed it."""
        found = judge(text.encode("utf-8"), self._trust, {}, None)
        return found.said if isinstance(found, Taken) and isinstance(found.said, Move) else None
