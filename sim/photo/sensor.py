"""The sensor: cameras by name, and how they turn light into luma: blur, photons, gain, gamma, sharpening, JPEG."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Luma = NDArray[np.uint8]

GAMMA = 2.2
WHITE = 0.62  # of the sensor's range: where the automatic exposure puts blank paper, luma 205
GAIN_STOPS = 4.0  # ISO 100 to 1600; what is darker than that stays dark
BLACK = 1.5  # luma
FLARE = 0.015  # share of the mean light that the lens spreads over all


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera module of the Raspberry Pi.

    Attributes:
        width: of the frame, px.
        height: of the frame, px.
        focal_px: focal length over the pixel's pitch.
        full_well: electrons that a pixel holds.
        read_noise: electrons.
        lens_px: sigma of the lens's blur in focus.
        sharpen: what the image processor adds of the difference to a blurred copy; its halo.
        vignetting: share of the light that is missing in the corners.
        distortion: share by which the corners are shifted outwards.
    """

    width: int
    height: int
    focal_px: float
    full_well: float
    read_noise: float
    lens_px: float
    sharpen: float
    vignetting: float
    distortion: float


# Resolution, pitch and focal length as their makers say; full well and noise as pixels of such size usually have, right
# to a third perhaps: nobody has measured these cameras for us. The rest is by eye.
CAMERAS = {
    "imx708": Camera(4608, 2592, 4.74 / 0.0014, 4500, 2.0, 0.60, 0.6, 0.30, 0.010),
    "imx219": Camera(3280, 2464, 3.04 / 0.00112, 4700, 2.7, 0.70, 0.8, 0.40, 0.015),
    "imx477": Camera(4056, 3040, 6.00 / 0.00155, 8100, 3.0, 0.55, 0.4, 0.25, -0.010),
    "ov5647": Camera(2592, 1944, 3.60 / 0.0014, 4300, 3.5, 0.65, 1.0, 0.40, 0.015),
}


def spread(defocus_px: float, motion_px: float, motion_deg: float) -> Floats | None:
    """The kernel of a disc of that radius and a straight motion of that length; None where neither is."""
    if not (defocus_px or motion_px):
        return None
    fine = 4
    reach = int(np.ceil(defocus_px + motion_px / 2)) + 1
    middle = (np.arange((2 * reach + 1) * fine) + 0.5) / fine - reach - 0.5
    x, y = np.meshgrid(middle, middle)
    angle = np.radians(motion_deg)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    # The disc swept along the motion, each pixel weighted by how long the disc covers it.
    half = np.sqrt(np.maximum(max(defocus_px, 0.5) ** 2 - across**2, 0))
    start, end = np.maximum(along - half, -motion_px / 2), np.minimum(along + half, motion_px / 2)
    covered = np.maximum(end - start, 0) if motion_px else (np.abs(along) < half).astype(float)
    kernel = covered.reshape(2 * reach + 1, fine, 2 * reach + 1, fine).mean(axis=(1, 3))
    made: Floats = (kernel / kernel.sum()).astype(np.float32)
    return made


def blur_sigma(lens_px: float, defocus_px: float, motion_px: float) -> float:
    """The standard deviation of the whole blur along its worst direction, px."""
    return float(np.sqrt(lens_px**2 + defocus_px**2 / 4 + motion_px**2 / 12))


def exposed(light: Floats, camera: Camera, dim_stops: float, rng: np.random.Generator) -> Luma:
    """The luma that a camera makes of light, which is 1 where blank paper is; `light` is used up."""
    electrons = white_electrons(camera, dim_stops)
    light += np.float32(FLARE * float(cv2.mean(light)[0]))
    noise = rng.standard_normal(light.shape, np.float32)
    light *= np.float32(electrons)
    np.maximum(light, 0, out=light)
    noise *= cv2.sqrt(light + np.float32(camera.read_noise**2))
    light += noise
    light *= np.float32(4095 * WHITE * 0.5 ** max(0.0, dim_stops - GAIN_STOPS) / electrons)
    np.clip(light, 0, 4095, out=light)
    levels = light.astype(np.uint16)
    tone = np.clip(BLACK + (255 - BLACK) * (np.arange(4096) / 4095) ** (1 / GAMMA), 0, 255).astype(np.uint8)
    luma: Luma = np.take(tone, levels)
    # What is left of the mosaic of colours: neighbours share their noise.
    luma = cv2.GaussianBlur(luma, (3, 3), 0.5).astype(np.uint8, copy=False)
    soft = cv2.GaussianBlur(luma, (0, 0), 1.2)
    return cv2.addWeighted(luma, 1 + camera.sharpen, soft, -camera.sharpen, 0).astype(np.uint8, copy=False)


def white_electrons(camera: Camera, dim_stops: float) -> float:
    """Electrons at blank paper."""
    return camera.full_well * WHITE * float(0.5**dim_stops)


def compressed(luma: Luma, quality: int) -> Luma:
    """The luma after a JPEG of quality 1 to 100."""
    done, file = cv2.imencode(".jpg", luma, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "OpenCV is built without JPEG"
    back = cv2.imdecode(file, cv2.IMREAD_GRAYSCALE)
    assert back is not None, "OpenCV cannot read its own JPEG"
    return back.astype(np.uint8, copy=False)
