"""The bench: `python -m bench` runs every benchmark; `python -m bench NAME` runs one."""

import importlib
import sys

NAMES = ("keeping", "starting", "custody")


def main(arguments: list[str]) -> int:
    """Runs the benchmarks named, or all; returns the exit status."""
    unknown = set(arguments) - set(NAMES)
    if unknown:
        print(f"bench: there is no {', '.join(sorted(unknown))}: choose from {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in arguments or NAMES:
        print(f"== {name}", flush=True)
        importlib.import_module(f"bench.{name}").run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
