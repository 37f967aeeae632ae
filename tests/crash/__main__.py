"""The power cut at the command line.

    python -m tests.crash RECORDING MODEL/CUT/DRAW SEED    replays one state of a recording
    python -m tests.crash FOLDER FIRST LAST                hunts with each of these seeds, with new recordings in FOLDER

A replay says what was said before the cut, what was on the card and which promise was broken; the card is left in the
recording, to be looked at. A hunt says a line a seed, and may be taken up again at any of them.
"""

import shutil
import sys
from pathlib import Path

from tests.crash.hunt import SECONDS, State, cases, hunt_on_all_cores, judged
from tests.crash.recorder import load, record, write_card


def replay(folder: Path, state: State, seed: int) -> bool:
    """Whether the state keeps every promise."""
    recording = load(folder)
    (case,) = cases(recording, [state], seed)
    left = folder / str(state).replace("/", "-")
    shutil.rmtree(left, ignore_errors=True)
    write_card(left, case.card)
    print(*case.said, "", sep="\n")
    for path, content in case.card.items():
        print(f"{'folder' if content is None else len(content):>9} {path}")
    print(f"\nafter operation {state.cut}: {recording.ops[state.cut - 1]!r:.200}\nthe card is in {left}")
    promise = judged(case.card, case.said)
    print(f"broken: {promise}" if promise else "every promise was kept")
    return not promise


def hunt(folder: Path, first: int, last: int) -> bool:
    """Whether everything that was tried keeps every promise."""
    is_well = True
    for seed in range(first, last + 1):
        recordings = [record(folder / str(seed) / days, days) for days in ("weeks", "spoiled")]
        found = hunt_on_all_cores(recordings, SECONDS, seed)
        print(f"seed {seed}: {found}", flush=True)
        is_well = is_well and not found.broken
    return is_well


def main(folder: str, what: str, seed: str) -> int:
    path = Path(folder).resolve()
    return not (replay(path, State.parse(what), int(seed)) if "/" in what else hunt(path, int(what), int(seed)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
