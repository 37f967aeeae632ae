"""Some stick: a plain folder with what a unit would leave on it, well or badly."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.hub.some_unit import Publication, SomeUnit
from wire import note
from wire.bundle import Bundle
from wire.envelope import Sealed


@dataclass(frozen=True, slots=True)
class SomeStick:
    """A stick, and the hands to put files on it."""

    folder: Path

    def of(self, unit: SomeUnit) -> Path:
        """The unit's folder on it."""
        own = self.folder / "testigo" / unit.deployment / unit.name
        own.mkdir(parents=True, exist_ok=True)
        return own

    def leave(self, unit: SomeUnit, content: bytes, leaf: str) -> Path:
        """Leaves a file under the name that its bytes ask for."""
        file = self.of(unit) / f"{hashlib.sha256(content).hexdigest()}.{leaf}"
        file.write_bytes(content)
        return file

    def export(self, unit: SomeUnit, publications: Sequence[Publication], pictures: Sequence[bytes] = ()) -> Path:
        """Leaves a whole bundle; the manifest is returned."""
        for publication in publications:
            self.leave(unit, publication.content, "envelope")
        for picture in pictures:
            self.leave(unit, picture, "picture")
        bundle = Bundle(
            deployment=unit.deployment,
            envelopes=tuple(Sealed.of(publication.content) for publication in publications),
            pictures=tuple(map(Sealed.of, pictures)),
            unit=unit.name,
        )
        return self.leave(unit, note.write(bundle, unit.signer), "manifest")

    def answers(self, unit: SomeUnit) -> dict[str, bytes]:
        """What hubs left for the unit, by the ends of the files' names."""
        files = [*self.of(unit).glob("*.receipt"), *self.of(unit).glob("*.refused")]
        return {file.suffix[1:]: file.read_bytes() for file in files}

    def everything(self) -> dict[str, bytes]:
        """All files on it."""
        return {str(file): file.read_bytes() for file in self.folder.rglob("*") if file.is_file()}
