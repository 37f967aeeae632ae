"""The fates of a worker in tests: what it is asked says what becomes of it. Each worker loads this module."""

import ctypes
import os
import resource
import signal
from collections.abc import Callable


def fates() -> Callable[[str], str]:
    """An answering side to which each request says what becomes of it."""
    return meet


def meet(fate: str) -> str:
    """Meets that fate; gives it back where the worker lives on."""
    match fate:
        case "loops for ever":
            os.write(1, b"looping\n")
            while True:
                pass
        case "segfaults":
            ctypes.string_at(0)
        case "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exits":
            os._exit(3)
        case "eats memory":
            bytes(3 * 2**30)
        case "is interrupted":
            os.kill(os.getpid(), signal.SIGINT)
        case "names its process":
            return str(os.getpid())
        case "tells the limit of its core file":
            return str(resource.getrlimit(resource.RLIMIT_CORE)[0])
        case _:
            pass
    return fate
