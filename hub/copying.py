"""The copy: all that this hub holds, as files in a folder that another hub imports like a unit's stick.

What has left a card is with the hubs only. So where one of them was restored from an old backup, another has what it
lacks. Nobody need believe the hub that copies: envelopes are signed by their units, and pictures named by their bytes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from hub.folder import PIECE_BYTES, Folder
from hub.ledger import Ledger
from hub.stick import many
from wire.bundle import ROOT, File, Leaf
from wire.envelope import Sealed, join
from wire.errors import OurFault


def copy(ledger: Ledger, pictures: Path, deployment: str, to: Path) -> Iterator[str]:
    """Writes every envelope of a chain, and every picture that is whole; what is there already is only read again.

    Args:
        ledger: of the hub, which may be running.
        pictures: its folder of pictures.
        deployment: whose they are.
        to: a folder that is there, on a stick or a disk.

    Yields:
        For each unit, what of it is there now.

    Raises:
        OurFault: the folder cannot be written; what was written stays, and the next time goes on from there.
    """
    whole = defaultdict[str, list[Sealed]](list)
    for unit, picture in ledger.named_pictures(whole=True):
        whole[unit].append(picture.name)
    try:
        with Folder.at(to.resolve()) as top, top.made(ROOT) as root, root.made(deployment) as ours:
            for unit, held in groupby(ledger.publications(), itemgetter(0)):
                publications = (join(note, sealed) for _, note, sealed in held)
                with ours.made(unit) as folder:
                    yield f"{unit}: {_copy(folder, publications, whole[unit], pictures)}"
    except OSError as error:
        raise OurFault(
            f"folder {to}: {error.strerror}: see that it is there, mounted to be written and has room, and copy again"
        ) from error


def _copy(folder: Folder, publications: Iterable[bytes], whole: Iterable[Sealed], pictures: Path) -> str:
    records = copied = lost = 0
    for publication in publications:
        _put(folder, File(Sealed.of(publication).sha256, Leaf.ENVELOPE), [publication])
        records += 1
    for picture in whole:
        if _put(folder, File(picture.sha256, Leaf.PICTURE), _pieces(pictures / picture.sha256)):
            copied += 1
        else:
            lost += 1
    folder.sync()
    told = f"{many(records, 'record')}, {many(copied, 'picture')}"
    return f"{told}; {many(lost, 'picture')} lost on this hub's disk: say testigo-hub check" if lost else told


def _put(folder: Folder, file: File, content: Iterable[bytes]) -> bool:
    """Writes a file, unless it is there whole; whether it is there now."""
    if folder.has(str(file), file.sha256, file.leaf.bytes_max) is not None:
        return True
    return folder.write(str(file), content, file.sha256) is not None


def _pieces(path: Path) -> Iterator[bytes]:
    """A picture's bytes; of one that cannot be read nothing more, so that it is not what its name says."""
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece
    except OSError:
        return
