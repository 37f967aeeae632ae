"""The hub put together: settings, keys, register, ledger and pictures, as the intake that all programs use."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hub.check import check_at_start
from hub.intake import Intake
from hub.keys import Keys
from hub.ledger import PACKAGE, Ledger
from hub.notices import Notices
from hub.pictures import Pictures
from hub.quota import free_bytes
from hub.register import Register
from hub.second import Second
from hub.settings import POSTGRESQL, Settings
from wire.errors import OurFault
from wire.log import Log


def about(settings: Settings) -> dict[str, str]:
    """What the ledger must be of, and of no later a package."""
    return {"deployment": settings.deployment, "profile": settings.profile.id, PACKAGE: str(settings.number)}


def folders(settings: Settings) -> list[Path]:
    """The folders that the hub writes in; a PostgreSQL server's are its own business."""
    is_file = not settings.database.startswith(POSTGRESQL)
    return [settings.pictures, *([Path(settings.database).parent] if is_file else [])]


@contextmanager
def opened(settings: Settings, now: Callable[[], int], log: Log, *, in_two: bool = False) -> Iterator[Intake]:
    """The hub's intake, with its ledger open.

    Args:
        settings: the hub's.
        now: tells the hub's clock, seconds since 1970 UTC.
        log: where to tell what happened.
        in_two: whether a second process shares the work, which is worth it where thousands of records come at once.

    Raises:
        OurFault: keys, register, ledger or pictures cannot be used.
    """
    keys, register = Keys.read(settings.keys, settings.name), Register(settings.register, log)
    if keys.signer.verifier != settings.hubs[settings.name]:
        raise OurFault(
            f"keys {settings.keys}: expected the key that package {settings.number} names for {settings.name}, found "
            "another: no unit would believe this hub: take its keys, or a package made since, from the authority"
        )
    second = Second(settings.deployment, settings.keys, settings.name, settings.profile) if in_two else None
    with (
        contextlib.closing(second) if second else contextlib.nullcontext(),
        Ledger.opened(settings.database, about(settings), write=True) as ledger,
    ):
        pictures = Pictures(settings.pictures)
        check_at_start(ledger, pictures, log)
        intake = Intake(
            deployment=settings.deployment,
            ledger=ledger,
            pictures=pictures,
            keys=keys,
            register=register,
            profile=settings.profile,
            now=now,
            log=log,
            second=second,
            quota=settings.quota,
            free=free_bytes(folders(settings)),
            notices=Notices(settings.notices, settings.deployment, settings.hubs, log),
        )
        intake.open_late()
        yield intake
