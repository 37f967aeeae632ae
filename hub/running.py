"""The hub put together: settings, keys, register, ledger and pictures, as the intake that all programs use."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hub.intake import Intake
from hub.keys import Keys
from hub.ledger import Ledger
from hub.pictures import Pictures
from hub.register import Register
from hub.settings import Settings
from wire.log import Log


def about(settings: Settings) -> dict[str, str]:
    """What the ledger must be of."""
    return {"deployment": settings.deployment, "profile": settings.profile.id}


@contextmanager
def opened(settings: Settings, now: Callable[[], int], log: Log) -> Iterator[Intake]:
    """The hub's intake, with its ledger open.

    Args:
        settings: the hub's.
        now: tells the hub's clock, seconds since 1970 UTC.
        log: where to tell what happened.

    Raises:
        OurFault: keys, register or ledger cannot be used.
    """
    keys, register = Keys.read(settings.keys, settings.name), Register(settings.register, log)
    with Ledger.opened(settings.database, about(settings), write=True) as ledger:
        yield Intake(
            deployment=settings.deployment,
            ledger=ledger,
            pictures=Pictures(settings.pictures),
            keys=keys,
            register=register,
            profile=settings.profile,
            now=now,
            log=log,
        )
