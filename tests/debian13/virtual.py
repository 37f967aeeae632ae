"""The virtual camera: picamera2 as it is, on libcamera's virtual pipeline, over a tray on which things can be laid.

libcamera does all that it does for a camera; only what no machine without one has is added beneath picamera2: what is
before the lens (painted into each frame as it lay when its exposure began), and a lens, an exposure and a white balance
as the Camera Module 3 has them, in the controls that libcamera knows and in what it tells of a frame.
"""

import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import libcamera  # pyright: ignore[reportMissingImports]
import numpy as np
from libcamera import controls as ids  # pyright: ignore[reportMissingImports]
from numpy.typing import NDArray
from picamera2 import MappedArray, Picamera2  # pyright: ignore[reportMissingImports]
from picamera2.allocators import LibcameraAllocator  # pyright: ignore[reportMissingImports]

FRAME_SECONDS = 0.03
"""The virtual pipeline has no pace of its own."""

SCANNING_FRAMES = 4
"""How long the lens searches, and the exposure."""

RIGHT_US = 8000
"""The exposure at which the tray is as bright as what is laid on it."""

FRAMES_TOLD = 32
"""Of so many frames it is remembered what is told of them: many more than libcamera has buffers."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What libcamera knows of a control."""

    min: Any
    max: Any
    default: Any
    values: tuple[()] = ()


CONTROLS = {
    "AfMode": Bounds(0, 2, 0),
    "AfTrigger": Bounds(0, 1, 0),
    "LensPosition": Bounds(0.0, 15.0, 1.0),
    "ExposureTime": Bounds(0, 112_000_000, 20_000),
    "ExposureTimeMode": Bounds(0, 1, 0),
    "AnalogueGain": Bounds(1.0, 16.0, 1.0),
    "AnalogueGainMode": Bounds(0, 1, 0),
    "AwbEnable": Bounds(False, True, True),
    "ColourGains": Bounds(0.0, 32.0, 1.0),
}


