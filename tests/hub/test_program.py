"""The hub program: settings, commands, and a real broker between it and a unit."""

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from queue import Queue

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from hub import settings
from hub.keys import Keys
from hub.running import opened
from sim.broker import held_port
from tests.hub.conftest import make_keys
from tests.hub.some_unit import DEPLOYMENT, SomeUnit, some_opener, some_payload, write_package
from tests.wire.samples import HUB, PACKAGES
from wire import note
from wire.envelope import Sealed
from wire.receipt import Receipt, Refused
from wire.topics import Leaf, subscription

ROOT = Path(__file__).parents[2]
SECONDS = 30
SETTINGS = f"""
name = "hub-a"
packages = "{PACKAGES.verifier}"
keys = "keys"
register = "register"
database = "ledger.sqlite"
pictures = "pictures"

[broker]
host = "127.0.0.1"
port = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A hub's folder: settings, keys, package, and a register with one unit."""
    make_keys(tmp_path / "keys")
    write_package(tmp_path)
    (tmp_path / "register").write_text("# nobody yet\n\n", "utf-8")
    (tmp_path / "hub.toml").write_text(SETTINGS, "utf-8")
    return tmp_path


def on_database(folder: Path, database: str) -> Path:
    """The settings file, with this database."""
    file = folder / "hub.toml"
    file.write_text(SETTINGS.replace("ledger.sqlite", database), "utf-8")
    return file


def hub(folder: Path, *arguments: str) -> tuple[int, str, str]:
    command = (sys.executable, "-m", "hub", *arguments)
    ended = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=SECONDS)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "hub-a"', 'nam = "hub-a"', ("'nam'", "'name'")),
        ('name = "hub-a"', 'name = "Hub A"', ("$.name",)),
        ("port = 1", "port = 70000", ("$.broker.port",)),
        ('name = "hub-a"', 'name = "hub-b"', ("expected hub-b among its hubs, found hub-a",)),
        (str(PACKAGES.verifier), str(HUB.verifier), ("signed by packages", "which is not trusted here")),
        (str(PACKAGES.verifier), "packages", ("hub.toml: ", "verifier key of 'packages'")),
        ("[broker]", 'package = "none"\n[broker]', ("none: No such file or directory: bring the deployment package",)),
        ('register = "register"', 'register = "nothing"', ("register", "nothing")),
        ('keys = "keys"', 'keys = "."', ("sign.pem",)),
        ('pictures = "pictures"', "", ("pictures",)),
        ('name = "hub-a"', "name = ", ("not TOML",)),
        ('database = "ledger.sqlite"', 'database = "postgresql://127.0.0.1:1/nothing"', ("PostgreSQL",)),
        ('database = "ledger.sqlite"', 'database = "no/ledger.sqlite"', ("no/ledger.sqlite",)),
        ('pictures = "pictures"', 'pictures = "no/pictures"', ("no/pictures",)),
        ('pictures = "pictures"', 'pictures = "register"', ("register",)),
        ('pictures = "pictures"', 'pictures = "pictures"\nbatch = 513', ("$.batch",)),
        ("port = 1", 'port = 1\ntls = { ca = "a", certificate = "b", key = "c" }', ("broker.tls",)),
    ],
)
def test_wrong_settings_are_named_in_one_sentence(folder: Path, old: str, new: str, words: tuple[str, ...]) -> None:
    file = folder / "hub.toml"
    file.write_text(SETTINGS.replace(old, new), "utf-8")
    code, said, complaint = hub(folder, "--settings", str(file))
    assert (code, said) == (2, "")
    assert complaint.startswith("testigo-hub: ")
    assert "Traceback" not in complaint
    for word in words:
        assert word in complaint


def test_a_hub_whose_key_is_not_the_one_that_its_package_names_does_not_start(folder: Path) -> None:
    """No unit would believe it, and nobody would see why."""
    make_keys(folder / "others")
    file = folder / "hub.toml"
    file.write_text(SETTINGS.replace('keys = "keys"', 'keys = "others"'), "utf-8")
    code, _, complaint = hub(folder, "--settings", str(file))
    assert code == 2
    assert "expected the key that package 1 names for hub-a, found another: no unit would believe this hub" in complaint


def test_a_wrong_register_is_named_by_its_line(folder: Path) -> None:
    verifier = str(SomeUnit([some_opener().recipient, some_opener("b").recipient]).signer.verifier)
    for text, words in ((f"{verifier}\n{verifier}\n", "line 2"), (f"\n{verifier[:-8]}\n", "line 2"), ("x", "line 1")):
        (folder / "register").write_text(text, "utf-8")
        code, _, complaint = hub(folder, "--settings", str(folder / "hub.toml"))
        assert (code, words in complaint) == (2, True)


def test_totals_of_no_ledger_say_so(folder: Path, new_database: str) -> None:
    on_database(folder, new_database)
    code, _, complaint = hub(folder, "totals", "--settings", str(folder / "hub.toml"))
    assert code == 2
    assert "run the hub first" in complaint


