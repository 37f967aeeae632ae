"""The quota: how much of a hub one unit may fill, so that none takes the place of the others.

What is beyond it is refused with a signed reason and not kept. The unit goes on holding it and offers it again, so
that whoever raises the quota loses nothing.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from wire.errors import OurFault, TheirFault

STRAYS_MAX = 256
"""How many envelopes beside one chain are kept as evidence. One proves a fork; the others cost room."""

MEGABYTE = 1_000_000


class QuotaError(TheirFault):
    """The unit has as much at this hub as it may have."""

    why = "quota"


class NoRoomError(TheirFault):
    """The hub's disk is nearly full: what room there is left is for envelopes."""

    why = "no-room"


@dataclass(frozen=True, slots=True)
class Quota:
    """What one unit may have at a hub; see the settings of these names for why.

    Attributes:
        chains: how many chains, of those that its present key began.
        records: how many places each of them.
        picture_bytes: how many bytes of sealed pictures, whole or not, over all chains.
        free_bytes: how much of the hub's disk is left for other things than pictures.
    """

    chains: int = 8
    records: int = 3000
    picture_bytes: int = 4000 * MEGABYTE
    free_bytes: int = 1000 * MEGABYTE


def free_bytes(folders: Iterable[Path]) -> Callable[[], int]:
    """Tells, when it is asked, how much room is left for us on the fullest of these folders' disks."""
    places = tuple(folders)

    def free() -> int:
        try:
            return min(status.f_bavail * status.f_frsize for status in map(os.statvfs, places))
        except OSError as error:
            raise OurFault(f"folder {error.filename}: {error.strerror}: see that its disk is mounted") from error

    return free
