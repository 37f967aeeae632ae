"""Raw pictures: what picamera2 loads for writing DNG files; a unit writes none, so nothing here is ever called."""
