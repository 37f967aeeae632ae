"""The desk for cards: what `testigo-provision kit` and `write` do for whoever sits at it with a box of cards."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from provisioning.authority import Authority, to_hubs
from provisioning.cards import Batch, Card
from provisioning.image import Disk, Folder, Image, check_foreign, copy, disk_at, held, look_again, serial_of
from provisioning.kit import Kit
from wire.errors import OurFault

Ask = Callable[[str], str]
"""Asks whoever is at the desk something."""

LABELS = "labels.pdf"


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Adds the commands `kit` and `write`."""
    kit = commands.add_parser("kit", help="fetch and build what every card is given alike; needs a network")
    kit.add_argument("kit", type=Path, metavar="KIT", help="a new folder")
    write = commands.add_parser("write", parents=[common], help="write the cards of new units, one after the other")
    write.add_argument("--deployment", type=Path, required=True, metavar="FILE", help="the deployment package")
    write.add_argument("--kit", type=Path, required=True, metavar="KIT", help="its folder")
    write.add_argument(
        "--to",
        type=Path,
        required=True,
        metavar="TARGET",
        help="the boot partition of a fresh card, where it is mounted; or with --image a disk, or a folder for images",
    )
    write.add_argument("--image", type=Path, metavar="FILE.img", help="Raspberry Pi OS Lite, unpacked")
    write.add_argument("--count", type=int, default=1, metavar="N", help="how many (default: 1)")
    write.add_argument("--network", type=Path, metavar="FILE", help="a netplan file; else any cable will do")
    write.add_argument("--enrol", action="store_true", help="let the units make their keys themselves, and enrol")
    write.add_argument(
        "--key", default="unit.pem", metavar="REF", help="with --enrol: where, such as tpm:0x81010001 (default: a file)"
    )
    write.add_argument("--root", type=Path, metavar="FILE", help="1.root.json of the releases that units may take")
    write.add_argument("--mirrors", nargs="+", default=(), metavar="URL", help="with --root: where else than on sticks")
    write.add_argument("--labels", type=Path, default=Path(LABELS), metavar="FILE.pdf", help=f"(default: {LABELS})")


def do_write(options: argparse.Namespace, authority: Authority, ask: Ask) -> None:
    """Writes cards.

    Raises:
        OurFault: it cannot be done; cards written before are good, and in the register.
    """
    from provisioning import labels  # it draws, which no other command needs a library for

    if options.count < 1:
        raise OurFault(f"{options.count} cards: give at least one")
    if options.labels.exists():
        raise OurFault(f"{options.labels} is there already: print it, or name another with --labels")
    if options.key != "unit.pem" and not options.enrol:
        raise OurFault(f"--key {options.key} goes with --enrol: what hardware keeps is made there")
    if options.mirrors and options.root is None:
        raise OurFault("--mirrors goes with --root: nothing of a mirror is believed without it")
    batch = Batch.of(
        authority,
        Kit.open(options.kit),
        options.deployment,
        options.network,
        enrols=options.enrol,
        key=options.key,
        root=options.root,
        mirrors=options.mirrors,
    )
    written = list[Card]()
    try:
        for number in range(1, options.count + 1):
            with _bar(f"card {number} of {options.count}") as bar:
                written.append(_one(options, batch, number, ask, bar))
            print(f"{written[-1].unit}: written, and read back")
    finally:
        if written:
            options.labels.write_bytes(labels.pdf(authority.deployment, [card.unit for card in written]))
            print(f"{options.labels}: labels and quick cards of {len(written)} units")
            print(to_hubs(authority.folder))


def _one(options: argparse.Namespace, batch: Batch, number: int, ask: Ask, bar: Progress) -> Card:
    """Writes one card, wherever it is."""
    target: Path = options.to
    task = bar.tasks[0].id
    bar.update(task, total=2 * batch.size)

    def progress(size: int) -> None:
        bar.advance(task, size)

    if options.image is None:
        if not target.is_dir():
            raise OurFault(f"{target}: no folder: mount the card's boot partition there, or say --image")
        if number > 1:
            _pause(bar, ask, f"put in card {number}, mounted at {target}, and press Enter")
        check_foreign(target)
        return batch.write(Folder(target), serial_of(target), progress)
    bar.update(task, total=2 * (batch.size + options.image.stat().st_size))
    if target.is_dir():
        file = target / f"card-{number}.img"
        if file.exists():
            raise OurFault(f"{file} is there already: name an empty folder")
        try:
            copy(options.image, file, progress)
            card = batch.write(Image(file), "", progress)
            file.rename(target / f"{card.unit}.img")
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        return card
    if number > 1:
        _pause(bar, ask, f"put card {number} into {target}, and press Enter")
    disk = disk_at(target)
    _confirm(bar, ask, disk)
    with held(disk):
        look_again(disk)
        copy(options.image, target, progress)
        return batch.write(Image(target), serial_of(target), progress)


def _confirm(bar: Progress, ask: Ask, disk: Disk) -> None:
    """Has the size of a disk typed before all that is on it goes."""
    question = f"{disk}: everything on it will be lost. Type its size as it is printed here ({disk.size_words}): "
    if _pause(bar, ask, question).strip() != disk.size_words:
        raise OurFault(f"{disk.path}: its size was not typed: nothing was written")


def _pause(bar: Progress, ask: Ask, question: str) -> str:
    bar.stop()
    answer = ask(f"{question} ")
    bar.start()
    return answer


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        bar.add_task(what)
        yield bar


def do_kit(options: argparse.Namespace) -> None:
    """Makes a kit.

    Raises:
        OurFault: it cannot be fetched or built.
    """
    kit = Kit.make(options.kit)
    size = sum(wheel.stat().st_size for wheel in kit.wheels) // 10**6
    print(f"{kit.folder}: {len(kit.wheels)} wheels, {size} MB; carry it to the desk")
