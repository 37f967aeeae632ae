"""The delivery: releases of the firmware that came on a stick, copied to the card, where `testigo-update` finds them.

The firmware believes nothing of them and installs nothing: a folder on the card is a mirror like any other, whose files
python-tuf verifies. Here they are only bounded, and are whole.
"""

import re
from contextlib import ExitStack
from pathlib import Path

from device.corner import CARD_ROOM_BYTES
from device.folder import Folder
from device.ports import Storage

ON_STICK = "testigo-updates"
ON_CARD = "updates"

DELIVERY_BYTES_MAX = 512 * 1024 * 1024
"""Four times a release with all it depends on."""

FILES_MAX = 512
METADATA_BYTES_MAX = 512 * 1024

_METADATA = re.compile(r"[1-9][0-9]{0,8}\.(?:root|targets|snapshot)\.json|timestamp\.json")
_TARGET = re.compile(r"([0-9a-f]{64})\.[A-Za-z0-9._!+-]{1,180}")


def take(stick: Path, storage: Storage) -> tuple[int, str]:
    """Takes along what a stick has; done beside the unit.

    Returns:
        How many files were new, and what went wrong in words: neither the stick nor the unit is worse for it.
    """
    taken = 0
    try:
        with Folder.at(stick) as top, ExitStack() as open_:
            delivered = top.inner(ON_STICK)
            if delivered is None:
                return 0, ""
            open_.enter_context(delivered)
            here = open_.enter_context(open_.enter_context(Folder.at(storage.folder)).made(ON_CARD))
            room = min(DELIVERY_BYTES_MAX, storage.free() - CARD_ROOM_BYTES)
            # What is named comes before what names it: whoever looks meanwhile finds one whole state.
            taken += _take_targets(delivered, here, room)
            taken += _take_metadata(delivered, here)
    except OSError as error:
        return taken, f"{error.strerror or error}: not all of the releases could be copied: put the stick in once more"
    return taken, ""


def _take_targets(delivered: Folder, here: Folder, room: int) -> int:
    there = delivered.inner("targets")
    if there is None:
        return 0
    with there, here.made("targets") as ours:
        names = sorted(filter(_TARGET.fullmatch, there.names()))[:FILES_MAX]
        for name in set(ours.names()) - set(names):
            room += ours.size(name) or 0
            ours.remove(name)
        taken = 0
        for name in names:
            size = there.size(name)
            if size is None or ours.size(name) == size or size > room:
                continue
            if ours.write(name, there.pieces(name, size), name.partition(".")[0]) is not None:
                taken, room = taken + 1, room - size
        ours.sync()
        return taken


def _take_metadata(delivered: Folder, here: Folder) -> int:
    there = delivered.inner("metadata")
    if there is None:
        return 0
    with there, here.made("metadata") as ours:
        names = sorted(filter(_METADATA.fullmatch, there.names()))[:FILES_MAX]  # timestamp.json is the last
        taken = 0
        for name in names:
            size = there.size(name)
            if size is None or size > METADATA_BYTES_MAX:
                continue
            content = there.read(name, METADATA_BYTES_MAX)
            if ours.size(name) is None or ours.read(name, METADATA_BYTES_MAX) != content:
                ours.put(name, content)
                taken += 1
        for name in set(ours.names()) - set(names):
            ours.remove(name)
        return taken
