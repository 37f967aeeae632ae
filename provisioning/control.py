"""The control cards: printed for couriers and volunteers, signed by operators with a key of their own.

    deployment                      the deployment's name
    <name>.pub                      the verifier key, for the authority's folder `cards`: packages name it
    <name>.key                      signs control cards; encrypted by the operators' own passphrase

So whoever prints cards on the day needs neither the authority nor its passphrase, and a package made later can name
other operators.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import msgspec
import segno
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from reportlab.lib.units import mm
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from provisioning.files import made, private_pem, write
from wire import note
from wire.control import (
    NETWORK_BYTES_MAX,
    Box,
    Centre,
    Control,
    Hub,
    Incident,
    Network,
    Order,
    Quiet,
    Run,
    State,
    Training,
    Turnout,
)
from wire.errors import OurFault
from wire.note import NAME, KeySigner

PASSPHRASE_CHARACTERS_MIN = 20
"""As of the authority's."""

EARLY_SECONDS = 3600
"""A unit's clock may be as much behind this machine's: else a card that was just printed would be refused."""

PAGE_MM = (210.0, 297.0)
CARD_MM = (80.0, 130.0)
"""The tray is 82 mm wide."""
COLUMNS, ROWS = 2, 2
CODE_MM = 64.0
BORDER = 4
SPACE_MM = 4.0


@dataclass(frozen=True, slots=True)
class Operators:
    """Who sign control cards, and whose passphrase was given.

    Attributes:
        deployment: the deployment's name.
        signer: their key.
    """

    deployment: str
    signer: KeySigner

    @classmethod
    def make(cls, folder: Path, deployment: str, name: str, passphrase: str) -> Self:
        """Makes a new folder with a new key.

        Raises:
            OurFault: it is there already, a name cannot be one, or the passphrase is too short.
        """
        for what, text in (("deployment", deployment), ("name", name)):
            if not NAME.fullmatch(text):
                raise OurFault(f"{what} {text!r}: expected 1 to 32 of a-z, 0-9 and '-': choose another")
        if len(passphrase) < PASSPHRASE_CHARACTERS_MIN:
            raise OurFault(
                f"the passphrase has {len(passphrase)} characters, at least {PASSPHRASE_CHARACTERS_MIN} are needed: "
                "take six words drawn by dice"
            )
        key = ec.generate_private_key(ec.SECP256R1())
        signer = KeySigner(name, key)
        with made(folder) as new:
            write(new / "deployment", f"{deployment}\n".encode())
            write(new / f"{name}.pub", f"{signer.verifier}\n".encode())
            write(new / f"{name}.key", private_pem(key, passphrase), secret=True)
        return cls(deployment, signer)

    @classmethod
    def open(cls, folder: Path, passphrase: str) -> Self:
        """Opens a folder.

        Raises:
            OurFault: it is none, or the passphrase is not its own.
        """
        keys = sorted(folder.glob("*.key"))
        if len(keys) != 1:
            raise OurFault(f"operators {folder}: expected one .key in it, found {len(keys)}: name a folder of theirs")
        try:
            deployment, encrypted = (folder / "deployment").read_text().strip(), keys[0].read_bytes()
        except OSError as error:
            raise OurFault(f"operators {folder}: {error}: name a folder that 'operators' has made") from error
        try:
            key = serialization.load_pem_private_key(encrypted, passphrase.encode())
        except (ValueError, TypeError) as error:
            raise OurFault(f"operators {folder}: the passphrase does not open the key: type it again") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise OurFault(f"operators {folder}: {keys[0].name} is no P-256 key: take it from a good copy")
        return cls(deployment, KeySigner(keys[0].stem, key))

    def card(self, order: Order, *, begin: int, end: int, number: int, units: Sequence[str] = ()) -> bytes:
        """A control card's note.

        Raises:
            OurFault: no unit would take it.
        """
        if not begin < end:
            raise OurFault("it would end before it begins: give a later --until, or more --days")
        stated = Control(
            begin=begin,
            deployment=self.deployment,
            end=end,
            number=number,
            order=order,
            signer=self.signer.verifier.name,
            units=tuple(units),
        )
        try:
            msgspec.convert(msgspec.to_builtins(stated), Control)
        except msgspec.ValidationError as error:
            raise OurFault(f"{order.kind}: {error}: give what a card can say (docs/wire.md, 3.10)") from error
        return note.write(stated, self.signer)


