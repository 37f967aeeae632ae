"""The hub that lies: what it says stops no custody at the others."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from tests.device.sites import Sites, sites
from wire import note
from wire.receipt import Receipt


def lie(two: Sites, answers: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The first hub's receipts, each for an envelope that never was."""
    signer, said = two.sites[0].intake.keys.signer, list[tuple[str, bytes]]()
    for topic, answer in answers:
        if note.kind_of(answer) == Receipt.KIND:
            true = note.read(answer, Receipt, {signer.verifier.name: signer.verifier}).statement
            false = Receipt(
                at=true.at,
                chain=true.chain,
                extras=(),
                hash=secrets.token_hex(32),
                hub=true.hub,
                missing=(),
                seq=3000,
                unit=true.unit,
                whole=0,
            )
            said.append((topic, note.write(false, signer)))
    return said


def test_a_hub_that_names_envelopes_that_never_were_keeps_nothing_from_the_other(tmp_path: Path) -> None:
    """A unit leaves a chain of which a hub holds another envelope, and the other hub takes eight of it at most."""
    with sites(tmp_path, hubs=2, brokers=1, receipts=2) as two:
        two.sites[0].mangle = lambda answers: lie(two, answers)
        two.power_on()
        for _ in range(12):
            two.scan()
            two.clock.run(30_000)
        two.clock.run(600_000)
        assert len(two.sites[1].mesas) == 12
        assert [place.seq for place in two.unit.unit.store.places()] == [13]