@contextmanager
def broker(folder: Path, port: int, *lines: str) -> Iterator[None]:
    """A real broker on loopback that keeps nothing."""
    if shutil.which("mosquitto") is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    conf = folder / "mosquitto.conf"
    always = (f"listener {port} 127.0.0.1", "persistence false", "max_queued_messages 0", "log_dest stderr")
    conf.write_text("\n".join((*always, *(lines or ("allow_anonymous true",)))) + "\n", "utf-8")
    with subprocess.Popen(("mosquitto", "-c", conf), stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "running" in line:
                break
        try:
            yield
        finally:
            running.terminate()


@contextmanager
def hub_running(folder: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    file = folder / "hub.toml"
    file.write_text(re.sub("(?m)^port = .*$", f"port = {port}", file.read_text("utf-8")), "utf-8")
    command = (sys.executable, "-m", "hub", "--settings", file)
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def await_event(running: "subprocess.Popen[str]", event: str) -> str:
    """The next line of the log that tells this event."""
    assert running.stderr is not None
    return next(line for line in running.stderr if f"event={event} " in f"{line.strip()} ")


@contextmanager
def unit_connected(port: int, name: str = "") -> Iterator[tuple[paho.Client, "Queue[bytes]"]]:
    """A client for a unit, and what comes to it."""
    came: Queue[bytes] = Queue()
    granted: Queue[bool] = Queue()
    client = paho.Client(CallbackAPIVersion.VERSION2, name, protocol=paho.MQTTv5)
    client.on_subscribe = lambda *_: granted.put(True)
    client.on_message = lambda _client, _user, publication: came.put(bytes(publication.payload))
    client.connect("127.0.0.1", port)
    client.subscribe(subscription(DEPLOYMENT, Leaf.RECEIPT), qos=1)
    client.loop_start()
    granted.get(timeout=SECONDS)
    yield client, came
    client.disconnect()
    client.loop_stop()


@pytest.fixture
def unit(folder: Path) -> SomeUnit:
    """A unit that is enrolled, and seals to the hub."""
    enrolled = SomeUnit([Keys.read(folder / "keys", "hub-a").opener.recipient, some_opener("escrow").recipient])
    (folder / "register").write_text(f"{enrolled.signer.verifier}\n", "utf-8")
    return enrolled


@pytest.fixture
def port() -> Iterator[int]:
    held, number = held_port()
    with held:
        yield number


def receipt(folder: Path, answer: bytes) -> Receipt:
    return note.read(answer, Receipt, {"hub-a": Keys.read(folder / "keys", "hub-a").signer.verifier}).statement


@pytest.mark.e2e
def test_what_comes_over_a_real_broker_is_receipted_counted_and_exported(
    folder: Path, unit: SomeUnit, port: int
) -> None:
    file = str(folder / "hub.toml")
    with broker(folder, port), hub_running(folder, port) as running:
        await_event(running, "link-up")
        with unit_connected(port) as (client, came):
            client.publish(*unit.press(some_payload()).sent, qos=1)
            assert receipt(folder, came.get(timeout=SECONDS)).seq == 1
            # Units can be enrolled while the hub runs.
            other = SomeUnit(unit.recipients, "unit-2")
            press = other.press(some_payload(2))
            client.publish(*press.sent, qos=1)
            assert note.kind_of(came.get(timeout=SECONDS)) == Refused.KIND
            with (folder / "register").open("a", encoding="utf-8") as register:
                register.write(f"{other.signer.verifier}\n")
            client.publish(*press.sent, qos=1)
            assert receipt(folder, came.get(timeout=SECONDS)).unit == "unit-2"
        # While the hub runs, its ledger can be read, and is not another hub's to keep.
        assert json.loads(hub(folder, "totals", "--json", "--settings", file)[1])["counted"] == 2
        assert "has it open" in hub(folder, "--settings", file)[2]
        running.send_signal(signal.SIGTERM)
        assert running.wait(SECONDS) == 0
    assert "2 mesas count" in hub(folder, "--settings", file, "totals")[1]
    rows = folder / "rows.csv"
    assert hub(folder, "export", str(rows), "--settings", file)[0] == 0
    assert len(rows.read_text("utf-8").splitlines()) == 3
    assert hub(folder, "export", str(rows), "--settings", file)[0] == 2


@pytest.mark.e2e
def test_the_hub_comes_back_after_the_broker(folder: Path, unit: SomeUnit, port: int) -> None:
    with hub_running(folder, port) as running:
        said = await_event(running, "link-down")
        assert f'why="cannot connect to 127.0.0.1:{port}: ' in said
        assert " next_ms=" in said
        with broker(folder, port):
            await_event(running, "link-up")
            with unit_connected(port) as (client, came):
                client.publish(*unit.press(some_payload(1)).sent, qos=1)
                came.get(timeout=SECONDS)
        await_event(running, "link-down")
        with broker(folder, port):
            await_event(running, "link-up")
            with unit_connected(port) as (client, came):
                client.publish(*unit.holding().sent, qos=1)
                assert receipt(folder, came.get(timeout=SECONDS)).seq == 1
        running.send_signal(signal.SIGTERM)
        assert running.wait(SECONDS) == 0


@pytest.mark.e2e
def test_more_rubbish_than_the_window_holds_does_not_stop_it(folder: Path, unit: SomeUnit, port: int) -> None:
    other = SomeUnit(unit.recipients, "unit-2")
    (folder / "register").write_text(f"{unit.signer.verifier}\n{other.signer.verifier}\n", "utf-8")
    with broker(folder, port), hub_running(folder, port) as running:
        await_event(running, "link-up")
        with unit_connected(port) as (client, came):
            for size in (1_000_000, *range(3000)):
                client.publish(unit.topic(Leaf.ENVELOPE), bytes(size), qos=1)
            client.publish(*other.press(some_payload()).sent, qos=1)
            answers = [came.get(timeout=SECONDS)]
            while note.kind_of(answers[-1]) == Refused.KIND:
                answers.append(came.get(timeout=SECONDS))
            assert receipt(folder, answers[-1]).seq == 1


@pytest.mark.e2e
def test_who_says_it_is_another_client_says_nothing_in_its_name(folder: Path, unit: SomeUnit, port: int) -> None:
    forger = SomeUnit(unit.recipients, unit.name)
    with broker(folder, port), hub_running(folder, port) as running:
        await_event(running, "link-up")
        with unit_connected(port, unit.name) as (client, came):
            client.publish(*forger.press(some_payload(1, votes=9)).sent, qos=1)
            assert note.kind_of(came.get(timeout=SECONDS)) == Refused.KIND
        with unit_connected(port, "somebody-else") as (client, came):  # any carrier will do
            client.publish(*unit.press(some_payload(1)).sent, qos=1)
            assert receipt(folder, came.get(timeout=SECONDS)).seq == 1


def test_the_check_says_what_is_whole_and_asks_for_the_rest_again(folder: Path, unit: SomeUnit, database: str) -> None:
    file, picture = on_database(folder, database), bytes(70_000)
    with opened(settings.read(file), lambda: 0, lambda *_, **__: None) as intake:
        intake.take([each.sent for each in (unit.press(some_payload(), pictures=[picture]), *unit.chunks(picture))])
        code, said, complaint = hub(folder, "check", "--settings", str(file))
        assert (code, said, "the hub is running and has it open" in complaint) == (2, "", True)
    assert hub(folder, "check", "--settings", str(file))[:2] == (0, "pictures: 1 whole, 0 lost\n")
    name = Sealed.of(picture).sha256
    (folder / "pictures" / name).write_bytes(b"x" * len(picture))
    code, said, log = hub(folder, "check", "--settings", str(file))
    assert (code, said) == (0, "pictures: 0 whole, 1 lost: they are asked for again\n")
    assert f"event=picture-lost unit={unit.name} count=1 sha256={name}" in log
    with opened(settings.read(file), lambda: 0, lambda *_, **__: None) as intake:
        ((_, answer),) = intake.take([unit.holding().sent])
        assert [each.sha256 for each in receipt(folder, answer).missing] == [name]


@pytest.mark.e2e
def test_a_broker_that_refuses_is_named_and_tried_again(folder: Path, unit: SomeUnit, port: int) -> None:
    with broker(folder, port, "allow_anonymous false"), hub_running(folder, port) as running:
        assert "Not authorized" in await_event(running, "broker-refused")
        await_event(running, "link-down")
        await_event(running, "broker-refused")
        running.send_signal(signal.SIGTERM)
        assert running.wait(SECONDS) == 0


@pytest.mark.e2e
def test_a_killed_hub_is_sent_again_what_it_had_not_acknowledged(folder: Path, unit: SomeUnit, port: int) -> None:
    with broker(folder, port):
        with hub_running(folder, port) as running:
            await_event(running, "link-up")
        # It was killed; its session stays with the broker, and what comes meanwhile.
        with unit_connected(port) as (client, came):
            for number in range(20):
                client.publish(*unit.press(some_payload(number)).sent, qos=1)
            with hub_running(folder, port):
                seqs = [0]
                while seqs[-1] < 20:
                    seqs.append(receipt(folder, came.get(timeout=SECONDS)).seq)
                assert seqs == sorted(seqs)


@pytest.mark.e2e
def test_a_hub_whose_ledger_is_lost_says_so_and_ends(folder: Path, unit: SomeUnit, port: int) -> None:
    with broker(folder, port), hub_running(folder, port) as running:
        await_event(running, "link-up")
        with closing(sqlite3.connect(folder / "ledger.sqlite")) as other:
            other.execute("DROP TABLE record")
        with unit_connected(port) as (client, _):
            client.publish(*unit.press(some_payload()).sent, qos=1)
            assert running.wait(SECONDS) == 2
        assert running.stderr is not None
        assert "testigo-hub: ledger in " in running.stderr.read()
