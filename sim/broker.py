"""The broker: a real Mosquitto on a loopback port of its own, for demos, benchmarks and tests."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import weakref
from pathlib import Path
from typing import Self

from wire.errors import OurFault

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"  # where Debian puts it, and not every user looks

_ASK_AGAIN_SECONDS = 1.0
_RELOAD_SECONDS_MAX = 10.0


def find_mosquitto() -> str | None:
    """Where Mosquitto is installed, if it is."""
    return shutil.which("mosquitto", path=_PATH)


def held_port() -> tuple[socket.socket, int]:
    """A TCP port of the loopback that nothing listens on, and that nobody else is given until the socket is closed.

    A server that reuses addresses, as all do that can be started again at once, can listen on it meanwhile.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held, held.getsockname()[1]


class Broker:
    """A Mosquitto. It is not running until `start`, and can be started again after an end, on the same port.

    Args:
        folder: for its configuration and its log, made if it is not there; other files of its may lie there too.
        lines: more lines of configuration, of the listener or of all; without one that says `allow_anonymous` anybody
            may connect.

    Attributes:
        port: where it listens, on 127.0.0.1.
        log: the lines it wrote, through all its starts.
    """

    def __init__(self, folder: Path, *lines: str) -> None:
        # Held for as long as this is: while the broker is down, others must not be given the port it will come back to.
        held, self.port = held_port()
        weakref.finalize(self, held.close)
        self.log: list[str] = []
        folder.mkdir(exist_ok=True)
        self._config = folder / "mosquitto.conf"
        self._log_file = folder / "log"
        self._running: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._reloads = threading.Event()
        first = [f"listener {self.port} 127.0.0.1", "log_dest stderr"]
        if os.geteuid() == 0:
            first.append("user root")  # else it becomes another user, who cannot read the folder
        if not any(line.startswith("allow_anonymous") for line in lines):
            first.append("allow_anonymous true")
        self._config.write_text("\n".join([*first, *lines]) + "\n", "utf-8")

    def __enter__(self) -> Self:
        """Starts it."""
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stops it."""
        self.stop()

    @property
    def runs(self) -> bool:
        """Whether it runs now."""
        return self._running is not None and self._running.poll() is None

    @property
    def pid(self) -> int:
        """The number of its running process."""
        assert self._running is not None
        return self._running.pid

    def start(self) -> None:
        """Starts it and waits until it listens.

        Raises:
            OurFault: it is not installed, or it ended instead; with what it said.
        """
        mosquitto = find_mosquitto()
        if mosquitto is None:
            raise OurFault("mosquitto is not installed: apt-get install mosquitto")
        self._running = subprocess.Popen([mosquitto, "-c", str(self._config)], stderr=subprocess.PIPE, text=True)
        began, listens = len(self.log), threading.Event()
        self._reader = threading.Thread(target=self._read, args=[listens], daemon=True)
        self._reader.start()
        listens.wait()
        if not any(line.endswith(" running") for line in self.log[began:]):
            self._end(signal.SIGKILL)
            raise OurFault("mosquitto does not start: " + " / ".join(self.log[began:]))

    def stop(self) -> None:
        """Ends it with SIGTERM: it says goodbye to its clients."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it with SIGKILL: what was in its memory is gone."""
        self._end(signal.SIGKILL)

    def reload(self) -> None:
        """Has it read its files again (SIGHUP); it has done so before whatever is sent to it from now on."""
        assert self._running is not None
        self._reloads.clear()
        self._running.send_signal(signal.SIGHUP)
        assert self._reloads.wait(_RELOAD_SECONDS_MAX), "it says so only with `log_type information`"

    def _end(self, number: signal.Signals) -> None:
        if self._running is None or self._reader is None:
            return
        ended = False
        while not ended:  # between its word that it runs and its loop, Mosquitto forgets that it was asked to end
            self._running.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._running.wait(_ASK_AGAIN_SECONDS)
                ended = True
        self._reader.join()
        if self._running.stderr is not None:
            self._running.stderr.close()
        self._running = None

    def _read(self, listens: threading.Event) -> None:
        running = self._running
        if running is not None and running.stderr is not None:
            for line in running.stderr:
                self.log.append(line.rstrip())
                with self._log_file.open("a") as file:
                    file.write(line)
                if self.log[-1].endswith(" running"):
                    listens.set()
                elif self.log[-1].endswith("Reloading config."):
                    self._reloads.set()
        listens.set()
