"""The bench program: what `testigo-bench` does."""

import argparse
import sys
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

from device import durable, readiness
from device.alone import alone_on
from device.dates import utc
from device.settings import Settings, read
from hardware import calibration
from hardware.bench import PARTS, UNATTENDED, Bench, calibrate
from hardware.calibration import FILE
from hardware.camera import open_camera
from hardware.clock import SystemClock
from hardware.gpio import open_pins
from hardware.signer import open_signer
from wire import note
from wire.errors import OurFault, TestigoError
from wire.readiness import Check, Readiness

UNENDED = "it was not looked at to its end: it hangs, or the power was cut: look at that part"


def main(arguments: list[str] | None = None) -> int:
    """Runs `testigo-bench`; returns its exit status: 0 if nothing is bad, 1 if something is, 2 if asked wrongly."""
    options = _parser().parse_args(arguments)
    try:
        settings = read(options.settings)
        bench = Bench(settings, cache(open_pins), partial(open_camera, settings.card / FILE), _say)
        with alone_on(settings.card):
            return run(bench, options.part)
    except TestigoError as error:
        print(f"testigo-bench: {error}", file=sys.stderr)
        return 2


def run(bench: Bench, part: str) -> int:
    """Looks at a part of a unit, calibrates it, looks at all, or has it look at itself; returns the exit status.

    Raises:
        TestigoError: it could not be calibrated, or its report not be signed.
    """
    if part == "calibrate":
        made = calibrate(bench)
        _say(f"calibrated: {made.id}; it is in {bench.settings.card / FILE}")
        return 0
    if part == "self-test":
        return self_test(bench)
    checks = [_told(bench, each) for each in (PARTS if part == "all" else (part,))]
    if part == "all":
        file = report(bench, checks)
        _say(f"the signed report is in {file}")
    return 1 if any(check.outcome == "bad" for check in checks) else 0


def self_test(bench: Bench) -> int:
    """Looks at what needs nobody at the unit; returns the exit status.

    There is a report from the beginning, in which all is bad that was not looked at to its end: a part that hangs, or a
    power cut, is told to the hubs too, and the unit, which starts no second self-test where there is a report, starts.

    Raises:
        OurFault: the key or the card cannot be used.
    """
    checks = {part: Check(outcome="bad", part=part, words=UNENDED) for part in UNATTENDED}
    report(bench, list(checks.values()))
    for part in UNATTENDED:
        checks[part] = _told(bench, part)
        report(bench, list(checks.values()))
    return 1 if any(check.outcome == "bad" for check in checks.values()) else 0


def report(bench: Bench, checks: list[Check]) -> Path:
    """Signs what was seen by the unit's key, and keeps it on its card.

    Raises:
        OurFault: the key or the card cannot be used.
    """
    settings = bench.settings
    signer, file = open_signer(settings.key, settings.unit), settings.card / readiness.FILE
    date, number = utc(SystemClock(bench.root).seconds())[:10], 1
    try:
        if before := readiness.found(settings.card, settings.deployment, signer.verifier):
            date, number = max(date, before[1].date), before[1].number + 1  # hubs take none that looks older
        made = Readiness(
            calibration=_calibration_of(settings),
            checks=tuple(checks),
            date=date,
            deployment=settings.deployment,
            firmware=version("testigo"),
            number=number,
            unit=settings.unit,
        )
        durable.replace(file, note.write(made, signer))
    except OSError as error:
        raise OurFault(f"report {file}: {error.strerror}: see whether the card can be written") from error
    return file


def _calibration_of(settings: Settings) -> str:
    """The id of the unit's calibration; empty when it has none that can be used, which the parts have told."""
    try:
        known = calibration.read(settings.card / FILE)
    except OurFault:
        return ""
    return known.id if known else ""


def _told(bench: Bench, part: str) -> Check:
    check = bench.check(part)
    _say(f"{check.part}: {check.outcome}: {check.words}")
    return check


def _say(words: str) -> None:
    print(words, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "testigo-bench", description="Looks at each part of a unit whose firmware is stopped."
    )
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE", help="the unit's settings")
    parser.add_argument(
        "part",
        choices=[*PARTS, "calibrate", "all", "self-test"],
        help="one part alone; calibrate: find and keep focus, light and scale; all: every part, and a signed report; "
        "self-test: the same of what needs nobody at the unit",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
