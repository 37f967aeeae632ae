"""The peers: other open decoders of QR codes, each in a worker of its own, for some of them hang or crash.

They are no dependency of the project. Those that are not part of it anyway live in a folder beside the virtual
environment's own packages (`bench/peers.txt`, put there by `make bench`), on the path of a peer's worker alone: one of
them brings another build of OpenCV. A peer that is not there is named with the reason, never left out in silence.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.worker import Lost, Worker
from wire.errors import OurFault

FOLDER = Path(sys.prefix) / "peers"
SECONDS_MAX = 20.0
"""A picture's time: ten times what any of them takes over 12 megapixels without hanging."""
BYTES_MAX = 2 * 2**30

Luma = NDArray[np.uint8]
Read = Callable[[Luma], set[bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a decoder made of a picture: the content of each symbol, and the time it took; or how it failed."""

    contents: frozenset[bytes]
    ms: float
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a decoder is not here."""

    why: str


class Peer:
    """A decoder in its worker; `close` ends it."""

    def __init__(self, name: str, make: Callable[[], Read], folder: Path | None = FOLDER) -> None:
        """Starts it.

        Args:
            name: what the tables call it.
            make: called in the worker, importable by its name.
            folder: where the worker looks for packages before it looks among the project's own; None: nowhere else.

        Raises:
            OurFault: it is not installed, and why.
        """
        self.name = name
        self._worker: Worker[Luma, Answer | Missing] = Worker(
            partial(_Answering, make, folder), [Answer, Missing], seconds_max=SECONDS_MAX, bytes_max=BYTES_MAX
        )
        first, _ = self._worker.ask(np.full((64, 64), 255, np.uint8))
        if isinstance(first, Missing):
            self.close()
            raise OurFault(first.why)

    def read(self, luma: Luma) -> Answer:
        """Reads a picture; the time is taken in the worker, around the decoder alone."""
        answer, seconds = self._worker.ask(luma)
        match answer:
            case Answer():
                return answer
            case Lost(why):
                return Answer(frozenset(), seconds * 1000, why)
            case Missing(why):
                raise OurFault(why)

    def close(self) -> None:
        """Ends the worker."""
        self._worker.end()


def here() -> tuple[list[Peer], dict[str, str]]:
    """Starts every peer that is installed; and for each that is not, why."""
    peers, missing = [], {}
    for name, make in MAKERS.items():
        try:
            peers.append(Peer(name, make))
        except OurFault as fault:
            missing[name] = str(fault)
    return peers, missing


class _Answering:
    """The worker's side: a decoder, or the reason why there is none."""

    def __init__(self, make: Callable[[], Read], folder: Path | None) -> None:
        if folder:
            sys.path.insert(0, str(folder))
        self._read: Read | None = None
        self._why = ""
        try:
            self._read = make()
        except ImportError as error:
            self._why = f"{error}; make bench installs it where it can be had"

    def __call__(self, luma: Luma) -> Answer | Missing:
        if self._read is None:
            return Missing(self._why)
        began = perf_counter()
        contents, failed = frozenset[bytes](), ""
        try:
            contents = frozenset(self._read(luma))
        except BaseException as error:  # noqa: BLE001 - a stranger's: it may raise anything, and one panics
            failed = f"{type(error).__name__}: {error}"
        return Answer(contents, 1000 * (perf_counter() - began), failed)


def _zxing_cpp(*, all_formats: bool = False) -> Read:
    import zxingcpp

    if all_formats:
        return lambda luma: {code.bytes for code in zxingcpp.read_barcodes(luma)}
    only = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    return lambda luma: {code.bytes for code in zxingcpp.read_barcodes(luma, formats=only)}


def _zbar() -> Read:
    pyzbar: Any = import_module("pyzbar.pyzbar")
    return lambda luma: {code.data for code in pyzbar.decode(luma, symbols=[pyzbar.ZBarSymbol.QRCODE])}


def _opencv(name: str) -> Read:
    cv2: Any = import_module("cv2")
    cv2.setNumThreads(1)
    detector = getattr(cv2, name)()

    def read(luma: Luma) -> set[bytes]:
        # One symbol and many are two ways through it, and either reads what the other does not.
        one = detector.detectAndDecodeBytes(luma)[0]
        many = () if one else detector.detectAndDecodeBytesMulti(luma)[1]
        return {bytes(content) for content in (one, *many) if content}

    return read


def _wechat() -> Read:
    cv2: Any = import_module("cv2")
    cv2.setNumThreads(1)
    if not hasattr(cv2, "wechat_qrcode"):
        raise ImportError("this build of OpenCV has no module wechat_qrcode")
    # Its two networks (to find codes, to sharpen small ones) are files that no package of it holds: it runs without.
    detector = cv2.wechat_qrcode.WeChatQRCode()
    return lambda luma: {_bytes(text) for text in detector.detectAndDecode(luma)[0]}


def _deqr(name: str) -> Read:
    decoder = getattr(import_module("deqr"), name)()

    def read(luma: Luma) -> set[bytes]:
        # It writes its black and white into what it is given.
        codes = decoder.decode(luma.copy(), convert_data=False)
        return {b"".join(_bytes(entry.data) for entry in code.data_entries) for code in codes}

    return read


def _qrlyzer() -> Read:
    decode = import_module("qrlyzer").detect_and_decode_from_bytes
    return lambda luma: {_bytes(text) for text in decode(luma.tobytes(), luma.shape[1], luma.shape[0])}


def _bytes(content: object) -> bytes:
    # Where a decoder took bytes for UTF-8 that are none, its text cannot be encoded again, and is not the content.
    return content if isinstance(content, bytes) else str(content).encode("utf-8", "replace")


MAKERS: dict[str, Callable[[], Read]] = {
    "zxing-cpp, QR only": _zxing_cpp,
    "zxing-cpp, defaults": partial(_zxing_cpp, all_formats=True),
    "ZBar": _zbar,
    "OpenCV": partial(_opencv, "QRCodeDetector"),
    "OpenCV Aruco": partial(_opencv, "QRCodeDetectorAruco"),
    "WeChat, no networks": _wechat,
    "quirc": partial(_deqr, "QuircDecoder"),
    "qrdec": partial(_deqr, "QRdecDecoder"),
    "qrlyzer": _qrlyzer,
}
"""Each decoder's name in the tables, and what makes it in its worker."""
