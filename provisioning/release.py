"""The releases: a TUF repository of firmware, as plain files that any web server or stick can carry.

    metadata/        who may sign what, and what is signed (https://theupdateframework.io)
    targets/         the index of releases and their wheels, each under its SHA-256 and its name
    root.next.json   a root that still lacks signatures; nobody fetches it

Three people have a root key each, and two of them sign who else may sign. One key signs releases, one signs that the
repository is as it is (snapshot and timestamp). All are files that a passphrase opens; no computer that is connected
ever needs one.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.exceptions import StorageError
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, T, TargetFile, Targets, Timestamp

from provisioning.authority import PASSPHRASE_CHARACTERS_MIN
from provisioning.files import private_pem, write
from wire import release
from wire.errors import OurFault, TestigoError
from wire.note import NAME, KeySigner, Verifier
from wire.release import Index, Release

ROOTS = 3
THRESHOLD = 2
"""One of three may be lost, or stolen, and nothing is."""

ROOT_DAYS = 1095
"""Units that were not on for an election and the years to the next find their way from the root on their card."""

MACHINE = "aarch64"
"""Of every board that a unit is built on: Pi 3, 4, 5 and Zero 2 W, with the 64-bit system."""

TARGETS_DAYS = 365
SOON_DAYS = 14
"""Within which what ends is to be signed anew: holders of keys do not all answer at once."""

SNAPSHOT_DAYS = 30
"""How old a mirror may be, against the time of a unit's deployment package: units never go by their own clock. Weeks,
for sticks travel that long; and not longer, since a mirror that hides what is new is found out after so many days,
by the next package that the unit takes."""


def make_key(path: Path, passphrase: str) -> Path:
    """Makes a key: the private one, encrypted, in the file named, and the public one beside it; the latter's path.

    Raises:
        OurFault: there is one already, its name cannot be one, or the passphrase is too short.
    """
    public = path.with_suffix(".pub")
    if path.suffix != ".key" or not NAME.fullmatch(path.stem):
        raise OurFault(f"{path}: a key's file is called NAME.key, NAME being 1 to 32 of a-z, 0-9 and '-'")
    if path.exists() or public.exists():
        raise OurFault(f"{path} or {public} is there already: nothing was changed; choose another name")
    if len(passphrase) < PASSPHRASE_CHARACTERS_MIN:
        raise OurFault(
            f"the passphrase has {len(passphrase)} characters, at least {PASSPHRASE_CHARACTERS_MIN} are needed"
        )
    key = ec.generate_private_key(ec.SECP256R1())
    write(path, private_pem(key, passphrase), secret=True)
    write(public, f"{KeySigner(path.stem, key).verifier}\n".encode())
    return public


def open_key(path: Path, passphrase: str) -> CryptoSigner:
    """Opens a private key.

    Raises:
        OurFault: there is none, or the passphrase does not open it.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), passphrase.encode())
    except OSError as error:
        raise OurFault(f"key {path}: {error.strerror}: name its file") from error
    except (ValueError, TypeError) as error:
        raise OurFault(f"key {path}: the passphrase does not open it: type it again") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise OurFault(f"key {path}: no P-256 key: make one with 'release key'")
    return CryptoSigner(key)


def read_public(path: Path) -> SSlibKey:
    """Reads a public key.

    Raises:
        OurFault: there is none.
    """
    try:
        verifier = Verifier.parse(path.read_text("ascii").strip())
    except (OSError, UnicodeDecodeError, TestigoError) as error:
        raise OurFault(f"public key {path}: {error}") from error
    return SSlibKey.from_crypto(serialization.load_der_public_key(verifier.spki))


def read_root(path: Path) -> bytes:
    """A trusted root, as it goes on a card.

    Raises:
        OurFault: it is none.
    """
    root = _parsed(path, Root)
    try:
        root.signed.verify_delegate(Root.type, root.signed_bytes, root.signatures)
    except RepositoryError as error:
        raise OurFault(f"{path}: {error}: name metadata/1.root.json of the releases") from error
    return path.read_bytes()


