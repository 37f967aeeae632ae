"""The first boot: makes a unit of stock Raspberry Pi OS, without a network.

    python3 /boot/firmware/testigo/first_boot.py

cloud-init runs it as root at each boot, until it has succeeded and switches cloud-init off. So the power may go at any
moment: whatever is done already is found done, and nothing is taken from the boot partition before it is safe on the
data partition. What went wrong is said in `testigo/first-boot.txt` on the boot partition, which any computer can read.

It is run before anything of ours is installed: only what every Python has is imported.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OURS = Path("/data")
LABEL = "testigo"

SUMS = "SHA256SUMS"
OWN = "own"
REPORT = "first-boot.txt"

ROOM_BYTES_MIN = 2 * 1024**3
"""For an evening's three hundred mesas at 6 MB each; a card of 8 GB has more left."""

MAKE_FILE_SYSTEM = [
    # Times on it in whole seconds, and none of when a file was made: less of an evening is told by a seized card
    # (docs/durability.md). Nothing is left to be written later in the background, on the night.
    *("mkfs.ext4", "-q", "-L", LABEL, "-I", "128", "-i", "65536", "-m", "1"),
    *("-E", "lazy_itable_init=0,lazy_journal_init=0"),
]

MOUNT_OPTIONS = "noatime,nosuid,nodev,data=ordered,errors=remount-ro,nofail,x-systemd.device-timeout=30s"
"""Without its data partition the computer still starts, and does not wait for a keyboard that it has not."""

IN_MEMORY = {
    "/var/log": "mode=0755,size=16M",
    "/var/tmp": "mode=1777,size=64M",  # noqa: S108  where it is mounted, not what is written to
    "/var/lib/NetworkManager": "mode=0700,size=4M",
    "/var/lib/systemd": "mode=0755,size=4M",
}
"""What the system writes to, on a root that is read-only; all of it is forgotten."""

CLOCK = Path("/var/lib/systemd/timesync")
"""The one thing remembered: when the unit last ran. Without a network and a clock board that is its date."""

NEEDED = ("picamera2", "lgpio")
"""What the firmware takes from the system: libraries that have no wheels."""

MASKED = (
    # Nothing listens, and nobody logs in.
    *("ssh.service", "ssh.socket", "sshswitch.service", "regenerate_ssh_host_keys.service"),
    *("avahi-daemon.service", "avahi-daemon.socket", "bluetooth.service", "hciuart.service", "rpcbind.service"),
    *("rpcbind.socket", "getty@.service", "autovt@.service", "serial-getty@.service", "console-getty.service"),
    "userconfig.service",
    # Nothing changes the system, or writes to the card, on its own account.
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "man-db.timer"),
    *("rpi-eeprom-update.service", "rpi-resize.service", "systemd-growfs-root.service", "swap.target"),
    # Nothing waits for a network.
    *("NetworkManager-wait-online.service", "systemd-networkd-wait-online.service"),
)

ENABLED = (
    *("testigo-unit.service", "testigo-sticks.service", "testigo-network.service", "testigo-enrol.service"),
    "testigo-update.timer",
)

ASKED = 3
"""What `testigo-unit enrol` ends with when it has asked, and waits for the answer."""


class NotBornError(Exception):
    """Why it could not be done, and what to do."""


def main() -> int:
    """Runs the program; returns its exit status."""
    card = Card(Path(__file__).resolve().parent)
    try:
        card.be_born()
    except NotBornError as error:
        card.say(f"not done: {error}")
        return 1
    except (OSError, subprocess.SubprocessError) as error:
        words = str(getattr(error, "stderr", "")).strip()
        card.say(f"not done: {error} {words}: start it again; if it stays so, take another card")
        return 1
    card.say("done")
    run("systemctl", "--no-block", "reboot")
    return 0


