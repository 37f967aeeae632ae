"""The hub under test: an intake over either database, and units to feed it with."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hub.check import check_at_start
from hub.count import Count, count
from hub.intake import Answers, Intake
from hub.keys import Keys
from hub.ledger import Ledger
from hub.log import Event
from hub.pictures import Pictures
from hub.quota import Quota
from hub.settings import POSTGRESQL
from sim.broker import held_port
from sim.deployment import write_key
from tests.hub.some_unit import DEPLOYMENT, PROFILE, Publication, SomeUnit, some_opener
from wire import note, profiles
from wire.note import Verifier
from wire.package import Roster
from wire.receipt import Receipt, Refused
from wire.record import Mode

QUOTA = Quota()
DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The DSN of a PostgreSQL server of our own."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not programs:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    # The server will not run as root, and the user it runs as cannot reach pytest's folders. In memory, where there is
    # room in it: no test cuts the power of this one, and each commit would wait for a disk.
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="testigo-postgresql-", dir=memory if memory.is_dir() else None))
    as_user: tuple[str, ...] = ()
    if os.geteuid() == 0:
        as_user = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
        shutil.chown(folder, "postgres")
    held, port = held_port()

    def run(program: str, *arguments: str) -> None:
        command = (*as_user, str(programs[-1] / program), *arguments)
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    store = str(folder / "store")
    run("initdb", "--pgdata", store, "--auth=trust", "--username=testigo", "--no-sync", "--encoding=UTF8", "--locale=C")
    options = f"-h 127.0.0.1 -p {port} -k {folder}"
    run("pg_ctl", "--pgdata", store, "--log", str(folder / "log"), "--wait", "-o", options, "start")
    yield f"postgresql://testigo@127.0.0.1:{port}/postgres"
    run("pg_ctl", "--pgdata", store, "--mode=immediate", "stop")
    held.close()
    shutil.rmtree(folder)


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of which nothing is left but its tables: each test that asks for one runs on both kinds."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.sqlite")
    server: str = request.getfixturevalue("postgresql")
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with psycopg.connect(server, autocommit=True) as connection:  # a new database each time takes far longer
        connection.execute("SET session_replication_role = replica")  # whatever refers to what
        for (table,) in connection.execute(tables).fetchall():
            connection.execute(f"DELETE FROM {table}".encode())
    return server


@pytest.fixture
def new_database(database: str) -> str:
    """A database on which no hub has run."""
    if database.startswith(POSTGRESQL):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return database


def make_keys(folder: Path) -> None:
    """Makes a hub's keys, as `provisioning` does."""
    folder.mkdir()
    write_key(folder / "sign.pem", ec.generate_private_key(ec.SECP256R1()))
    write_key(folder / "seal.pem", X25519PrivateKey.generate())


@dataclass
class HubHere:
    """A hub without a broker: what it is fed, and what it says."""

    database: str
    folder: Path
    name: str = "hub-a"
    profile: str = PROFILE
    clock: int = 1722200000
    quota: Quota = QUOTA
    free: int = QUOTA.free_bytes
    roster: Roster = field(default_factory=Roster)
    mode: Mode = Mode.LIVE
    units: dict[str, Verifier] = field(default_factory=dict)
    events: list[tuple[Enum, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not (self.folder / "keys").exists():
            make_keys(self.folder / "keys")
        self.keys = Keys.read(self.folder / "keys", self.name)
        self.opener = self.keys.opener
        self.escrow = some_opener("escrow")
        self._open = ExitStack()
        self.start()

    def start(self) -> None:
        """Opens the ledger, as the hub does at start."""
        self.about = {"deployment": DEPLOYMENT, "profile": self.profile}
        self.ledger = self._open.enter_context(Ledger.opened(self.database, self.about, write=True))
        pictures = Pictures(self.folder / "pictures")
        check_at_start(self.ledger, pictures, self.log)
        self.intake = Intake(
            deployment=DEPLOYMENT,
            ledger=self.ledger,
            pictures=pictures,
            keys=self.keys,
            register=lambda: self.units,
            profile=profiles.named(self.profile),
            now=lambda: self.clock,
            log=self.log,
            quota=self.quota,
            free=lambda: self.free,
        )

    def log(self, event: Enum, **facts: Any) -> None:
        self.events.append((event, facts))

    def stop(self) -> None:
        self._open.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def unit(self, name: str = "unit-1", *, enrolled: bool = True) -> SomeUnit:
        unit = SomeUnit([self.opener.recipient, self.escrow.recipient], name)
        if enrolled:
            self.units[name] = unit.signer.verifier
        return unit

    def take(self, *publications: Publication) -> Answers:
        return self.intake.take([each.sent for each in publications])

    def answer(self, *publications: Publication) -> Receipt:
        """The one answer, which must be a receipt."""
        return self.receipt(self.take(*publications))

    def receipt(self, answers: Sequence[tuple[str, bytes]]) -> Receipt:
        ((_, answer),) = answers
        return note.read(answer, Receipt, {self.name: self.keys.signer.verifier}).statement

    def refusals(self, answers: Sequence[tuple[str, bytes]]) -> list[Refused]:
        """All refusals among the answers."""
        trusted = {self.name: self.keys.signer.verifier}
        refused = [answer for _, answer in answers if note.kind_of(answer) == Refused.KIND]
        return [note.read(answer, Refused, trusted).statement for answer in refused]

    def refusal(self, *publications: Publication) -> Refused:
        (refused,) = self.refusals(self.take(*publications))
        return refused

    def told(self) -> list[Enum]:
        """The events told, without those that everything tells."""
        return [event for event, _ in self.events if event is not Event.KEPT]

    def count(self) -> Count:
        return count(self.ledger, profiles.named(self.profile), self.roster, self.mode)


@pytest.fixture
def hub(database: str, tmp_path: Path) -> Iterator[HubHere]:
    here = HubHere(database, tmp_path)
    yield here
    here.stop()


@pytest.fixture
def sqlite_hub(tmp_path: Path) -> Iterator[HubHere]:
    here = HubHere(str(tmp_path / "ledger.sqlite"), tmp_path)
    yield here
    here.stop()
