"""The watchdog: what systemd hears, and when it hears nothing."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.watchdog import Watchdog


class Systemd:
    """What listens at NOTIFY_SOCKET."""

    def __init__(self, where: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(where)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    where = str(tmp_path / "notify")
    made = Systemd(where)
    monkeypatch.setenv("NOTIFY_SOCKET", where)
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    yield made
    made.socket.close()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test may change."""
    at = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: at[0])
    return at


def test_it_is_ready_when_the_units_own_thread_is_first_heard_of(systemd: Systemd, now: list[float]) -> None:
    fed = Watchdog()
    assert systemd.heard() == []
    fed.alive()
    assert systemd.heard() == ["READY=1\nWATCHDOG=1"]


def test_it_is_fed_four_times_within_what_systemd_waits_however_often_the_unit_comes_by(
    systemd: Systemd, now: list[float]
) -> None:
    fed = Watchdog()
    fed.alive()
    for _ in range(200):  # of 100 ms, as a unit that has nothing to do
        now[0] += 0.1
        fed.alive()
    assert systemd.heard() in (["READY=1\nWATCHDOG=1", *["WATCHDOG=1"] * times] for times in (3, 4))


def test_a_unit_that_hangs_is_not_heard_of(systemd: Systemd, now: list[float]) -> None:
    fed = Watchdog()
    fed.alive()
    systemd.heard()
    now[0] += 3600
    assert systemd.heard() == []


def test_a_child_does_not_feed_its_parents_watchdog(
    systemd: Systemd, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_PID", "1")
    fed = Watchdog()
    fed.alive()
    now[0] += 3600
    fed.alive()
    assert systemd.heard() == ["READY=1\nWATCHDOG=1"]


def test_without_systemd_nobody_is_told_and_nothing_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Watchdog().alive()
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody-listens"))
    Watchdog().alive()


def test_a_socket_without_a_name_in_any_folder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"testigo-{os.getpid()}"
    listening = Systemd(f"\0{name}")
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    Watchdog().alive()
    assert listening.heard() == ["READY=1\nWATCHDOG=1"]
    listening.socket.close()