class Tray:
    """The tray, the camera's lens, and the hands that reach them.

    Attributes:
        sharp_at: where the lens is focused, in dioptres.
        can_focus: whether the search for it succeeds.
        flaw: what is wrong with every frame: `blank`, `half`, or nothing.
        is_plugged: whether the ribbon is in.
        began_ns: when the exposure of each frame so far began.
        asked: every control that reached the camera, in order.
        lost: what libcamera has done since the ribbon was pulled.
    """

    def __init__(self) -> None:
        self.sharp_at, self.can_focus = 10.0, True
        self.flaw = ""
        self.is_plugged = True
        self.began_ns: list[int] = []
        self.asked: list[tuple[str, Any]] = []
        self.lost: list[Any] = []
        self.told: OrderedDict[int, dict[Any, Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._pace = threading.Event()
        self._lain: list[tuple[int, NDArray[np.uint8]]] = []
        self._seen: dict[tuple[int, float, int], NDArray[np.uint8]] = {}
        self._mode, self._is_triggered, self._state, self._left = 0, False, 0, 0
        self._position = 1.0
        self._exposure_us, self._is_manual, self._settling = 30_000, False, 0
        self._colours = (1.0, 1.0)

    def lay(self, luma: NDArray[np.uint8]) -> None:
        """Lays down a sheet of which a camera in focus sees exactly this."""
        self._lain.append((time.monotonic_ns(), luma))

    # What libcamera asks and tells.

    def ask(self, name: str, value: Any) -> None:
        """A control reaches the camera; those of one request come in any order."""
        with self._lock:
            self.asked.append((name, value))
            match name:
                case "AfMode":
                    self._mode = int(value)
                    self._state = 0
                case "AfTrigger":
                    self._is_triggered = int(value) == 0
                case "LensPosition":
                    self._position = float(value)
                case "ExposureTime":
                    self._exposure_us = int(value)
                case "ExposureTimeMode":
                    self._is_manual, self._settling = bool(value), 0
                case "ColourGains":
                    self._colours = tuple(value)
                case _:
                    pass  # the modes that go with another

    def expose(self) -> dict[Any, Any]:
        """One frame passes: what is told of it."""
        with self._lock:
            if self._mode == 2 and self._state == 0:
                self._state, self._left = 1, SCANNING_FRAMES
            if self._mode == 1 and self._is_triggered:
                self._is_triggered, self._state, self._left = False, 1, SCANNING_FRAMES
            if self._state == 1:
                self._left -= 1
                if self._left == 0:
                    self._state = 2 if self.can_focus else 3
                    self._position = self.sharp_at if self.can_focus else 1.0
            self._settling += 1
            has_settled = not self._is_manual and self._settling > SCANNING_FRAMES
            if has_settled:
                self._exposure_us = RIGHT_US
            return {
                ids.AfState: self._state,
                ids.LensPosition: self._position,
                ids.ExposureTime: self._exposure_us,
                ids.AnalogueGain: 1.0,
                ids.ColourGains: self._colours,
                ids.AeState: 0 if self._is_manual else 2 if has_settled else 1,
            }

    def paint(self, request: Any) -> None:
        """Paints a frame as what lay there when its exposure began, and remembers what is to be told of it."""
        self._pace.wait(FRAME_SECONDS)
        told = self.expose()
        self.told[request.request.sequence] = told
        while len(self.told) > FRAMES_TOLD:
            self.told.popitem(last=False)
        began = request.get_metadata()["SensorTimestamp"] - 1000 * told[ids.ExposureTime]
        self.began_ns.append(began)
        with MappedArray(request, "main") as mapped:
            rows = mapped.array.shape[0] * 2 // 3
            mapped.array[:rows], mapped.array[rows:] = self._seen_at(began, told, mapped.array.shape[1], rows), 128
            if self.flaw == "blank":
                mapped.array[:rows] = 0
            if self.flaw == "half":
                mapped.array[rows // 2 : rows], mapped.array[rows + rows // 4 :] = 0, 0

    def _seen_at(self, began: int, told: dict[Any, Any], width: int, height: int) -> NDArray[np.uint8]:
        lain = [number for number, (since, _) in enumerate(self._lain) if since <= began]
        if not lain:
            return np.linspace(16, 40, width).astype(np.uint8)[None, :].repeat(height, axis=0)
        key = lain[-1], abs(told[ids.LensPosition] - self.sharp_at), told[ids.ExposureTime]
        if key not in self._seen:
            sheet = cv2.resize(self._lain[key[0]][1], (width, height), interpolation=cv2.INTER_AREA)
            if key[1] > 0.05:
                sheet = cv2.resize(sheet, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
                sheet = cv2.GaussianBlur(sheet, (0, 0), min(1.2 * key[1], 4))  # what is hopeless need not be more so
                sheet = cv2.resize(sheet, (width, height), interpolation=cv2.INTER_LINEAR)
            lit = np.clip(sheet * (key[2] / RIGHT_US), 0, 255) if key[2] != RIGHT_US else sheet
            self._seen[key] = lit.astype(np.uint8)
        return self._seen[key]


class _Allocator(LibcameraAllocator):  # type: ignore[misc]
    """libcamera's own, which is told its camera when that is known; there is no DMA heap for picamera2's."""

    def __init__(self) -> None:
        super().__init__(None)
        self.owner: Callable[[], Any]

    def allocate(self, libcamera_config: Any, use_case: Any) -> None:
        """Allocates."""
        self.camera = self.owner().camera
        super().allocate(libcamera_config, use_case)


class Library:
    """The class `Picamera2` as the driver knows it, over one tray."""

    def __init__(self, tray: Tray) -> None:
        self.tray = tray

    def global_camera_info(self) -> Any:
        """What cameras there are."""
        return Picamera2.global_camera_info()

    def __call__(self) -> Any:
        """Opens the first of them."""
        global _before
        _before = self.tray
        allocator = _Allocator()
        camera = Picamera2(allocator=allocator)
        allocator.owner = weakref.ref(camera)
        camera.pre_callback = self.tray.paint
        return camera


_before: Tray
"""The tray before the one camera that there is."""


def _add_to_libcamera() -> None:
    """Puts ribbon, lens and exposure into libcamera's own classes, beneath picamera2."""
    camera, request, cameras = libcamera.Camera, libcamera.Request, libcamera.CameraManager
    generate, start = camera.generate_configuration, camera.start
    controls, metadata, set_control = camera.controls, request.metadata, request.set_control
    ready = cameras.get_ready_requests
    ours = {getattr(ids, name): bounds for name, bounds in CONTROLS.items()}

    def generated(self: Any, roles: list[Any]) -> Any:
        # The virtual pipeline has no raw stream; picamera2 asks for one to learn the sensor's size.
        role = libcamera.StreamRole
        return generate(self, [role.Viewfinder if each == role.Raw else each for each in roles])

    def started(self: Any, asked: dict[Any, Any]) -> None:
        if not _before.is_plugged:
            raise RuntimeError("Failed to start camera: Connection timed out")
        for id_, value in asked.items():
            if id_ in ours:
                _before.ask(id_.name, value)
        start(self, {id_: value for id_, value in asked.items() if id_ not in ours})

    def asked(self: Any, id_: Any, value: Any) -> None:
        if id_ in ours:
            _before.ask(id_.name, value)
        else:
            set_control(self, id_, value)

    def ready_requests(self: Any) -> list[Any]:
        done = list(ready(self))
        if _before.is_plugged:
            return done
        _before.lost += done  # of a ribbon that is pulled nothing comes any more, but libcamera still has its requests
        return []

    camera.generate_configuration = generated
    camera.start = started
    camera.controls = property(lambda self: {**controls.__get__(self), **ours})
    request.set_control = asked
    request.metadata = property(lambda self: {**metadata.__get__(self), **_before.told.get(self.sequence, {})})
    cameras.get_ready_requests = ready_requests


_add_to_libcamera()
