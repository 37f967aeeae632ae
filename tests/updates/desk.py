"""What the tests of updates share: a desk that signs releases, mirrors good and bad, and a unit that asks them."""

import base64
import ensurepip
import hashlib
import shutil
import ssl
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner

from device.mirror import Fetcher
from device.update import Updating
from device.versions import Versions
from provisioning.release import Repository
from wire.release import Release

MADE = 1_720_000_000
"""When the desk first signs."""

DAY_SECONDS = 86400
DAY = MADE + 25 * DAY_SECONDS
"""When election day begins."""

FIRST = "u-v8skdnn7"
LAST = "u-998e6bda"
"""Units of the first cohort and of the last."""

_INSTALLER = """
import hashlib, pathlib, sys, sysconfig, zipfile
wheels = pathlib.Path(sys.argv[sys.argv.index("--find-links") + 1])
pinned = pathlib.Path(sys.argv[sys.argv.index("--requirement") + 1]).read_text()
for line in pinned.splitlines():
    name, _, rest = line.partition("==")
    version, _, sha256 = rest.partition(" --hash=sha256:")
    (path,) = wheels.glob(f"{name.partition('[')[0]}-{version}-*.whl")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    zipfile.ZipFile(path).extractall(sysconfig.get_path("purelib"))
"""


def pip_wheel() -> Path:
    """A wheel of pip, from the Python that runs the tests."""
    places = [Path(ensurepip.__file__).parent / "_bundled", Path("/usr/share/python-wheels")]
    return max(path for place in places for path in place.glob("pip-*.whl"))


def write_wheel(folder: Path, name: str, version: str, lines: str = "", requires: Sequence[str] = ()) -> Path:
    """Makes a wheel with one module of that name."""
    info = f"{name}-{version}.dist-info"
    needed = "".join(f"Requires-Dist: {each}\n" for each in requires)
    extras = "".join(f"Provides-Extra: {each}\n" for each in ("unit", "pi"))
    contents = {
        f"{name}.py": lines,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{extras}{needed}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},{_digest(text)},{len(text)}\n" for path, text in contents.items())
    contents[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in contents.items():
            archive.writestr(zipfile.ZipInfo(each), text)
    return path


def _digest(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def write_installer(folder: Path) -> None:
    """Makes a wheel that does what pip does, without what takes pip seconds: for tests of something else."""
    with zipfile.ZipFile(folder / "pip-0-py3-none-any.whl", "w") as archive:
        archive.writestr(zipfile.ZipInfo("pip/__main__.py"), _INSTALLER)


def wheels_of(folder: Path, version: str, *, with_pip: bool = False, **more: str) -> Path:
    """A folder of all wheels of a release: ours, what it depends on, and pip's or what stands in for it."""
    folder.mkdir(parents=True)
    needs = 'lens ; extra == "unit"'
    write_wheel(folder, "testigo", version, more.get("lines", f"version = {version!r}\n"), [more.get("needs", needs)])
    write_wheel(folder, "lens", "1.0")
    if with_pip:
        shutil.copy(pip_wheel(), folder)
    else:
        write_installer(folder)
    return folder


@dataclass
class Desk:
    """Who signs releases: three holders of root keys, the key of releases, and that of snapshots."""

    folder: Path
    now: int = MADE
    roots: list[CryptoSigner] = field(default_factory=lambda: [CryptoSigner.generate_ecdsa() for _ in range(3)])
    targets: CryptoSigner = field(default_factory=CryptoSigner.generate_ecdsa)
    snapshot: CryptoSigner = field(default_factory=CryptoSigner.generate_ecdsa)

    def __post_init__(self) -> None:
        roots = [signer.public_key for signer in self.roots]
        self.repository.draw_root(roots, self.targets.public_key, self.snapshot.public_key)
        assert [self.repository.sign_root(signer) for signer in self.roots[:2]] == [1, 0]

    @property
    def repository(self) -> Repository:
        return Repository(self.folder, self.now)

    def release(self, version: str, share: int = 100, *, with_pip: bool = False, **more: str) -> Release:
        folder = self.folder.parent / f"wheels-{self.folder.name}-{version}"
        wheels = wheels_of(folder, version, with_pip=with_pip, **more)
        return self.repository.add(wheels, share, self.targets, self.snapshot)

    def copied(self, name: str) -> Path:
        """The repository as it is now, somewhere else: what a mirror has, or a thief."""
        return Path(shutil.copytree(self.folder, self.folder.parent / name))


@dataclass
class Unit:
    """A unit that asks mirrors."""

    folder: Path
    root: bytes
    mirrors: tuple[str, ...]
    name: str = FIRST
    now: int = MADE
    since: int = MADE
    day: int = DAY
    ready: float | None = 300.0
    fetcher: Fetcher = field(default_factory=Fetcher)
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "app" / "versions" / "0").mkdir(parents=True, exist_ok=True)
        for name in ("current", "proven"):
            link = self.folder / "app" / name
            if not link.is_symlink():
                link.symlink_to("versions/0")
        (self.folder / "card" / "kept").mkdir(parents=True, exist_ok=True)

    @property
    def versions(self) -> Versions:
        return Versions(self.folder / "app")

    @property
    def updating(self) -> Updating:
        def log(event: Enum, **facts: Any) -> None:
            self.told.append((event.name, facts))

        kept = self.folder / "card" / "kept"
        return Updating(
            self.name, self.versions, kept, self.since, self.day, self.root, self.mirrors, log, self.now, self.fetcher
        )

    def look(self) -> int | None:
        """The number of the release that it would take now."""
        found = self.updating.look()
        return found and found[1].number

    def run(self) -> list[str]:
        """Runs `testigo-update` once; what it told."""
        before = len(self.told)
        self.updating.run(lambda: self.ready)
        return [event for event, _ in self.told[before:]]

    def whys(self) -> str:
        return " ".join(str(facts.get("why", "")) for _, facts in self.told)


def root_of(desk: Desk) -> bytes:
    return (desk.folder / "metadata" / "1.root.json").read_bytes()


@contextmanager
def served(
    folder: Path, kind: type[SimpleHTTPRequestHandler] = SimpleHTTPRequestHandler, certificate: Path | None = None
) -> Iterator[str]:
    """A web server of that folder on loopback; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=str(folder)))
    if certificate is not None:
        speaks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        speaks.load_cert_chain(certificate)
        server.socket = speaks.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
