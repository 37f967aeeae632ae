"""The camera's library, of a machine that has no camera."""

raise ImportError("there is no camera here")
