"""The deployment: what was published for one election is nothing in another, whoever republishes it there."""

from dataclasses import replace
from pathlib import Path

import pytest

from hub import settings
from hub.ledger import Ledger
from hub.running import about
from sim import deployment
from tests.hub.conftest import HubHere
from tests.hub.some_unit import DEPLOYMENT, Publication, SomeUnit, some_payload
from wire import note
from wire.envelope import context
from wire.errors import OurFault
from wire.seal import seal

OTHER = "another-election"


def of_another_deployment(unit: SomeUnit) -> SomeUnit:
    """The same unit, with the same keys and recipients, as it was in another deployment."""
    other = SomeUnit(unit.recipients, unit.name, deployment=OTHER)
    other.signer = unit.signer
    return other


def republished(publication: Publication) -> Publication:
    """The same bytes on a topic of this deployment."""
    assert publication.topic.count(OTHER) == 1
    return replace(publication, topic=publication.topic.replace(OTHER, DEPLOYMENT))


def test_what_was_published_in_another_deployment_is_refused_and_not_kept(hub: HubHere) -> None:
    unit = hub.unit()
    press = republished(of_another_deployment(unit).press(some_payload()))
    refused = hub.refusal(press)
    assert (refused.why, refused.publication) == ("wrong-topic", press.sha256)
    assert refused.words == (
        f"envelope 1: of the deployment {OTHER}, on a topic of {DEPLOYMENT}: publish it on its own topic"
    )
    receipt = hub.answer(unit.holding())
    assert (receipt.seq, receipt.extras) == (0, ())
    counted = hub.count()
    assert (counted.counted, counted.unread, counted.strays) == (0, [], [])
    assert hub.answer(unit.press(some_payload())).seq == 1


def test_what_is_of_another_deployment_is_not_opened(hub: HubHere) -> None:
    """What does not open would be kept in its place in the chain, if anybody had tried to."""
    other = of_another_deployment(hub.unit())
    assert hub.refusal(republished(other.enclose(b"no seal at all"))).why == "wrong-topic"
    assert hub.count().unread == []


def test_a_record_of_another_deployment_than_its_envelope_is_refused(hub: HubHere) -> None:
    unit = hub.unit()
    assert hub.refusal(unit.publish(unit.record([some_payload()], deployment=OTHER))).why == "record-mismatch"
    assert hub.count().counted == 0


def test_a_seal_of_another_deployment_does_not_open(hub: HubHere) -> None:
    unit = hub.unit()
    record = note.write(unit.record([some_payload()]), unit.signer)
    moved = seal(record, unit.recipients, context(OTHER, unit.name, unit.chain, 1, "record"))
    assert hub.refusal(unit.enclose(moved)).why == "malformed"
    assert hub.count().counted == 0


def test_on_a_topic_of_another_deployment_nobody_answers(hub: HubHere) -> None:
    other = of_another_deployment(hub.unit())
    press = other.press(some_payload())
    assert hub.take(press) == []


def gone_by(hub: Path, *, write: bool) -> None:
    """Opens a hub's ledger as its package says: as the hub itself does, or who reads the totals."""
    chosen = settings.read(hub)
    with Ledger.opened(chosen.database, about(chosen), write=write):
        pass


def test_a_hub_goes_back_to_no_older_package_and_neither_do_its_totals(tmp_path: Path) -> None:
    deployed = deployment.make(tmp_path / "trial", 1, 1883, "ve-2024-presidential")
    first = deployed.package.read_bytes()
    gone_by(deployed.hub, write=True)
    deployed.package.write_bytes(deployed.next_package(number=10))
    gone_by(deployed.hub, write=False)  # who only reads need not wait for the hub
    gone_by(deployed.hub, write=True)
    deployed.package.write_bytes(first)
    for write in (True, False):
        with pytest.raises(OurFault, match="package 1 is older than 10, by which it was kept: bring the latest"):
            gone_by(deployed.hub, write=write)
    deployed.package.write_bytes(deployed.next_package(number=11))
    gone_by(deployed.hub, write=True)
