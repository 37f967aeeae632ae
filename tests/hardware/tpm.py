"""A TPM without hardware: swtpm, a real one but for the silicon, on sockets of its own."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from device.keys import Tpm
from hardware.signer import make_key

HANDLE = Tpm(0x81010001)
LACKING = not (shutil.which("swtpm") and shutil.which("tpm2_sign"))


class SwTpm:
    """A TPM that can be pulled out, put back, exchanged for another, and held up.

    Attributes:
        tcti: how tpm2-tools reach it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.tcti = f"swtpm:path={folder / 'tpm'}"
        self._running: subprocess.Popen[bytes] | None = None

    def put_in(self) -> None:
        """Starts it, with what it held before."""
        sockets = [self._folder / "tpm", self._folder / "tpm.ctrl"]
        (self._folder / "state").mkdir(exist_ok=True)
        command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self._folder / 'state'}"]
        command += ["--server", f"type=unixio,path={sockets[0]}", "--ctrl", f"type=unixio,path={sockets[1]}"]
        self._running = subprocess.Popen([*command, "--flags", "not-need-init,startup-clear"])
        # Said again until it listens; each takes some milliseconds.
        while subprocess.run(
            ["tpm2_getcap", "-Q", "-T", self.tcti, "algorithms"], stderr=subprocess.DEVNULL
        ).returncode:
            assert self._running.poll() is None, "swtpm ended"

    def pull_out(self) -> None:
        """Ends it."""
        assert self._running is not None
        self._running.kill()
        self._running.wait()

    def exchange(self) -> None:
        """Another TPM is in its place, with a key of its own under the same handle."""
        self.pull_out()
        shutil.rmtree(self._folder / "state")
        self.put_in()
        make_key(HANDLE, self.tcti)

    def hold_up(self) -> None:
        """It does not answer for now."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """It answers again."""
        self._signal(signal.SIGCONT)

    def tool(self, name: str, *arguments: str) -> None:
        """Has one of tpm2-tools do something; what was loaded for it is unloaded, as the kernel does on a unit."""
        subprocess.run([f"tpm2_{name}", "-Q", "-T", self.tcti, *arguments], cwd=self._folder, check=True)
        subprocess.run(["tpm2_flushcontext", "-Q", "-T", self.tcti, "-t"], check=True)

    def _signal(self, number: signal.Signals) -> None:
        assert self._running is not None
        os.kill(self._running.pid, number)


@contextmanager
def tpm() -> Iterator[SwTpm]:
    """A TPM that is in, with a key made as units make theirs."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's are too long for a socket's name
        made = SwTpm(Path(folder))
        made.put_in()
        try:
            make_key(HANDLE, made.tcti)
            yield made
        finally:
            made.go_on()
            made.pull_out()
