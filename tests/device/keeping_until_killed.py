"""The program that tests kill: keeps records on a card for ever, and prints the place of each once it is kept."""

import itertools
import sys
from pathlib import Path

from tests.device.cards import keep, opened


def main(folder: Path) -> None:
    with opened(folder) as store:
        for number in itertools.count(1):
            place = keep(store, number)
            sys.stdout.write(f"{place.chain} {place.seq}\n")  # in one piece, however Python buffers: print writes four
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
