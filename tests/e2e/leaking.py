"""The unit that fails on purpose: the real program, with one thing in it that leaks, or raises with a payload in hand.

python -m tests.e2e.leaking HOW unit --settings FILE --tray FOLDER
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import cv2

import device.keeper
import device.running
from device.keeper import Keeper
from device.unit import Unit
from wire.acta import Profile
from wire.seal import Seal

_keep = Keeper.keep


def _before_keeping(first: Callable[[Keeper, str, Any], object]) -> None:
    """Has something done with the first payload and the first frame that are kept."""

    def keep(
        keeper: Keeper, payloads: Sequence[str], quality: Any, doubt: str, frames: Sequence[Any], *more: Any
    ) -> Any:
        first(keeper, payloads[0], frames[0].result().frame)
        return _keep(keeper, payloads, quality, doubt, frames, *more)

    Keeper.keep = keep  # type: ignore[assignment, method-assign]


def unsealed() -> None:
    """What is sealed is not."""

    class Unsealed(Seal):
        def close(self, content: bytes) -> bytes:
            return content

    device.keeper.Seal = Unsealed  # type: ignore[attr-defined]


def log() -> None:
    """The payload goes into the log."""
    _before_keeping(lambda _keeper, payload, _frame: print(f"kept {payload}", file=sys.stderr))


def temporary_file() -> None:
    """The picture is written, as a file with a name of its own, and deleted."""

    def leak(keeper: Keeper, _payload: str, frame: Any) -> None:
        file = keeper.store.folder / "temporary"
        file.write_bytes(frame.picture)
        os.sync()
        file.unlink()

    _before_keeping(leak)


def index() -> None:
    """The payload is put into the index, and deleted there."""

    def leak(keeper: Keeper, payload: str, _frame: Any) -> None:
        execute = keeper.store._database.execute_sql
        execute("CREATE TABLE IF NOT EXISTS mesa (words TEXT)")
        execute("INSERT INTO mesa VALUES (?)", (payload,))
        execute("DELETE FROM mesa")

    _before_keeping(leak)


def thumbnail() -> None:
    """A small picture is kept beside the sealed one, without the header of any format."""

    def leak(keeper: Keeper, _payload: str, frame: Any) -> None:
        small = cv2.resize(frame.luma, (128, 72), interpolation=cv2.INTER_CUBIC)
        (keeper.store.folder / "small").write_bytes(small.tobytes())

    _before_keeping(leak)


def raises_in_unit() -> None:
    """The firmware's own thread fails."""

    def fail(unit: Unit, order: Any) -> None:
        raise ValueError(f"cannot keep {order.payloads}")

    Unit._keep = fail  # type: ignore[assignment, method-assign]


def raises_aside() -> None:
    """The thread that seals fails."""

    def fail(keeper: Keeper, frame: Any, *_bound: Any) -> Any:
        raise ValueError(f"cannot seal {frame.picture!r}")

    Keeper._prepare = fail  # type: ignore[assignment, method-assign]


def raises_in_reader() -> None:
    """The reader's own process fails."""
    device.running.open_eye = BadEye  # type: ignore[attr-defined]


class BadEye:
    """Reads a frame, and then fails with what it has read."""

    def __init__(self, profile: Profile) -> None:
        from device.eye import Eye

        self._eye = Eye(profile)

    def __call__(self, request: tuple[Any, int]) -> Any:
        found = self._eye.see(*request)
        raise ValueError(f"cannot answer {found}")


def main() -> int:
    from sim.__main__ import main as program

    globals()[sys.argv[1]]()
    return program(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