def orders(kind: str, values: Sequence[str], passphrase: Callable[[str], str]) -> list[Order]:
    """What cards of a kind say, one for each value; for quiet a card for each way.

    Args:
        kind: of the cards.
        values: what they are about.
        passphrase: of the network of a name.

    Raises:
        OurFault: there are no values where some are needed, or some where none are.
    """
    makers: dict[str, Callable[[str], Order]] = {
        "centre": Centre,
        "run": Run,
        "box": Box,
        "incident": Incident,
        "turnout": lambda value: Turnout(int(value) if value.isdecimal() else 0),
        "network": lambda value: Network(value, passphrase(value)),
        "hub": Hub,
    }
    alone: dict[str, list[Order]] = {"quiet": [Quiet(State.ON), Quiet(State.OFF)], "training": [Training()]}
    if bool(values) is (kind in alone):
        raise OurFault(f"{kind}: it takes {'no value' if kind in alone else 'at least one value'}: say it again")
    for value in values if kind == "network" else ():
        if len(value.encode("utf-8")) > NETWORK_BYTES_MAX:
            raise OurFault(f"network {value}: longer than {NETWORK_BYTES_MAX} bytes: no network is called so")
    return alone[kind] if kind in alone else [makers[kind](value) for value in values]


KINDS = ("centre", "run", "box", "incident", "turnout", "network", "hub", "quiet", "training")


INCIDENTS = {
    "no-access": ("no dejan entrar", "not let in"),
    "no-copy": ("no entregan el acta", "no copy of the acta is given"),
    "expelled": ("sacaron a los testigos", "witnesses were sent out"),
    "violence": ("violencia", "violence"),
    "late": ("la mesa no abre o no cierra a su hora", "the mesa opens or closes late"),
    "machine": ("la máquina no anda", "the voting machine does not work"),
}
"""Words for those that are known; any other word stands for itself."""


def faces(order: Order) -> tuple[tuple[str, str], tuple[str, str]]:
    """What stands on a card: title and what it does, in Spanish and in English."""
    match order:
        case Centre(code):
            return (f"Centro {code}", "Lo que se escanee desde ahora es de este centro."), (
                f"Centro {code}",
                "What is scanned from now on is of this centro.",
            )
        case Run(code):
            return (f"Viaje {code}", "Lo que se escanee desde ahora lo trajo este viaje."), (
                f"Courier run {code}",
                "What is scanned from now on came with this run.",
            )
        case Box(code):
            return (f"Caja {code}", "Cierra la caja: en ella van las actas escaneadas desde la anterior."), (
                f"Box {code}",
                "Closes the box: in it are the actas scanned since the last one.",
            )
        case Incident(what):
            spanish, english = INCIDENTS.get(what, (what, what))
            return (f"Incidente: {spanish}", "Avisa: pasó aquí y ahora. Cada vez que se muestra es un aviso."), (
                f"Incident: {english}",
                "Reports it, here and now. Each showing is one report.",
            )
        case Turnout(number):
            return (f"Participación, ronda {number}", "Lo que se escanee desde ahora es de esta ronda."), (
                f"Turnout, round {number}",
                "What is scanned from now on is of this round.",
            )
        case Network(name):
            return (
                f"Red {name}",
                "Usa esta red hasta que se apague; al encender, muéstrela otra vez. No la pierda.",
            ), (
                f"Network {name}",
                "Uses this network until it is off; show it again then. Who has this card can use the network.",
            )
        case Hub(hub):
            return (f"Primero {hub}", "Envía primero a este centro de recepción."), (
                f"{hub} first",
                "Sends to this hub first.",
            )
        case Quiet(State.ON):
            return ("Sin sonido", "Solo luces desde ahora."), ("Quiet", "Lamps only from now on.")
        case Quiet():
            return ("Con sonido", "Suena otra vez."), ("Loud", "It sounds again.")
        case Training():
            return ("Práctica", "Nada de lo que se escanee cuenta, hasta que se apague y se encienda."), (
                "Training",
                "Nothing that is scanned counts, until it is switched off and on.",
            )


