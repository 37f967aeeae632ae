"""The screen: what picamera2 loads for previews on one; a unit has none, so nothing here is ever called."""


class _Names:
    def __getattr__(self, name: str) -> str:
        return name


PixelFormat = _Names()
