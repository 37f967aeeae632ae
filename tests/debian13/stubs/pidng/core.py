"""What writes raw pictures."""


class PICAM2DNG:
    """Is named by picamera2 and never made."""
