"""A desk at which cards are written: a kit of small wheels, a package, and boot partitions fresh from the image."""

from pathlib import Path

from provisioning.authority import Authority
from provisioning.kit import Kit
from provisioning.release import requirements
from sim.deployment import some_package
from wire.package import Address

STOCK = {
    "cmdline.txt": "console=tty1 root=PARTUUID=41bba91a-02 rootfstype=ext4 fsck.repair=yes rootwait resize\n",
    "config.txt": "camera_auto_detect=1\n",
    "user-data": "# stock\n",
    "meta-data": "# stock\n",
    "network-config": "# stock\n",
}
"""What stock Raspberry Pi OS has on its boot partition, as far as anybody reads it here."""


def kit(folder: Path) -> Kit:
    """A kit whose wheels are none, but are called so."""
    (folder / "wheels").mkdir(parents=True)
    for name in ("testigo-0.1.0-py3-none-any.whl", "pip-26.3-py3-none-any.whl"):
        (folder / "wheels" / name).write_bytes(name.encode() * 1000)
    (folder / "requirements.txt").write_text(requirements(folder / "wheels"))
    return Kit.open(folder)


def package(authority: Authority, file: Path, deployment: str = "trial") -> Path:
    """A package that the authority has signed."""
    verifier, seal = (authority.folder / "hubs/hub-a/hub.pub").read_text().splitlines()
    escrow = (authority.folder / "escrow.pub").read_text().strip()
    brokers = [Address("127.0.0.1", "hub-a", 8883)]
    signer, profile = authority.packages(), "ve-2024-presidential"
    file.write_bytes(some_package(signer, deployment, [verifier], [seal, escrow], profile, brokers))
    return file


def stock(folder: Path) -> Path:
    """A mounted boot partition."""
    folder.mkdir()
    for name, text in STOCK.items():
        (folder / name).write_text(text)
    return folder
