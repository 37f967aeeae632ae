"""The mirror: where a unit fetches signed releases: an address of a web server, or a folder that came with a stick.

Nothing that comes from one is believed: python-tuf checks all of it. Here it is only bounded, in bytes by what
python-tuf asks for, and in time.
"""

import os
import socket
import ssl
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

from device.dates import NO_CHECK_TIME

SILENT_SECONDS_MAX = 20.0
"""How long a mirror may say nothing: to connect over a bad mobile network takes some seconds."""

GRACE_SECONDS = 30.0
"""Within which an answer must begin, and what a file may take beyond its share."""

BYTES_PER_SECOND_MIN = 1024
"""What a file must come at on the average, beyond the grace: a tenth of what the worst mobile network brings."""

PIECE_BYTES = 65536
"""How much of a file is in memory at once."""

_OK = 200
_NOT_FOUND = 404

_PORTS = {"http": 80, "https": 443}


class Fetcher(FetcherInterface):
    """What python-tuf fetches by: `http:` and `https:` from a server, paths from a folder.

    Args:
        seconds: a clock that only goes forward.
        grace: see `GRACE_SECONDS`.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic, grace: float = GRACE_SECONDS) -> None:
        self._seconds = seconds
        self._grace = grace

    def _fetch(self, url: str) -> Iterator[bytes]:
        is_address = urlsplit(url).scheme in _PORTS
        return self._in_time(url, _from_server(url, self._grace) if is_address else from_folder(Path(url)))

    def _in_time(self, url: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The same pieces, while they come fast enough."""
        began, received = self._seconds(), 0
        try:
            for piece in pieces:
                received += len(piece)
                took = self._seconds() - began
                if took > self._grace + received / BYTES_PER_SECOND_MIN:
                    raise SlowRetrievalError(f"{url}: {received} bytes in {took:.0f} s")
                yield piece
        except (HTTPException, OSError, ValueError) as error:  # the last: an address that cannot be one
            raise DownloadError(f"{url}: {str(error) or type(error).__name__}") from error


def _from_server(url: str, grace: float) -> Iterator[bytes]:
    """What a web server answers: plainly and at once, with nothing to follow and no form that has to be undone."""
    asked = urlsplit(url)
    host, port = asked.hostname or "", asked.port or _PORTS[asked.scheme]
    connection = HTTPConnection(host, port)
    with ExitStack() as open_:
        plug = open_.enter_context(socket.create_connection((host, port), SILENT_SECONDS_MAX))
        # Who says one byte of a greeting every few seconds is never silent: the line is cut under it.
        cut = open_.enter_context(plug.dup())
        timer = threading.Timer(grace, _cut, (cut,))
        timer.daemon = True
        timer.start()
        open_.callback(timer.cancel)
        if asked.scheme == "https":
            plug = open_.enter_context(_tls().wrap_socket(plug, server_hostname=host))
        connection.sock = plug
        connection.request("GET", asked.path, headers={"Accept-Encoding": "identity", "Connection": "close"})
        answer = connection.getresponse()
        timer.cancel()
        yield from _body(url, answer)


def _tls() -> ssl.SSLContext:
    """What keeps the line from being read; dates are not looked at, for no clock of a unit is evidence."""
    context = ssl.create_default_context()
    context.verify_flags |= NO_CHECK_TIME
    return context


def _cut(plug: socket.socket) -> None:
    with suppress(OSError):  # the other end was quicker
        plug.shutdown(socket.SHUT_RDWR)


def _body(url: str, answer: HTTPResponse) -> Iterator[bytes]:
    if answer.status != _OK:
        raise DownloadHTTPError(f"{url}: HTTP status {answer.status}", answer.status)
    if answer.getheader("Transfer-Encoding") is not None:
        raise DownloadError(f"{url}: it comes in chunks: a mirror is a server of plain files")
    # As it comes: who waits for a whole piece gives a slow mirror all the time it wants.
    while piece := answer.read1(PIECE_BYTES):
        yield piece


def from_folder(path: Path) -> Iterator[bytes]:
    """A file's bytes, where whoever lays files there is not to be believed."""
    try:
        # A stick's links may point anywhere, and what it calls a file may be a pipe that never ends.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DownloadHTTPError(f"{path}: it is not there", _NOT_FOUND) from error
    with os.fdopen(handle, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise DownloadError(f"{path}: no plain file")
        while piece := file.read(PIECE_BYTES):
            yield piece
