"""The unit's log: every event it can tell, declared once."""

from enum import Enum

from wire.log import Happening, Level

I, W, E = Level.INFO, Level.WARNING, Level.ERROR


class Event(Enum):
    """The events; docs/log.md is made from them."""

    STARTED = Happening(I, "the firmware is ready; says what the card holds")
    STOPPED = Happening(I, "the firmware was asked to end, and has")
    CARD_REPAIRED = Happening(W, "the card was in disorder (a power cut, a bad database); says what was put right")
    CARD_BAD = Happening(E, "keeping failed; the record is not kept: press again, change the card if it goes on")
    CAMERA_BAD = Happening(E, "the camera failed or did not answer: check its ribbon, restart the unit")
    SCANNED = Happening(I, "a scan ended; says with which signal, after how many milliseconds, read how")
    REFUSED_PAYLOAD = Happening(W, "a QR code was read that is no acta of the profile; press again to keep it all the same")
    KEPT = Happening(I, "a record is durable on the card; says its seq")
    LINK_UP = Happening(I, "connected to the broker")
    LINK_DOWN = Happening(W, "not connected; says why and when the next attempt is; records wait on the card")
    NOT_TAKEN = Happening(W, "the broker would not take a publication; it waits and is offered again")
    TOO_LARGE = Happening(W, "a publication is larger than the broker takes; raise its packet size limit")
    RECEIPTED = Happening(I, "a hub's receipt was filed; says up to which seq it holds everything")
    RECEIPT_IGNORED = Happening(W, "something came as a receipt that is none for us; says why; nothing was changed")
    REFUSED = Happening(E, "a hub refuses to hold a record; it stays on the card: tell the operators of that hub")
    RECORD_BAD = Happening(E, "a kept file does not have its bytes any more; it is not offered: save the card for the operators")
