"""The network: what the unit sees of wireless networks: it wishes for one, and `hardware.joiner` answers."""

import secrets
import threading
import time
from pathlib import Path
from queue import SimpleQueue

import msgspec

from device.ports import NetworkJoined, Post
from hardware.joiner import ANSWER, WISH, Answer, Wish
from wire.control import Network

FOLDER = Path("/run/testigo-network")
"""Where the joiner looks, unless it is told otherwise; in RAM."""

ANSWER_SECONDS_MAX = 110
LOOK_SECONDS = 0.5


class CardNetwork:
    """A `Network`, by way of the joiner.

    Args:
        folder: where it looks for wishes.
        post: the inbox.
        seconds: how long its answer is waited for.
    """

    def __init__(self, folder: Path, post: Post, seconds: float = ANSWER_SECONDS_MAX) -> None:
        self._folder = folder
        self._post = post
        self._seconds = seconds
        self._pause = threading.Event()
        self._wishes: SimpleQueue[Network] = SimpleQueue()
        threading.Thread(target=self._run, name="network", daemon=True).start()

    def join(self, name: str, passphrase: str) -> None:
        """Wishes for it."""
        self._wishes.put(Network(name, passphrase))

    def _run(self) -> None:
        while True:
            self._post(NetworkJoined(self._joined(self._wishes.get())))

    def _joined(self, network: Network) -> str:
        number = secrets.randbits(53)
        wishes = self._folder / WISH
        new = wishes / f"{WISH}.new"
        try:
            new.touch(mode=0o600)
            new.write_bytes(msgspec.json.encode(Wish(network, number)))
            new.replace(wishes / WISH)
        except OSError as error:
            return f"nobody is there who could join it: {error.strerror}: start hardware.joiner (docs/on-device.md)"
        end = time.monotonic() + self._seconds
        while time.monotonic() < end:
            try:
                answer = msgspec.json.decode((self._folder / ANSWER).read_bytes(), type=Answer)
            except FileNotFoundError:
                answer = None
            if answer is not None and answer.number == number:
                return answer.failure
            self._pause.wait(LOOK_SECONDS)
        return "hardware.joiner does not answer: see whether it runs"
