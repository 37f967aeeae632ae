"""The joiner: a small program with root's rights, which has NetworkManager join the network that a control card names.

The firmware has no such rights: it leaves its wish in a folder of its own, and is answered beside it. Nothing else of
NetworkManager's can be changed so. The network is written to RAM alone (`/run`), in the format of NetworkManager's own
keyfiles, and forgotten when the power goes; so a seized card names none.

    python -m hardware.joiner --folder /run/testigo-network --user testigo

The folder and all above it must be root's alone, and in RAM.
"""

import argparse
import contextlib
import os
import pwd
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from wire.control import NETWORK_BYTES_MAX, Network

KEYFILES = Path("/run/NetworkManager/system-connections")
"""Where NetworkManager keeps what is not to outlive the power (NetworkManager.conf(5), section keyfile)."""

NAME = "testigo-card"
_UUID = "7465731a-0e6f-4d61-9e31-6361726e6574"
"""One for all: the last network takes the place of the one before."""

WISH, ANSWER = "wish", "answer"
WISH_BYTES_MAX = 1024

LOOK_SECONDS = 0.5
JOIN_SECONDS_MAX = 90
"""A phone's hotspot wakes up slowly; and the port has promised an answer within two minutes."""

_FAILURES = {
    3: "it did not answer in time",
    4: "there is no such network here, or it takes another passphrase",
    8: "NetworkManager does not run",
}
"""By nmcli's exit status (nmcli(1)); its own words would name the network."""


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the firmware wishes: a network, and which of its wishes it is."""

    network: Network
    number: int


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of a wish: why not, or an empty text."""

    failure: str
    number: int


def keyfile(network: Network) -> str:
    """A network as NetworkManager reads it (nm-settings-keyfile(5)); the name as bytes, so that none is special."""
    name = "".join(f"{byte};" for byte in network.name.encode("utf-8"))
    lines = [f"[connection]\nid={NAME}\nuuid={_UUID}\ntype=wifi\nautoconnect-priority=10\n\n[wifi]\nssid={name}\n"]
    if network.passphrase:
        escaped = network.passphrase.replace("\\", "\\\\").replace(" ", "\\s")
        lines.append(f"[wifi-security]\nkey-mgmt=wpa-psk\npsk={escaped}\n")
    lines.append("[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n")
    return "\n".join(lines)


class Joiner:
    """Answers wishes.

    Args:
        folder: where the wish lies, in a folder of the unit's own, and the answer beside that.
        uid, gid: whose the wishes are.
        keyfiles: where NetworkManager finds networks.
        nmcli: its program.
    """

    def __init__(
        self, folder: Path, uid: int, gid: int, keyfiles: Path = KEYFILES, nmcli: Sequence[str] = ("nmcli",)
    ) -> None:
        self._folder = folder
        self._keyfiles = keyfiles
        self._nmcli = nmcli
        self._done = -1
        wishes = folder / WISH
        wishes.mkdir(mode=0o700, exist_ok=True)
        os.chown(wishes, uid, gid, follow_symlinks=False)

    def look(self) -> None:
        """Does what is wished, if that is new."""
        try:
            wish = msgspec.json.decode(_read(self._folder / WISH / WISH), type=Wish)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return  # none, or none that the firmware would leave: it writes a whole one
        if wish.number != self._done:
            self._done = wish.number
            self._answer(Answer(self._join(wish.network), wish.number))

    def _join(self, network: Network) -> str:
        if len(network.name.encode("utf-8")) > NETWORK_BYTES_MAX:
            return f"its name is longer than the {NETWORK_BYTES_MAX} bytes that one can have"
        path = self._keyfiles / f"{NAME}.nmconnection"
        try:
            self._keyfiles.mkdir(mode=0o700, exist_ok=True)
            _write(path, keyfile(network).encode("utf-8"))
        except OSError as error:
            return f"NetworkManager's folder cannot be written: {error.strerror}"
        for order in (("load", str(path)), ("up", "uuid", _UUID)):
            command = [*self._nmcli, "--wait", str(JOIN_SECONDS_MAX), "connection", *order]
            try:
                status = subprocess.run(command, capture_output=True, check=False, timeout=JOIN_SECONDS_MAX + 10)
            except (OSError, subprocess.TimeoutExpired):
                return "nmcli cannot be run, or does not end"
            if status.returncode:
                return _FAILURES.get(status.returncode, f"nmcli ended with status {status.returncode}")
        return ""

    def _answer(self, answer: Answer) -> None:
        _write(self._folder / ANSWER, msgspec.json.encode(answer), mode=0o644)


def _read(path: Path) -> bytes:
    """A wish: the firmware's folder is not root's, so no link is followed and nothing but a plain file read."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(WISH_BYTES_MAX)


def _write(path: Path, content: bytes, mode: int = 0o600) -> None:
    new = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        file.write(content)
    new.replace(path)


def main(arguments: list[str] | None = None) -> int:
    """Answers wishes until told to stop; returns the exit status."""
    parser = argparse.ArgumentParser("hardware.joiner", description="Joins networks for a unit; needs root's rights.")
    parser.add_argument("--folder", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--user", default="testigo", metavar="NAME", help="the unit's user")
    options = parser.parse_args(arguments)
    user = pwd.getpwnam(options.user)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    joiner = Joiner(options.folder, user.pw_uid, user.pw_gid)
    while not stop.wait(LOOK_SECONDS):
        joiner.look()
    return 0


if __name__ == "__main__":
    sys.exit(main())
