"""The moving: how a hub says where it is from now on, with the key that signs its receipts."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import segno

from hub import notices
from hub.keys import Keys
from hub.settings import Settings
from wire import note
from wire.bundle import ROOT
from wire.errors import OurFault
from wire.move import SUFFIX, Move, Place

MODULE_MM = 0.8
"""Of the printed QR code: 9 px to the unit's camera, thrice what it needs; the whole code is 60 mm, and the tray 82."""

BORDER = 4
POINTS_A_MM = 72 / 25.4
PNG_SCALE = 8


def move(settings: Settings, at: Sequence[str], now: int) -> Move:
    """Signs where this hub is, and keeps it for units to be told; what was signed is returned.

    Args:
        settings: the hub's.
        at: where units reach its broker, `HOST:PORT`, the one to try first in front.
        now: the hub's clock, seconds since 1970 UTC.

    Raises:
        OurFault: a place is none, units would not believe this hub's key, or the folder cannot be written.
    """
    signer = Keys.read(settings.keys, settings.name).signer
    # Numbers rise though the folder were lost with the machine: the clock does.
    number = max(now, 1 + notices.last(settings.notices, settings.name, settings.hubs))
    try:
        said = Move(
            brokers=tuple(msgspec.convert(list(map(_place, at)), list[Place])),
            deployment=settings.deployment,
            hub=settings.name,
            number=number,
        )
        content = note.write(said, signer)
    except (msgspec.ValidationError, AssertionError) as error:
        raise OurFault(f"--at {' '.join(at)}: {error}: give 1 to 4 of HOST:PORT") from error
    return notices.keep(settings.notices, content, settings.deployment, settings.hubs)


def _place(text: str) -> dict[str, str | int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        raise OurFault(f"--at {text}: expected HOST:PORT: give the port too, 8883 for one")
    return {"host": host.removeprefix("[").removesuffix("]"), "port": int(port)}


def hand_out(settings: Settings, folder: Path) -> list[Path]:
    """Writes a hub's own move for people to carry: as a QR code to be shown to units, and as a file for sticks.

    The folder may be a stick itself; units find the file there.

    Raises:
        OurFault: it cannot be written.
    """
    name = settings.name
    content = notices.read(settings.notices / f"{name}{SUFFIX}")
    code = segno.make_qr(content, error="m", mode="byte", boost_error=False)
    file = folder / ROOT / settings.deployment / f"{name}{SUFFIX}"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        code.save(str(folder / f"{name}-move.png"), scale=PNG_SCALE, border=BORDER)
        code.save(str(folder / f"{name}-move.pdf"), scale=MODULE_MM * POINTS_A_MM, border=BORDER)
    except OSError as error:
        raise OurFault(f"{folder}: {error.strerror}: name a folder that can be written") from error
    return [folder / f"{name}-move.pdf", folder / f"{name}-move.png", file]
