"""The kit: what every card of a fleet is given alike, so that a unit's first boot needs no network.

    wheels/             the firmware, and all that it needs, for the units' Python and machine
    requirements.txt    the hash of each of them

It is made once, where there is a network, and carried to the desk where cards are written. What is fetched is what
`unit.txt` beside this module pins by hash; the firmware is built from the folder that this program runs from.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioning.files import made, write
from provisioning.release import MACHINE, requirements, wheels_in
from wire.errors import OurFault

PINS = Path(__file__).with_name("unit.txt")

PYTHON = "3.13"
"""Of Debian 13, on which Raspberry Pi OS has stood since October 2025."""

GLIBCS = ("2_17", "2_24", "2_26", "2_27", "2_28", "2_31", "2_34")
"""What wheels ask for at least; Debian 13 has 2.41."""


@dataclass(frozen=True, slots=True)
class Kit:
    """A kit that is there.

    Attributes:
        folder: where it lies.
    """

    folder: Path

    @classmethod
    def make(cls, folder: Path, machine: str = MACHINE, source: Path = PINS.parents[1]) -> "Kit":
        """Fetches and builds a kit.

        Args:
            folder: a new one.
            machine: of the units.
            source: what the firmware is built from.

        Raises:
            OurFault: it cannot be fetched or built; nothing is left.
        """
        if not (source / "pyproject.toml").is_file():
            raise OurFault(f"{source}: testigo's source is not there: run this from a checkout of it")
        platforms = [f"--platform=manylinux_{glibc}_{machine}" for glibc in GLIBCS]
        with made(folder) as new:
            wheels = new / "wheels"
            fetch = ["pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
            python = [f"--python-version={PYTHON}", "--implementation=cp"]
            abis = ["--abi=cp313", "--abi=abi3", "--abi=none"]
            _do([*fetch, *python, *abis, *platforms, "--requirement", str(PINS), "--dest", str(wheels)])
            cls(new).renew(source)
        return cls.open(folder)

    def renew(self, source: Path = PINS.parents[1]) -> None:
        """Builds the firmware anew into a kit whose other wheels stay."""
        wheels = self.folder / "wheels"
        for wheel in wheels.glob("testigo-*.whl"):
            wheel.unlink()
        _do(["hatchling", "build", "--target", "wheel", "--directory", str(wheels)], source)
        (wheels / ".gitignore").unlink(missing_ok=True)
        write(self.folder / "requirements.txt", requirements(wheels).encode())

    @classmethod
    def open(cls, folder: Path) -> "Kit":
        """A kit that was made before.

        Raises:
            OurFault: it is none, or not whole.
        """
        found = cls(folder)
        try:
            is_whole = requirements(folder / "wheels") == (folder / "requirements.txt").read_text()
        except OSError as error:
            raise OurFault(f"kit {folder}: {error.strerror}: make it with 'testigo-provision kit'") from error
        if not is_whole:
            raise OurFault(f"kit {folder}: its wheels are not what requirements.txt says: make it anew")
        return found

    @property
    def wheels(self) -> list[Path]:
        """All its wheels."""
        return wheels_in(self.folder / "wheels")

    @property
    def firmware(self) -> str:
        """The name of the firmware's wheel."""
        return next(wheel.name for wheel in self.wheels if wheel.name.startswith("testigo-"))


def _do(module: Sequence[str], folder: Path | None = None) -> None:
    try:
        subprocess.run([sys.executable, "-m", *module], cwd=folder, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        last = str(error.stderr).strip().rpartition("\n")[2]
        advice = "connect to a network; pip install 'testigo[provision]'"
        raise OurFault(f"{module[0]}: {last}: {advice}") from error
