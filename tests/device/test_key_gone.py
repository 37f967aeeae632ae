"""A key that cannot be used, at the start or while the unit runs: the lamps say so, and the program ends in words."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from device.keys import Key, KeyFault, signer_from
from device.ports import Body, LinkUp, Post
from device.running import run
from device.settings import Settings, read
from device.signals import FaultCode
from sim.body import SimBody, make
from sim.clock import WallClock
from sim.deployment import make as deploy
from tests.device.world import VE
from wire.note import Signer
from wire.settings import Broker


class Chip:
    """A signer whose chip is pulled before its first signature."""

    def __init__(self, of_file: Signer) -> None:
        self.verifier = of_file.verifier

    def sign(self, text: bytes) -> bytes:
        raise KeyFault(f"key tpm: gone before {len(text)} bytes were signed: see how it is connected")


class Up:
    """A link that is up at once; the unit then says what it holds, and signs that."""

    def __init__(self, post: Post) -> None:
        self._post = post

    def connect(self, rank: int) -> None:  # noqa: ARG002
        self._post(LinkUp(8, 262_144))

    def reach(self, brokers: Sequence[Broker]) -> None:
        pass

    def publish(self, topic: str, payload: bytes) -> int | None:  # noqa: ARG002
        return None

    def leave(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize("is_at_start", [True, False])
def test_a_key_that_is_gone_is_shown_until_it_was_read_and_ends_the_run(is_at_start: bool, tmp_path: Path) -> None:
    (path,) = deploy(tmp_path / "trial", 1, 1883, VE).units.values()
    settings = read(path)
    bodies: list[SimBody] = []

    def make_body(settings: Settings, post: Post) -> Body:
        bodies.append(make(WallClock(), settings.card, Up(post), post))
        return bodies[0].body

    def open_signer(key: Key, name: str) -> Signer:
        if is_at_start:
            raise KeyFault("key tpm: gone: see how it is connected")
        return Chip(signer_from(key, name))

    def alive() -> None:
        if bodies[0].indicator.codes:
            os.kill(os.getpid(), signal.SIGTERM)

    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        with pytest.raises(KeyFault, match="see how it is connected"):
            run(settings, make_body, alive, open_signer)
    finally:
        for number, was in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(number, was)
    assert bodies[0].indicator.codes[-1] is FaultCode.KEY
