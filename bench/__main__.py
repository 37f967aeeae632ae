"""The bench: `python -m bench` runs every benchmark; `python -m bench NAME` runs one, with its own options after it."""

import importlib
import sys

NAMES = ("keeping", "starting", "custody", "reading", "fused", "archive", "why", "never_wrong")


def main(arguments: list[str]) -> int:
    """Runs the benchmarks named, or all; returns the exit status."""
    options = next((place for place, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    names = arguments[:options] or list(NAMES)
    unknown = set(names) - set(NAMES)
    if unknown:
        print(f"bench: there is no {', '.join(sorted(unknown))}: choose from {', '.join(NAMES)}", file=sys.stderr)
        return 2
    if options < len(arguments) and len(names) > 1:
        print("bench: options belong to one benchmark: name it before them", file=sys.stderr)
        return 2
    status = 0
    for name in names:
        print(f"== {name}", flush=True)
        # Only those that count faults have a status, and only those that take options are given some.
        given = [arguments[options:]] if options < len(arguments) else []
        status |= importlib.import_module(f"bench.{name}").run(*given) or 0
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
