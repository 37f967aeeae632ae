"""The check: whether the pictures that the ledger calls whole are still whole on the hub's disk.

Those that are not are marked, so that the receipts ask for them again; units that still have them send them again.
"""

import itertools
from operator import itemgetter

from hub.ledger import Ledger, Picture
from hub.log import Event
from hub.pictures import MARK, Pictures
from wire.errors import OurFault
from wire.log import Log

NAMED_MAX = 16
"""How many lost pictures of a unit the log names: they can be looked for on another disk."""


def check_at_start(ledger: Ledger, pictures: Pictures, log: Log) -> None:
    """Looks at the names and sizes of all files; 100,000 take about a second.

    Raises:
        OurFault: nothing of ours is there, which looks like a disk that is not mounted.
    """
    whole, sizes = ledger.named_pictures(whole=True), pictures.sizes()
    lost = [each for each in whole if sizes.get(each[1].name.sha256) != each[1].name.size]
    if any(picture.name.sha256 in sizes for _, picture in whole):
        pictures.mark()  # of a hub that knew no mark
    elif whole and MARK not in sizes:
        raise OurFault(
            f"{pictures}: expected {len(whole)}, found none: mount the disk that they are on, or say testigo-hub check "
            "to have them sent again"
        )
    _lose(ledger, lost, log)


def check(ledger: Ledger, pictures: Pictures, log: Log) -> tuple[int, int]:
    """Reads all files, as long as that takes; also those of pictures that were lost, for a disk may come back.

    Returns:
        How many pictures are whole, and how many no longer are; the log says which.
    """
    whole = ledger.named_pictures(whole=True)
    lost = [each for each in whole if not pictures.holds(each[1].name)]
    _lose(ledger, lost, log)
    found = [each for each in ledger.named_pictures(whole=False) if pictures.holds(each[1].name)]
    with ledger.transaction():
        for unit, picture in found:
            ledger.complete(picture.id)
            ledger.forget_chunks(unit, picture.name.sha256)
    return len(whole) - len(lost) + len(found), len(lost)


def _lose(ledger: Ledger, lost: list[tuple[str, Picture]], log: Log) -> None:
    with ledger.transaction():
        ledger.lose([picture for _, picture in lost])
    for unit, pictures in itertools.groupby(lost, key=itemgetter(0)):
        names = [picture.name.sha256 for _, picture in pictures]
        log(Event.PICTURE_LOST, unit=unit, count=len(names), sha256=" ".join(names[:NAMED_MAX]))
