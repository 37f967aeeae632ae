"""The reader's promises, in the thread that asks and in a process of its own."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from device.apart import ReaderApart, Request, open_eye
from device.ports import BodyEvent, FrameRead, FrameReader, Post, ReaderFailed
from device.worker import warm
from sim.body import SimReader
from sim.paper import random_payload
from tests.device.reader.plain import symbol
from wire.errors import OurFault
from wire.profiles import named

VE = named("ve-2024-presidential")
HANG, CRASH = 7, 9
"""The brightness of a frame over which the reader below is lost."""


@pytest.fixture(scope="module", autouse=True)
def warmed() -> None:
    """The reader is loaded once, and not again by each worker."""
    warm("device.eye")


def brittle_eye() -> Callable[[Request], FrameRead]:
    """A reader that loops for ever on some frames, crashes on others, and finds one payload on all others."""
    return see


def open_unless(obstacle: Path) -> Callable[[Request], FrameRead]:
    """The same, which cannot be made while something stands in the way."""
    assert not obstacle.exists()
    return see


def see(request: Request) -> FrameRead:
    luma, _ = request
    while luma[0, 0] == HANG:
        pass
    if luma[0, 0] == CRASH:
        os.kill(os.getpid(), signal.SIGSEGV)
    return FrameRead(payloads=("the next one",))


def flat(brightness: int) -> NDArray[np.uint8]:
    return np.full((300, 400), brightness, np.uint8)


@pytest.fixture
def inbox() -> "SimpleQueue[BodyEvent]":
    return SimpleQueue()


def in_this_thread(post: Post) -> FrameReader:
    return SimReader(post, VE)


def apart(post: Post) -> FrameReader:
    return ReaderApart(post, partial(open_eye, VE))


@pytest.fixture(params=[in_this_thread, apart])
def reader(request: pytest.FixtureRequest, inbox: "SimpleQueue[BodyEvent]") -> Iterator[FrameReader]:
    make: Callable[[Post], FrameReader] = request.param
    reader = make(inbox.put)
    yield reader
    reader.close()


@pytest.fixture
def brittle(inbox: "SimpleQueue[BodyEvent]") -> Iterator[ReaderApart]:
    reader = ReaderApart(inbox.put, brittle_eye, seconds_max=1.0)
    yield reader
    reader.close()


def answer(inbox: "SimpleQueue[BodyEvent]") -> FrameRead:
    event = inbox.get(timeout=60)
    assert isinstance(event, FrameRead)
    return event


def test_each_frame_is_answered_once_in_the_order_given(reader: FrameReader, inbox: "SimpleQueue[BodyEvent]") -> None:
    payloads = [random_payload(Random(seed)) for seed in range(3)]
    for press, payload in enumerate(payloads):
        reader.read(1, symbol(payload), press)
    assert [answer(inbox).payloads for _ in payloads] == [(payload,) for payload in payloads]
    with pytest.raises(Empty):
        inbox.get_nowait()


def test_a_frame_without_a_code_is_answered_too(reader: FrameReader, inbox: "SimpleQueue[BodyEvent]") -> None:
    reader.read(1, flat(235), 1)
    read = answer(inbox)
    assert (read.payloads, read.quality.step, read.lost) == ((), "", "")


def test_a_plane_cut_out_of_a_padded_one_is_read(reader: FrameReader, inbox: "SimpleQueue[BodyEvent]") -> None:
    payload = random_payload(Random(1))
    plane = symbol(payload)
    padded = np.full((plane.shape[0], plane.shape[1] + 64), 235, np.uint8)
    padded[:, : plane.shape[1]] = plane
    reader.read(1, padded[:, : plane.shape[1]], 1)
    assert answer(inbox).payloads == (payload,)


@pytest.mark.parametrize(("kind", "why"), [(HANG, "not read within 1 s"), (CRASH, "SIGSEGV")], ids=["hangs", "crashes"])
def test_a_reader_that_is_lost_over_a_frame_says_so_and_reads_the_next_one(
    brittle: ReaderApart, inbox: "SimpleQueue[BodyEvent]", kind: int, why: str
) -> None:
    brittle.read(1, flat(kind), 1)
    brittle.read(2, flat(235), 1)
    lost, after = answer(inbox), answer(inbox)
    assert (lost.number, lost.payloads) == (1, ())
    assert why in lost.lost
    assert (after.number, after.payloads) == (2, ("the next one",))


def test_a_reader_that_hangs_is_closed_at_once_and_answers_no_more(inbox: "SimpleQueue[BodyEvent]") -> None:
    reader = ReaderApart(inbox.put, brittle_eye, seconds_max=60.0)
    reader.ready()
    for number in (1, 2):
        reader.read(number, flat(HANG), 1)
    began = time.monotonic()
    reader.close()
    assert time.monotonic() - began < 10
    assert inbox.empty()


def test_whatever_befalls_the_worker_each_frame_is_answered_and_the_reader_comes_back(
    inbox: "SimpleQueue[BodyEvent]", tmp_path: Path
) -> None:
    """No worker can be started for a while, as when memory is short."""
    obstacle = tmp_path / "obstacle"
    reader = ReaderApart(inbox.put, partial(open_unless, obstacle), seconds_max=60.0)
    reader.ready()
    obstacle.touch()
    for number in (1, 2):
        reader.read(number, flat(CRASH), 1)
        failed = inbox.get(timeout=60)
        assert isinstance(failed, ReaderFailed)
        assert failed.number == number
    obstacle.unlink()
    reader.read(3, flat(235), 1)
    assert answer(inbox).payloads == ("the next one",)
    reader.close()


def test_a_reader_that_cannot_be_started_says_so_and_can_be_closed(
    inbox: "SimpleQueue[BodyEvent]", tmp_path: Path
) -> None:
    reader = ReaderApart(inbox.put, partial(open_unless, tmp_path), seconds_max=60.0)
    with pytest.raises(OurFault):
        reader.ready()
    reader.read(1, flat(235), 1)
    assert isinstance(inbox.get(timeout=60), ReaderFailed)
    reader.close()
