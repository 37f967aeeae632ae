"""The reader's promises, in the thread that asks and in a process of its own."""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from queue import Empty, SimpleQueue
from random import Random

import numpy as np
import pytest
import segno
from numpy.typing import NDArray

from device.apart import ReaderApart, Request, open_eye
from device.ports import BodyEvent, FrameRead, FrameReader, Post
from sim.body import SimReader
from sim.paper import random_payload
from wire.profiles import named

VE = named("ve-2024-presidential")
HANG, CRASH = 7, 9
"""The brightness of a frame over which the reader below is lost."""


class Brittle:
    """A reader that loops for ever on some frames, and crashes on others."""

    def __init__(self) -> None:
        self._see = open_eye(VE)

    def __call__(self, request: Request) -> FrameRead:
        luma, _ = request
        while luma[0, 0] == HANG:
            pass
        if luma[0, 0] == CRASH:
            os.kill(os.getpid(), signal.SIGSEGV)
        return self._see(request)


def frame_of(payload: str) -> NDArray[np.uint8]:
    modules = np.array(
        [list(row) for row in segno.make(payload, error="q", micro=False).matrix_iter(border=4)], np.uint8
    )
    return np.where(modules, 35, 235).astype(np.uint8).repeat(8, axis=0).repeat(8, axis=1)


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
    reader = ReaderApart(inbox.put, Brittle, seconds_max=1.0)
    yield reader
    reader.close()


def answer(inbox: "SimpleQueue[BodyEvent]") -> FrameRead:
    event = inbox.get(timeout=60)
    assert isinstance(event, FrameRead)
    return event


def test_each_frame_is_answered_once_in_the_order_given(reader: FrameReader, inbox: "SimpleQueue[BodyEvent]") -> None:
    payloads = [random_payload(Random(seed)) for seed in range(3)]
    for press, payload in enumerate(payloads):
        reader.read(frame_of(payload), press)
    assert [answer(inbox).payloads for _ in payloads] == [(payload,) for payload in payloads]
    with pytest.raises(Empty):
        inbox.get_nowait()


def test_a_frame_without_a_code_is_answered_too(reader: FrameReader, inbox: "SimpleQueue[BodyEvent]") -> None:
    reader.read(flat(235), 1)
    read = answer(inbox)
    assert (read.payloads, read.quality.step, read.lost) == ((), "", "")


def test_a_plane_cut_out_of_a_padded_one_is_read(reader: FrameReader, inbox: "SimpleQueue[BodyEvent]") -> None:
    payload = random_payload(Random(1))
    plane = frame_of(payload)
    padded = np.full((plane.shape[0], plane.shape[1] + 64), 235, np.uint8)
    padded[:, : plane.shape[1]] = plane
    reader.read(padded[:, : plane.shape[1]], 1)
    assert answer(inbox).payloads == (payload,)


@pytest.mark.parametrize(("kind", "why"), [(HANG, "not read within 1 s"), (CRASH, "SIGSEGV")], ids=["hangs", "crashes"])
def test_a_reader_that_is_lost_over_a_frame_says_so_and_reads_the_next_one(
    brittle: ReaderApart, inbox: "SimpleQueue[BodyEvent]", kind: int, why: str
) -> None:
    payload = random_payload(Random(1))
    brittle.read(flat(kind), 1)
    brittle.read(frame_of(payload), 1)
    lost = answer(inbox)
    assert lost.payloads == ()
    assert why in lost.lost
    assert answer(inbox).payloads == (payload,)