@dataclass(frozen=True, slots=True)
class Card:
    """The folder `testigo` of the boot partition.

    Attributes:
        folder: itself.
        root: where the system's files are.
    """

    folder: Path
    root: Path = Path("/")

    def be_born(self) -> None:
        """Does all of it, in an order that bears being cut short anywhere.

        Raises:
            NotBornError: it cannot be done.
        """
        self.see_what_there_is()
        if not OURS.is_mount():
            self.mount_data()
        self.check()
        self.lay_over()
        run("systemd-sysusers")
        self.take_own()
        self.install()
        self.enrol()
        self.hold_still()
        os.sync()
        self.wipe()
        self.close()
        os.sync()

    def say(self, words: str) -> None:
        """Tells what became of it, there where a person will look."""
        print(f"testigo: {words}")
        (self.folder / REPORT).write_text(f"{words}\n", "utf-8")
        os.sync()

    def check(self) -> None:
        """Holds everything on the card against the list of its hashes."""
        for line in (self.folder / SUMS).read_text("utf-8").splitlines():
            digest, name = line.split("  ", 1)
            file = self.folder / name
            if not file.exists() and name.startswith(f"{OWN}/") and (OURS / name).exists():
                continue  # taken by a run that was cut short
            if not file.is_file() or hash_of(file) != digest:
                raise NotBornError(f"{name} is not as it was written: write the card again")

    def see_what_there_is(self) -> None:
        """Whether this system has what the firmware takes from it."""
        missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise NotBornError(f"this system lacks python3-{', python3-'.join(missing)}: take the image of the guide")

    # The data partition.

    def mount_data(self) -> None:
        """Mounts the data partition, which is made from what the system leaves free if there is none."""
        source = run("findmnt", "--noheadings", "--nofsroot", "--output", "SOURCE", "/").strip()
        disk = "/dev/" + run("lsblk", "--noheadings", "--nodeps", "--output", "PKNAME", source).strip()
        partition = data_partition(disk)
        OURS.mkdir(exist_ok=True)
        run("mount", "-o", "noatime,nosuid,nodev", partition, str(OURS))
        uuid = run("blkid", "--output", "value", "--match-tag", "PARTUUID", partition).strip()
        self.add_mount(f"PARTUUID={uuid} {OURS} ext4 {MOUNT_OPTIONS} 0 2")

    def add_mount(self, line: str) -> None:
        """Has something mounted at each start; another line for the same place goes."""
        table = self.root / "etc/fstab"
        place = line.split()[1]
        lines = [each for each in table.read_text("utf-8").splitlines() if each.split()[1:2] != [place]]
        replace(table, "\n".join([*lines, line]) + "\n")

    # The system.

    def lay_over(self) -> None:
        """Puts our configuration into the system's."""
        for file in files_in(self.folder / "etc"):
            place = self.root / "etc" / file.relative_to(self.folder / "etc")
            place.parent.mkdir(parents=True, exist_ok=True)
            replace(place, file.read_text("utf-8"))

    def hold_still(self) -> None:
        """Has the system start quietly, from a root that nothing writes to."""
        run("systemctl", "mask", *MASKED)
        run("systemctl", "enable", *ENABLED)
        for place, options in IN_MEMORY.items():
            (self.root / place[1:]).mkdir(parents=True, exist_ok=True)
            self.add_mount(f"tmpfs {place} tmpfs nosuid,nodev,noexec,{options} 0 0")
        clock = OURS / "clock"
        clock.mkdir(exist_ok=True)
        shutil.chown(clock, "systemd-timesync", "systemd-timesync")
        self.add_mount(f"{clock} {CLOCK} none bind,nofail 0 0")
        resolver = self.root / "etc/resolv.conf"
        resolver.unlink(missing_ok=True)
        resolver.symlink_to("/run/NetworkManager/resolv.conf")
        replace(self.root / "etc/hostname", "testigo\n")

    # What is the unit's own.

    def take_own(self) -> None:
        """Copies what is this unit's own to the data partition, each file whole or not at all."""
        own = OURS / OWN
        own.mkdir(mode=0o750, exist_ok=True)
        shutil.chown(own, "root", "testigo")
        card = OURS / "card"
        card.mkdir(exist_ok=True)
        shutil.chown(card, "testigo", "testigo")
        card.chmod(0o711)
        for file in files_in(self.folder / OWN):
            new = own / f".{file.name}.new"
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
                opened.write(file.read_bytes())
                opened.flush()
                os.fsync(opened.fileno())
            if file.suffix in (".toml", ".testigo", ".json"):
                shutil.chown(new, "root", "testigo")
                new.chmod(0o640)
            new.rename(own / file.name)
        sync(own)

    def install(self) -> None:
        """Installs the firmware from the wheels on the card, by the code that later installs its updates."""
        wheels, app = self.folder / "wheels", OURS / "app"
        app.mkdir(mode=0o755, exist_ok=True)
        (firmware,) = wheels.glob("testigo-*.whl")
        command = [sys.executable, "-m", "device.versions", "first", str(app), str(wheels)]
        subprocess.run(
            [*command, str(self.folder / "requirements.txt"), "0"],
            env={**os.environ, "PYTHONPATH": str(firmware), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )

    def enrol(self) -> None:
        """Has the unit make its keys and ask to belong, if none were written; the request is for the boot partition."""
        token, unit = OURS / OWN / "token", OURS / "app/current/bin/testigo-unit"
        if token.exists():
            options = ["--settings", str(OURS / OWN / "unit.toml"), "--token", str(token)]
            done = subprocess.run(
                [str(unit), "enrol", *options, str(self.folder.parent)], capture_output=True, text=True, check=False
            )
            if done.returncode not in (0, ASKED):
                raise NotBornError(f"it cannot enrol: {done.stderr.strip()}")

    # The end.

    def wipe(self) -> None:
        """Takes secrets from the boot partition, which every computer can read: the unit's own, and passwords of Wi-Fi.

        They are written over first. A card may keep what was there before all the same: what must not have been on it
        at all is made on the unit (docs/guides/cards.md).
        """
        for file in files_in(self.folder / OWN):
            write_over(file, b"\0" * file.stat().st_size)
            file.unlink()
        network = self.folder.parent / "network-config"
        write_over(network, b"# Taken by the unit.\n".ljust(network.stat().st_size))

    def close(self) -> None:
        """Makes the system read-only, and has cloud-init never look at the boot partition again."""
        table = self.root / "etc/fstab"
        replace(table, read_only(table.read_text("utf-8")))
        (self.root / "etc/cloud/cloud-init.disabled").touch()
        sync(self.root / "etc/cloud")


def data_partition(disk: str) -> str:
    """The partition behind the system's on its disk, made and formatted where that was not done yet.

    Raises:
        NotBornError: there is no room for it, or something else is there.
    """
    table = json.loads(run("sfdisk", "--json", disk))["partitiontable"]
    if len(table["partitions"]) == 2:
        end = max(part["start"] + part["size"] for part in table["partitions"])
        free = int(run("blockdev", "--getsize64", disk)) - end * table.get("sectorsize", 512)
        if free < ROOM_BYTES_MIN:
            raise NotBornError(
                f"the card has {free // 10**6} MB left, {ROOM_BYTES_MIN // 10**6} are needed: write a larger one, "
                "and do not start it before it has passed through testigo-provision"
            )
        run("sfdisk", "--quiet", "--append", "--no-reread", "--no-tell-kernel", disk, given=",,L\n")
        run("partx", "--update", disk)
        table = json.loads(run("sfdisk", "--json", disk))["partitiontable"]
    partition = str(table["partitions"][2]["node"])
    found = subprocess.run(
        ["blkid", "--probe", "--output", "export", partition], capture_output=True, text=True, check=False
    )
    told = dict(line.split("=", 1) for line in found.stdout.splitlines() if "=" in line)
    if "TYPE" not in told:  # its making was cut short, or did not begin
        run(*MAKE_FILE_SYSTEM, partition)
    elif told.get("LABEL") != LABEL:
        raise NotBornError(f"{partition} has something else on it: write a new card")
    return partition


def read_only(table: str) -> str:
    """A table of mounts in which the system's own partitions are read-only."""
    lines = []
    for line in table.splitlines():
        words = line.split()
        if words[1:2] == ["/"]:
            line = f"{words[0]} / {words[2]} ro,noatime 0 1"
        elif words[1:2] == ["/boot/firmware"]:
            line = f"{words[0]} /boot/firmware {words[2]} ro,nosuid,nodev,noexec,umask=0077 0 2"
        elif words[2:3] == ["swap"]:
            continue
        lines.append(line)
    return "\n".join(lines) + "\n"


def run(*command: str, given: str = "") -> str:
    """Runs a program of the system's; what it says."""
    return subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout


def files_in(folder: Path) -> Iterator[Path]:
    """All files below a folder."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def hash_of(file: Path) -> str:
    """Its SHA-256, in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def replace(place: Path, text: str) -> None:
    """Writes a file whole, in the place of one that may be there."""
    new = place.with_name(f".{place.name}.new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.rename(place)
    sync(place.parent)


def write_over(file: Path, content: bytes) -> None:
    """Writes over what is in a file, in its place."""
    with file.open("r+b") as opened:
        opened.write(content)
        opened.truncate()
        opened.flush()
        os.fsync(opened.fileno())


def sync(folder: Path) -> None:
    """Makes what was renamed, made or removed in a folder outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


if __name__ == "__main__":
    sys.exit(main())
