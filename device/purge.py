"""The purge on demand: whatever enough hubs have receipted leaves the card now, and not only when room is needed."""

import sys
from enum import Enum

from device.alone import alone_on
from device.keys import OpenSigner, signer_from
from device.ports import Storage
from device.settings import Settings
from device.store import Store
from wire.log import line


def purge(settings: Settings, card: Storage, now: int, open_signer: OpenSigner = signer_from) -> str:
    """Removes all that may go from the card of a unit that is not running.

    Args:
        settings: the unit's.
        card: its card.
        now: the believed date, seconds since 1970 UTC, for the log.
        open_signer: makes the signer of its key.

    Returns:
        One sentence: what has gone, what is left, and why.

    Raises:
        OurFault: the unit is running, or its key cannot be used.
        CardError: the card cannot be used.
    """

    def log(event: Enum, **facts: str | float) -> None:
        print(line(event, now, facts), file=sys.stderr, flush=True)  # noqa: T201

    verifier = open_signer(settings.key, settings.unit).verifier
    with alone_on(card.folder):
        store = Store(card, verifier, settings.hubs, settings.receipts, log)
        try:
            before = store.count()
            freed = store.purge(sys.maxsize)
            left, receipts = store.count(), store.purge_receipts
            waiting = store.waiting_count(receipts)
        finally:
            store.close()
    return (
        f"{before - left} records purged, {freed} bytes; {left} left, {waiting} of them for want of {receipts} receipts"
        f" and the rest because a chain's last one always stays, or because the card refuses, which is told above"
    )
