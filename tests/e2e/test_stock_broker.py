"""What a stock broker does with an acknowledged publication: each time the unit must still hold the record.

A PUBACK is not custody. In every test here the broker takes what the unit publishes, or says that it does, and loses
it; the record must wait on the card, and be counted once things are mended.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt.enums import CallbackAPIVersion

from sim.deployment import HUB, NAME
from tests.e2e.conftest import SHEETS, MakeWorld
from tests.e2e.world import World, wait_until
from wire import note
from wire.note import KeySigner
from wire.receipt import Receipt
from wire.topics import Leaf, Topic

pytestmark = pytest.mark.e2e

DENIED = "topic read testigo/#\ntopic write testigo/1/trial/+/holding\ntopic write testigo/1/trial/+/receipt\n"
UNANSWERED = "topic read testigo/#\ntopic write testigo/1/trial/+/holding\ntopic write testigo/1/trial/+/envelope\n"
ALLOWED = "topic readwrite testigo/#\n"


@contextmanager
def client(world: World, client_id: str, *, clean: bool = True) -> Iterator[paho.Client]:
    """An MQTT client of the test's own at the world's broker, connected."""
    connected = threading.Event()
    made = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5)
    made.on_connect = lambda *_: connected.set()
    made.connect("127.0.0.1", world.broker.port, clean_start=clean)
    made.loop_start()
    assert connected.wait(10)
    yield made
    made.disconnect()
    made.loop_stop()


def give_the_hub_a_session(world: World) -> None:
    """Starts the hub until it has subscribed, and stops it: from now on the broker queues for it."""
    world.hub.start()
    wait_until(lambda: bool(world.hub.events("link-up")), "the hub has its session")
    world.hub.stop()


def publish_all(world: World, sheets: Path) -> None:
    """Has the unit keep every sheet and publish it, and then stops the unit."""
    world.power_on(sheets)
    wait_until(lambda: world.kept() == SHEETS, "every sheet is kept")
    wait_until(lambda: len(world.unit.events("kept")) == SHEETS, "every record is on the card")
    wait_until(lambda: _published(world) >= SHEETS, "every record was published")
    world.unit.stop()


def _published(world: World) -> int:
    """How many envelopes the broker says it received."""
    return sum("PUBLISH from " + world.name in line and "/envelope'" in line for line in world.broker.log)


def assert_still_held_and_then_counted(world: World) -> None:
    """Nothing was receipted, and with everything mended all of it is."""
    assert world.waiting() == SHEETS
    assert_counted_in_the_end(world)


def assert_counted_in_the_end(world: World) -> None:
    """The unit, started again, has everything receipted and counted."""
    world.power_on()
    wait_until(lambda: world.receipted() == SHEETS, "every record is receipted")
    assert world.totals()["counted"] == SHEETS


def test_a_record_waits_when_the_brokers_queue_is_full(world: MakeWorld, sheets: Path) -> None:
    here = world(broker_lines=("log_type all", "max_queued_messages 3"))
    here.broker.start()
    give_the_hub_a_session(here)
    publish_all(here, sheets)
    here.hub.start()
    wait_until(lambda: bool(here.hub.events("kept")), "the hub got what the queue held")
    assert here.totals()["counted"] < SHEETS
    assert_counted_in_the_end(here)


def test_a_record_waits_when_the_broker_dies_with_its_memory(world: MakeWorld, sheets: Path) -> None:
    here = world(broker_lines=("log_type all", "max_queued_messages 0"))
    here.broker.start()
    give_the_hub_a_session(here)
    publish_all(here, sheets)
    here.broker.kill()
    here.broker.start()
    here.hub.start()
    assert_still_held_and_then_counted(here)


def test_a_record_waits_when_the_broker_may_not_take_it(world: MakeWorld, sheets: Path, tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text(DENIED)
    here = world(broker_lines=("log_type all", f"acl_file {rules}"))
    here.broker.start()
    here.hub.start()
    publish_all(here, sheets)
    assert here.unit.events("not-taken")
    rules.write_text(ALLOWED)
    here.broker.stop()
    here.broker.start()
    assert_still_held_and_then_counted(here)


@pytest.mark.parametrize(("limit", "says_so"), [("max_packet_size 1000", True), ("message_size_limit 1000", False)])
def test_a_record_waits_when_it_is_too_large_for_the_broker(
    world: MakeWorld, sheets: Path, limit: str, *, says_so: bool
) -> None:
    here = world(broker_lines=("log_type all", limit))
    here.broker.start()
    here.hub.start()
    here.power_on(sheets)
    wait_until(lambda: here.kept() == SHEETS, "every sheet is kept")
    if says_so:
        wait_until(lambda: bool(here.unit.events("too-large")), "the log says why it waits")
    else:  # this limit drops what it acknowledges as a success: all that can be seen is that it was published
        wait_until(lambda: _published(here) >= SHEETS, "every record was published")
    here.unit.stop()
    here.broker.stop()
    config = here.folder / "broker" / "mosquitto.conf"
    config.write_text(config.read_text().replace(limit, ""))
    here.broker.start()
    assert_still_held_and_then_counted(here)


def test_a_record_waits_when_there_is_no_hub(world: MakeWorld, sheets: Path) -> None:
    here = world(broker_lines=("log_type all",))
    here.broker.start()
    publish_all(here, sheets)
    here.hub.start()
    assert_still_held_and_then_counted(here)


def test_a_record_waits_when_the_hubs_session_is_wiped(world: MakeWorld, sheets: Path) -> None:
    here = world(broker_lines=("log_type all", "max_queued_messages 0"))
    here.broker.start()
    give_the_hub_a_session(here)
    publish_all(here, sheets)
    with client(here, f"hub-{HUB}"):
        pass  # a clean start under the hub's name, as a badly restarted hub would make
    here.hub.start()
    assert_still_held_and_then_counted(here)


def test_a_record_waits_when_the_receipt_is_lost(world: MakeWorld, sheets: Path, tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text(UNANSWERED)
    here = world(broker_lines=("log_type all", f"acl_file {rules}"))
    here.broker.start()
    here.hub.start()
    publish_all(here, sheets)
    wait_until(lambda: here.totals()["counted"] == SHEETS, "the hub holds everything")
    rules.write_text(ALLOWED)
    here.broker.stop()
    here.broker.start()
    assert_still_held_and_then_counted(here)


def test_receipts_doubled_and_reordered_change_nothing(world: MakeWorld, sheets: Path) -> None:
    here = world()
    here.broker.start()
    here.hub.start()
    topic = str(Topic(NAME, here.name, Leaf.RECEIPT))
    seen: list[bytes] = []
    with client(here, "echo") as echo:
        echo.on_message = lambda _client, _user, came: seen.append(bytes(came.payload))
        echo.subscribe(topic, qos=1)
        here.power_on(sheets)
        wait_until(lambda: here.receipted() == SHEETS, "every record is receipted")
        old, told = list(seen), len(here.unit.events("receipted"))
        for receipt in [*reversed(old), *old]:
            echo.publish(topic, receipt, qos=1)
        wait_until(lambda: len(here.unit.events("receipted")) >= told + 2 * len(old), "the old receipts came again")
    assert here.unit.runs
    here.unit.stop()
    assert here.waiting() == 0


@pytest.mark.parametrize("name", [HUB, "hub-nobody-knows"])
def test_a_receipt_by_another_key_settles_nothing(world: MakeWorld, sheets: Path, name: str) -> None:
    here = world(broker_lines=("log_type all",))
    here.broker.start()
    here.power_on(sheets)
    wait_until(lambda: here.kept() == SHEETS, "every sheet is kept")
    forger = KeySigner(name, ec.generate_private_key(ec.SECP256R1()))
    with client(here, "forger") as forging:
        last = max(here.envelopes(), key=lambda envelope: envelope.statement.seq)
        forged = Receipt(
            at=1,
            chain=last.statement.chain,
            extras=(),
            hash=last.hash,
            hub=name,
            missing=(),
            seq=SHEETS,
            unit=here.name,
            whole=SHEETS,
        )
        forging.publish(str(Topic(NAME, here.name, Leaf.RECEIPT)), note.write(forged, forger), qos=1)
        wait_until(lambda: bool(here.unit.events("receipt-ignored")), "the unit says that it ignores it")
    here.unit.stop()
    here.hub.start()
    assert_still_held_and_then_counted(here)


def test_rubbish_on_every_topic_stops_nobody(world: MakeWorld, sheets: Path) -> None:
    here = world()
    here.broker.start()
    here.hub.start()
    wait_until(lambda: bool(here.hub.events("link-up")), "the hub listens")
    stem = f"testigo/1/{NAME}/{here.name}"
    topics = ("envelope", "holding", "receipt", f"chunk/{'0' * 64}/0", f"chunk/{'0' * 64}/99999")
    here.power_on(sheets)
    wait_until(lambda: bool(here.unit.events("link-up")), "the unit listens")
    with client(here, "vandal") as vandal:
        for rubbish in (b"", b"\x00", b"x" * 5000, b"[" * 60000, bytes(200_000), "—".encode() * 99):
            for leaf in topics:
                vandal.publish(f"{stem}/{leaf}", rubbish, qos=1)
            vandal.publish(f"testigo/1/{NAME}/u-nobody/envelope", rubbish, qos=1)
            vandal.publish(f"testigo/1/{NAME}/UPPER/envelope", rubbish, qos=1)
        wait_until(lambda: bool(here.unit.events("receipt-ignored")), "the unit got its share")
        wait_until(lambda: here.receipted() == SHEETS, "every record is receipted")
    assert here.hub.runs
    assert here.unit.runs
    assert here.totals()["counted"] == SHEETS