def wheels_in(folder: Path) -> list[Path]:
    """The wheels of a release, in order.

    Raises:
        OurFault: they cannot be one.
    """
    wheels = sorted(folder.glob("*.whl"))
    release.requirements((path.name, "") for path in wheels)
    names = [path.name.partition("-")[0] for path in wheels]
    for needed in (release.OURS, release.INSTALLER):
        if needed not in names:
            raise OurFault(f"{folder}: no wheel of {needed} is there: a release is all that an installation needs")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OurFault(f"{folder}: there are several wheels of {', '.join(twice)}: a release has one of each")
    return wheels


def requirements(folder: Path) -> str:
    """The pinned hash of each wheel in a folder: what pip installs, and nothing else."""
    return release.requirements(
        (path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in wheels_in(folder)
    )


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository.

    Attributes:
        folder: where it lies.
        now: the date, seconds since 1970 UTC.
    """

    folder: Path
    now: int

    @property
    def index(self) -> Index:
        """The releases that units may still take."""
        targets = self._targets()
        if targets is None or release.INDEX not in targets.targets:
            return Index(())
        return release.read(self._target(targets.targets[release.INDEX]).read_bytes())

    @property
    def root(self) -> Root | None:
        """Who may sign what."""
        numbers = [int(path.name.split(".")[0]) for path in (self.folder / "metadata").glob("*.root.json")]
        return self._read(f"{max(numbers)}.root.json", Root).signed if numbers else None

    @property
    def draft(self) -> Path:
        """The root that lacks signatures."""
        return self.folder / "root.next.json"

    def draw_root(
        self,
        roots: Sequence[SSlibKey] = (),
        targets: SSlibKey | None = None,
        snapshot: SSlibKey | None = None,
        emergency: int | None = None,
    ) -> int:
        """Draws up the next root, for its holders to sign; its number.

        Args:
            roots: the root keys, if they shall be others than before.
            targets: the key of releases, if it shall be another.
            snapshot: the key of snapshot and timestamp, if it shall be another.
            emergency: the release that shall be let through a freeze.

        Raises:
            OurFault: a key is lacking.
        """
        before = self.root
        if before is None:
            root = Root(version=1, expires=self._in(ROOT_DAYS), consistent_snapshot=True)
            root.roles[Root.type].threshold = THRESHOLD
        else:
            root = Root.from_dict(before.to_dict())
            root.version, root.expires = before.version + 1, self._in(ROOT_DAYS)
            root.unrecognized_fields.pop(release.EMERGENCY, None)
        if roots and len({key.keyid for key in roots}) != ROOTS:
            raise OurFault(f"{len(roots)} root keys are named, {ROOTS} different ones are needed")
        named: dict[str, Sequence[SSlibKey | None]] = {
            Root.type: roots,
            Targets.type: [targets],
            Snapshot.type: [snapshot],
            Timestamp.type: [snapshot],
        }
        for role, keys in named.items():
            new = [key for key in keys if key is not None]
            if new:
                for keyid in list(root.roles[role].keyids):
                    root.revoke_key(keyid, role)
                for key in new:
                    root.add_key(key, role)
            if not root.roles[role].keyids:
                raise OurFault(f"{self.folder}: nobody is named yet who signs {role}: the first root names all")
        if emergency is not None:
            root.unrecognized_fields[release.EMERGENCY] = emergency
        (self.folder / "metadata").mkdir(parents=True, exist_ok=True)
        (self.folder / "targets").mkdir(exist_ok=True)
        write(self.draft, Metadata(root).to_bytes())
        return root.version

    def ends(self) -> Iterator[str]:
        """When what is signed ends, and what is to be done about it."""
        cures = ("the next root", "'release spread', with the share it has", "'release refresh'")
        for signed, cure in zip((self.root, self._targets(), self._timestamp()), cures, strict=True):
            if signed is not None:
                soon = f": SOON, so {cure} is needed" if signed.expires < self._in(SOON_DAYS) else ""
                yield f"{signed.type} holds until {signed.expires:%Y-%m-%d}{soon}"

    def drawn(self) -> Iterator[str]:
        """What the root drawn up says, for whoever is to sign it.

        Raises:
            OurFault: there is none.
        """
        if not self.draft.exists():
            raise OurFault(f"{self.draft} is not there: draw up a root first")
        draft, before = _parsed(self.draft, Root).signed, self.root
        yield f"root {draft.version}, until {draft.expires:%Y-%m-%d}"
        for name, role in draft.roles.items():
            known = before.roles[name].keyids if before else []
            keys = (f"{each[:16]}{'' if each in known else ' (new)'}" for each in role.keyids)
            yield f"{role.threshold} of {len(role.keyids)} sign {name}: {', '.join(keys)}"
        if release.EMERGENCY in draft.unrecognized_fields:
            yield f"EMERGENCY: release {draft.unrecognized_fields[release.EMERGENCY]!r} is let through the freeze"

    def sign_root(self, signer: CryptoSigner) -> int:
        """Adds a signature to the next root, which takes effect once there are enough; how many still lack.

        Raises:
            OurFault: there is none to sign, or the key has no say in it.
        """
        if not self.draft.exists():
            raise OurFault(f"{self.draft} is not there: draw up a root first")
        draft, before = _parsed(self.draft, Root), self.root
        root = draft.signed
        if root.version != (before.version + 1 if before else 1):
            raise OurFault(f"{self.draft} is root {root.version}, which is there already: draw it up anew")
        holders = {*root.roles[Root.type].keyids, *(before.roles[Root.type].keyids if before else ())}
        if signer.public_key.keyid not in holders:
            raise OurFault(f"{self.draft}: this key is none of the root keys, old or new: name another")
        draft.sign(signer, append=True)
        result = root.get_root_verification_result(before, draft.signed_bytes, draft.signatures)
        write(self.draft, draft.to_bytes())
        if result.verified:
            write(self.folder / "metadata" / f"{root.version}.root.json", draft.to_bytes())
            self.draft.unlink()
        return max(result.first.missing, result.second.missing)

    def add(self, wheels: Path, share: int, targets: CryptoSigner, snapshot: CryptoSigner) -> Release:
        """Adds a release.

        Args:
            wheels: the folder of its wheels.
            share: of a hundred cohorts, how many may take it.
            targets, snapshot: who signs.

        Raises:
            OurFault: it cannot be one, or a key is not the one that the root names.
        """
        found = wheels_in(wheels)
        for path in found:
            if not path.stem.endswith(("-any", MACHINE)):
                raise OurFault(f"{path}: not for a unit, whose machine is {MACHINE}: name the wheels of a kit")
        before = self.index.releases
        number = 1 + max((each.number for each in before), default=0)
        new = Release(at=self.now, number=number, share=share, wheels=tuple(path.name for path in found))
        self._publish([new, *before], targets, snapshot, found)
        return new

    def spread(self, share: int, targets: CryptoSigner, snapshot: CryptoSigner) -> Release:
        """Lets more or fewer cohorts take the newest release.

        Raises:
            OurFault: there is none, or a key is not the one that the root names.
        """
        before = self.index.releases
        if not before:
            raise OurFault(f"{self.folder}: there is no release yet: add one")
        new = Release(at=before[0].at, number=before[0].number, share=share, wheels=before[0].wheels)
        self._publish([new, *before[1:]], targets, snapshot)
        return new

    def refresh(self, snapshot: CryptoSigner) -> None:
        """Says that all is as it was, for another `SNAPSHOT_DAYS` days.

        Raises:
            OurFault: there is no release yet, or the key is not the one that the root names.
        """
        targets = self._targets()
        if targets is None:
            raise OurFault(f"{self.folder}: there is no release yet: add one")
        self._vouch(targets.version, snapshot)

    def _publish(
        self, releases: list[Release], targets: CryptoSigner, snapshot: CryptoSigner, wheels: Sequence[Path] = ()
    ) -> None:
        kept = list(_still_taken(releases))
        if len(kept) > release.RELEASES_MAX:
            raise OurFault(f"{self.folder}: {len(kept)} releases in a row would be for some units: spread one to all")
        index = release.write(Index(tuple(kept)))
        names = {name for each in kept for name in each.wheels}
        before = self._targets()
        known = dict(before.targets) if before else {}
        sources = dict[str, Path]()
        for path in wheels:
            described = TargetFile.from_file(path.name, str(path), ["sha256"])
            if path.name in names & known.keys() and known[path.name].hashes != described.hashes:
                raise OurFault(
                    f"{path}: a release that is still taken has other bytes under this name: raise its version"
                )
            known[path.name], sources[path.name] = described, path
        known[release.INDEX] = TargetFile.from_data(release.INDEX, index, ["sha256"])
        listed = {name: target for name, target in known.items() if name in names | {release.INDEX}}
        new = Targets(version=1 + (before.version if before else 0), expires=self._in(TARGETS_DAYS), targets=listed)
        signed = self._signed(new, targets)
        # What is named must be there before it is named: whoever fetches meanwhile finds all of it, old or new.
        for name, path in sources.items():
            write(self._target(listed[name]), path.read_bytes())
        write(self._target(listed[release.INDEX]), index)
        self._write(f"{new.version}.targets.json", signed)
        self._vouch(new.version, snapshot)
        here = {self._target(target).name for target in listed.values()}
        for path in (self.folder / "targets").iterdir():
            if path.name not in here:
                path.unlink()

    def _vouch(self, version: int, signer: CryptoSigner) -> None:
        """Signs what there is: the snapshot, which names the targets, and the timestamp, which names the snapshot."""
        before = self._timestamp()
        number = 1 + (before.snapshot_meta.version if before else 0)
        content = (self.folder / "metadata" / f"{version}.targets.json").read_bytes()
        named = {"targets.json": MetaFile.from_data(version, content, ["sha256"])}
        snapshot = self._signed(Snapshot(version=number, expires=self._in(SNAPSHOT_DAYS), meta=named), signer)
        described = MetaFile.from_data(number, snapshot, ["sha256"])
        stamped = Timestamp(
            version=1 + (before.version if before else 0), expires=self._in(SNAPSHOT_DAYS), snapshot_meta=described
        )
        timestamp = self._signed(stamped, signer)
        self._write(f"{number}.snapshot.json", snapshot)
        self._write("timestamp.json", timestamp)

    def _signed(self, signed: T, signer: CryptoSigner) -> bytes:
        root = self.root
        if root is None:
            raise OurFault(f"{self.folder}: there is no root yet: draw one up, and have {THRESHOLD} holders sign it")
        metadata = Metadata(signed)
        metadata.sign(signer)
        try:
            root.verify_delegate(signed.type, metadata.signed_bytes, metadata.signatures)
        except RepositoryError as error:
            raise OurFault(
                f"{self.folder}: the key given for {signed.type} is not the one that root {root.version} names"
            ) from error
        return metadata.to_bytes()

    def _timestamp(self) -> Timestamp | None:
        if not (self.folder / "metadata" / "timestamp.json").exists():
            return None
        return self._read("timestamp.json", Timestamp).signed

    def _targets(self) -> Targets | None:
        timestamp = self._timestamp()
        if timestamp is None:
            return None
        snapshot = self._read(f"{timestamp.snapshot_meta.version}.snapshot.json", Snapshot).signed
        return self._read(f"{snapshot.meta['targets.json'].version}.targets.json", Targets).signed

    def _target(self, target: TargetFile) -> Path:
        return self.folder / "targets" / f"{target.hashes['sha256']}.{target.path}"

    def _read(self, name: str, kind: type[T]) -> Metadata[T]:
        return _parsed(self.folder / "metadata" / name, kind)

    def _write(self, name: str, content: bytes) -> None:
        write(self.folder / "metadata" / name, content)

    def _in(self, days: int) -> datetime:
        return datetime.fromtimestamp(self.now, UTC) + timedelta(days=days)


def _still_taken(releases: Sequence[Release]) -> Iterator[Release]:
    """The newest releases, down to the first that all units may take: nobody takes an older one."""
    for each in releases:
        yield each
        if each.share == release.SHARE_MAX:
            return


def _parsed(path: Path, kind: type[T]) -> Metadata[T]:
    try:
        metadata = Metadata[T].from_file(str(path))
    except (RepositoryError, StorageError) as error:
        raise OurFault(f"{path}: {error}: take it from a good copy") from error
    if not isinstance(metadata.signed, kind):
        raise OurFault(f"{path}: is of {metadata.signed.type}, not {kind.type}: take it from a good copy")
    return metadata
