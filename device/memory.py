"""The memory: what was read and photographed is in clear there and nowhere else, also when a program fails."""

import ctypes
import resource
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def never_dump() -> None:
    """Has the kernel write no core of this process, nor hand one to a program that collects them.

    For the latter the limit alone does not do. Nor can others of the same user read its memory now. What is executed
    in its place has to ask for it again.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def where(error: BaseException) -> str:
    """Where an error was raised, innermost first, and of what kind it is; not its text, which may quote a payload."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    steps = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    cause = error.__cause__ or error.__context__
    return f"{type(error).__name__} in {steps}" + (f", after {where(cause)}" if cause else "")


def tell_where(tell: Callable[[str], None]) -> None:
    """Has `tell` called with `where` of whatever nobody catches, on any thread, where Python would print it whole."""
    sys.excepthook = lambda _kind, error, _trace: tell(where(error))
    threading.excepthook = lambda fell: tell(where(fell.exc_value or fell.exc_type()))
    sys.unraisablehook = lambda fell: tell(where(fell.exc_value or fell.exc_type()))
