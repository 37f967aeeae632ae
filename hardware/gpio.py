"""The pins' chip: gpiozero's way to the pins of this machine, by lgpio; or one sentence that says why there is none."""

import os
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from wire.errors import OurFault

if TYPE_CHECKING:
    from gpiozero.pins import Factory

MODEL = Path("/proc/device-tree/model")


def open_pins(model: Path = MODEL) -> "Factory":
    """The pins of this machine.

    Args:
        model: where the kernel names the board.

    Raises:
        OurFault: it has none that can be used.
    """
    try:
        # As it loads, lgpio makes a pipe where it is told to, changes to that folder, and leaves the pipe there: a unit
        # may write only to its card, and goes by paths from where it was started.
        with TemporaryDirectory(prefix="lgpio-") as folder, chdir(Path.cwd()):
            os.environ["LG_WD"] = folder
            from gpiozero.pins.lgpio import LGPIOFactory
    except ImportError as error:
        library = str(error.name).partition(".")[0]
        raise OurFault(
            f"this machine has no {library}: run the firmware on a Raspberry Pi (whose system has python3-lgpio), "
            "or try it without hardware with testigo-sim"
        ) from error
    finally:
        os.environ.pop("LG_WD", None)
    try:
        return LGPIOFactory()
    except Exception as error:  # lgpio and gpiozero raise many kinds
        raise OurFault(f"the pins cannot be had ({error}): {_advice(model)}") from error


def _advice(model: Path) -> str:
    board = model.read_text("ascii", "replace").rstrip("\0") if model.exists() else "no Raspberry Pi"
    if not board.startswith("Raspberry Pi"):
        return f"this is {board}; run the firmware on a Raspberry Pi, or try it without hardware with testigo-sim"
    return "let the user of the unit be in the group gpio, and end whatever else uses the pins"
