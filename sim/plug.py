"""The plug: pulled in the middle of a program, at any line of it.

What the program had in memory is gone, and its files are as its calls left them: what a kill leaves, or a power cut on
a card that has written everything. What a card may lose of what was not synced is enumerated by tests/crash.
"""

import sys
from collections.abc import Callable, Collection
from types import FrameType
from typing import Any


class PulledError(BaseException):
    """The plug was pulled. No program catches it: it is no `Exception`."""


class Plug:
    """The plug of one machine, or of one part of it.

    Args:
        modules: names of the modules whose lines are counted, the ones that touch the disk or decide what is on it.
        functions: of these modules, whose lines alone are counted; all, if none are named.
        error: what is raised.
    """

    def __init__(
        self,
        modules: Collection[str],
        functions: Collection[str] = (),
        error: Callable[[], BaseException] = PulledError,
    ) -> None:
        self._modules = frozenset(modules)
        self._functions = frozenset(functions)
        self._error = error
        self._lines: int | None = None

    def pull_after(self, lines: int) -> None:
        """Pulls the plug when so many more lines have begun, and never in between two calls of `run`."""
        self._lines = lines

    def push_in(self) -> None:
        """It is not pulled after all."""
        self._lines = None

    def run(self, action: Callable[[], object]) -> None:
        """Does something on the machine.

        Raises:
            PulledError: the plug was pulled meanwhile.
        """
        if self._lines is None:
            action()
            return
        before = sys.gettrace()
        sys.settrace(self._call)
        try:
            action()
        finally:
            sys.settrace(before)

    def _call(self, frame: FrameType, _what: str, _argument: Any) -> Callable[[FrameType, str, Any], Any] | None:
        is_ours = frame.f_globals.get("__name__") in self._modules
        return self._line if is_ours and (not self._functions or frame.f_code.co_name in self._functions) else None

    def _line(self, _frame: FrameType, what: str, _argument: Any) -> Callable[[FrameType, str, Any], Any]:
        if what == "line" and self._lines is not None:
            self._lines -= 1
            if self._lines < 0:
                self._lines = None
                raise self._error()
        return self._line
