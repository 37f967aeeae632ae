"""The unit's log: every event it can tell, declared once."""

from enum import Enum

from wire.log import Happening, Level

INFO, WARNING, ERROR = Level.INFO, Level.WARNING, Level.ERROR


class Event(Enum):
    """The events; docs/log.md is made from them."""

    STARTED = Happening(INFO, "the firmware is ready; says by which deployment package, and what the card holds")
    STOPPED = Happening(INFO, "the firmware was asked to end, and has")
    CRASHED = Happening(
        ERROR, "the firmware failed, and ends to be started anew; says where, never with what in hand: report it"
    )
    SWITCHED_OFF = Happening(INFO, "somebody held the button for 8 s and let go: the unit ends, and stays off")
    TRAINING = Happening(WARNING, "training: nothing kept from now on is ever counted, until the power goes")
    BUTTON_STUCK = Happening(
        ERROR, "the button is held down for longer than anyone would: free it, or change it; nothing else is the matter"
    )
    CARD_REPAIRED = Happening(WARNING, "the card was in disorder (a power cut, a bad index); says what was put right")
    CARD_BAD = Happening(
        ERROR, "the card refused; a record that was to be kept then is not: press again, change the card if it goes on"
    )
    PURGED = Happening(INFO, "room was needed, and records that enough hubs hold whole have left the card")
    CARD_SHORT = Happening(
        ERROR, "the card is nearly full, and nothing on it may go: bring the unit to a link, or put a stick in"
    )
    CAMERA_BAD = Happening(ERROR, "the camera failed or did not answer: check its ribbon, restart the unit")
    READER_LOST = Happening(WARNING, "the reader hung or died over a frame and was replaced; the search goes on")
    UNCERTIFIED = Happening(
        WARNING, "certifying how well a frame could be read failed; says where; what was read is kept: report it"
    )
    READER_BAD = Happening(ERROR, "there is no reader, or it does not answer: restart the unit; memory may be short")
    SCANNED = Happening(INFO, "a scan ended; says with which signal, after how many milliseconds")
    REFUSED_PAYLOAD = Happening(WARNING, "a QR code is no acta of the profile; says why; a second press keeps it")
    KEPT = Happening(INFO, "a record is durable on the card; says its seq, its part, and the step of the reader")
    CONTROL_TAKEN = Happening(INFO, "a control card or a hub's move was taken; says its kind and number")
    CONTROL_REFUSED = Happening(WARNING, "a control card was refused, and kept for the hubs to see; says why")
    MOVED = Happening(WARNING, "brokers are tried elsewhere or in another order: a move, or a control card; says where")
    NETWORK_JOINED = Happening(INFO, "the network of a control card is joined, until the power goes")
    NETWORK_BAD = Happening(WARNING, "the network of a control card is not joined; says why: show the card again")
    LINK_UP = Happening(INFO, "connected to the broker of that rank")
    LINK_DOWN = Happening(WARNING, "not connected; says why and when the next attempt is; records wait on the card")
    LINK_LEFT = Happening(
        INFO, "a broker was left for the next: something waits, and no hub behind it gave anything new"
    )
    NOT_TAKEN = Happening(WARNING, "the broker would not take a publication; it waits and is offered again")
    TOO_LARGE = Happening(WARNING, "a publication is larger than the broker takes; raise its packet size limit")
    RECEIPTED = Happening(INFO, "a hub's receipt was filed; says up to which seq it holds everything")
    RECEIPT_IGNORED = Happening(WARNING, "what came as a receipt is none for us; says why; nothing was changed")
    HUB_RESTORED = Happening(
        WARNING, "a hub holds less than it did, as from an old backup; what it lost and the card has is offered again"
    )
    REFUSED = Happening(ERROR, "a hub refuses to hold a record; it stays on the card: tell the operators of that hub")
    CHUNK_REFUSED = Happening(
        WARNING, "a hub takes no more of a picture now (quota, no room); its record is safe, and it asks again later"
    )
    PACKAGE_TAKEN = Happening(
        WARNING, "a stick brought a newer deployment package; the unit starts anew, by itself, to go by it"
    )
    PACKAGE_REFUSED = Happening(
        ERROR, "a deployment package was refused; says why; the last good one goes on: bring the authority's latest"
    )
    OFF_ROSTER = Happening(WARNING, "an acta was kept whose mesa is not of the roster: the hubs tell which")
    STICK_DONE = Happening(
        INFO, "all that waits is on the stick, read again from it; says how many records, and how many answers of hubs"
    )
    STICK_BAD = Happening(ERROR, "a stick was not done; says why; what is whole on it counts, nothing here has changed")
    CARRY_BAD = Happening(
        WARNING, "not all could be carried for other units; says why; their records are where they were"
    )
    DELIVERED = Happening(INFO, "a stick had releases of the firmware; they are on the card now, for testigo-update")
    DELIVERY_BAD = Happening(WARNING, "a stick's releases of the firmware could not all be copied; says why")
    RECORD_BAD = Happening(ERROR, "a kept file has lost its bytes and is not offered: save the card for the operators")
    PICTURE_BAD = Happening(ERROR, "a kept picture has lost its bytes and is not sent, its record is: save the card")
    PART_MISSING = Happening(WARNING, "the unit goes on without a part; says which, and what to do")
    AILING = Happening(ERROR, "something ails the unit, and it goes on; says what, and what to do")
    MENDED = Happening(INFO, "what ailed the unit is over")