_HOW = (
    "Póngala bajo la cámara y pulse una vez. Hecho: la marca y la luz del papel, dos veces. Rechazada: la cruz, una "
    "vez. / Lay it under the camera, press once. Done: tick and paper light, twice. Refused: the cross, once."
)


def pdf(notes: Iterable[bytes], signer: KeySigner) -> bytes:
    """Cards as pages of A4, four on each, to be cut out; the same notes give the same bytes."""
    for name in ("Vera", "VeraBd"):
        pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))
    out = BytesIO()
    canvas = Canvas(out, pagesize=(PAGE_MM[0] * mm, PAGE_MM[1] * mm), invariant=1)
    canvas.setTitle("testigo: control cards")
    left, bottom = ((PAGE_MM[0] - COLUMNS * CARD_MM[0]) / 2, (PAGE_MM[1] - ROWS * CARD_MM[1]) / 2)
    for number, text in enumerate(notes):
        place = number % (COLUMNS * ROWS)
        if number and not place:
            canvas.showPage()
        row, column = divmod(place, COLUMNS)
        canvas.saveState()
        canvas.translate((left + column * CARD_MM[0]) * mm, (bottom + (ROWS - 1 - row) * CARD_MM[1]) * mm)
        _draw(canvas, text, note.read(text, Control, {signer.verifier.name: signer.verifier}).statement)
        canvas.restoreState()
    canvas.save()
    return out.getvalue()


def _draw(canvas: Any, text: bytes, card: Control) -> None:
    wide, high = CARD_MM
    canvas.setStrokeGray(0.7)
    canvas.setLineWidth(0.2 * mm)
    canvas.rect(0, 0, wide * mm, high * mm)
    spanish, english = faces(card.order)
    y = _line(canvas, high - SPACE_MM, "VeraBd", 13, spanish[0])
    y = _line(canvas, y, "Vera", 10, english[0])
    _code(canvas, text, (wide - CODE_MM) / 2, y - CODE_MM)
    y -= CODE_MM
    y = _line(canvas, y, "VeraBd", 9, spanish[1])
    y = _line(canvas, y, "Vera", 9, english[1])
    y = _line(canvas, y - 1, "Vera", 7, _HOW)
    span = f"Vale / valid: {_when(card.begin)} – {_when(card.end)}"
    whose = ", ".join(card.units) or "todas / all"
    _line(canvas, y - 1, "Vera", 6.5, f"{span}\n{card.deployment} · {card.signer} {card.number} · {whose}")


def _line(canvas: Any, y: float, font: str, size: float, text: str) -> float:
    """Writes a text in as many lines as it needs; how high, mm, the next one may begin."""
    canvas.setFont(font, size)
    lead = size * 1.2 / mm
    for line in simpleSplit(text, font, size, (CARD_MM[0] - 2 * SPACE_MM) * mm):
        y -= lead
        canvas.drawString(SPACE_MM * mm, (y + 0.2 * lead) * mm, line)
    return y


def _code(canvas: Any, text: bytes, x: float, y: float) -> None:
    """Draws the QR code with its border, rows as long bars: renderers leave hairs between single modules."""
    matrix = segno.make_qr(text, error="m", mode="byte", boost_error=False).matrix
    module = CODE_MM / (len(matrix) + 2 * BORDER)
    canvas.setFillGray(0)
    for row, dots in enumerate(matrix):
        begin = 0
        while begin < len(dots):
            end = begin + 1
            while end < len(dots) and dots[end] == dots[begin]:
                end += 1
            if dots[begin]:
                canvas.rect(
                    (x + (BORDER + begin) * module) * mm,
                    (y + CODE_MM - (BORDER + row + 1) * module) * mm,
                    (end - begin) * module * mm,
                    module * mm,
                    stroke=0,
                    fill=1,
                )
            begin = end


def _when(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M %z}"


def seconds_of(text: str) -> int:
    """A moment as people write it (`2024-07-28T06:00`), in this machine's own time where it names no other.

    Raises:
        OurFault: it is none.
    """
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError) as error:
        raise OurFault(f"{text!r}: expected a moment such as 2024-07-28T06:00: write it so") from error


def now() -> int:
    """This machine's clock, seconds since 1970 UTC: also what cards are numbered by, so that later ones are higher."""
    return int(time.time())
