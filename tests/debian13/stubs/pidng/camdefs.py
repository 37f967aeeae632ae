"""The cameras that raw pictures are described for."""


class Picamera2Camera:
    """Is named by picamera2 and never made."""
