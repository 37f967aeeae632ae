"""The fates of a worker in tests: what it is asked says what becomes of it. Each worker loads this module."""

import ctypes
import gc
import os
import pickle
import resource
import signal
import struct
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec


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
        case "tells how soon the kernel ends it":
            return Path("/proc/self/oom_score_adj").read_text().strip()
        case _ if fate.startswith("answers with "):
            _answer(*fate.removeprefix("answers with ").split(": "))
        case _:
            pass
    return fate


def _answer(what: str, trap: str) -> None:
    """Answers, behind the back of the worker's own code, with something that would make a file of that name."""
    pipe: Connection[Any, Any] = next(held for held in gc.get_objects() if isinstance(held, Connection))
    match what:
        case "code":
            pipe.send_bytes(pickle.dumps(_Trap(trap)))
        case "another type":
            pipe.send_bytes(msgspec.msgpack.encode(("str", {"not": "a string"})))
        case _:
            os.write(pipe.fileno(), struct.pack("!i", 2**30))


class _Trap:
    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return open, (self._path, "x")
