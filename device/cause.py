"""The cause: why a photograph could not be read, as the volunteer is told and as the record's certificate says it."""

from enum import Enum


class Cause(Enum):
    """Each cause, as a word for the record."""

    NOTHING = ""
    NO_CODE = "no-code"
    BLURRED = "blurred"
    DARK = "too-dark"
    GLARE = "glare"
    FAR = "too-far"
    CUT_LEFT = "cut-off-left"
    CUT_RIGHT = "cut-off-right"
    CUT_TOP = "cut-off-top"
    CUT_BOTTOM = "cut-off-bottom"
    DAMAGED = "damaged"
    """The photograph is good; the print, or what lies over it, is not."""
