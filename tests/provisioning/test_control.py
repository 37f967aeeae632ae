"""The printed cards: what a printer makes of them is read by the unit's own reader, and by a camera over the tray."""

import getpass
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2  # type: ignore[import-untyped]
import pytest
from numpy.typing import NDArray

from device.reader import Reader
from provisioning import control
from provisioning.__main__ import main
from provisioning.control import CODE_MM, INCIDENTS, Operators, faces, orders
from sim import paper, photo
from sim.body import encoded
from wire import note
from wire.control import Centre, Control, Incident, Network, Order, Quiet, State, Training
from wire.errors import OurFault

PASSPHRASE = "correct horse battery staple six words"
PX_A_MM = 8
_SCALE: Any = PX_A_MM * 25.4 / 72  # a float, whatever pypdfium2's annotations say
WINDOW = {"begin": 1722146400, "end": 1722232800, "number": 1722146400}
LONGEST = Network("ñ" * 16, "p" * 63)
"""As many bytes as a network's name has at most."""


@pytest.fixture(scope="session")
def operators(tmp_path_factory: pytest.TempPathFactory) -> Operators:
    """Made once: their passphrase is slow on purpose."""
    return Operators.make(tmp_path_factory.mktemp("operators") / "them", "trial", "cards", PASSPHRASE)


def pages(pdf: bytes) -> list[NDArray[np.uint8]]:
    rendered = [page.render(scale=_SCALE).to_pil().convert("L") for page in pypdfium2.PdfDocument(pdf)]
    return [np.asarray(page, np.uint8) for page in rendered]


def printed(operators: Operators, *said: Order, units: tuple[str, ...] = ()) -> tuple[list[bytes], bytes]:
    notes = [operators.card(order, units=units, **WINDOW) for order in said]
    return notes, control.pdf(notes, operators.signer)


def test_every_card_on_a_page_is_read_as_what_was_signed(operators: Operators) -> None:
    said: list[Order] = [Centre("240111000"), LONGEST, Training(), Incident("no-access"), Quiet(State.ON)]
    notes, pdf = printed(operators, *said, units=tuple(f"u-{number:08}" for number in range(4)))
    first, second = pages(pdf)
    assert set(Reader().read(first).payloads) == {each.decode("latin-1") for each in notes[:4]}
    assert Reader().read(second).payloads == (notes[4].decode("latin-1"),)
    trusted = {"cards": operators.signer.verifier}
    assert [note.read(each, Control, trusted).statement.order for each in notes] == said


def test_a_card_under_the_camera_is_read(operators: Operators) -> None:
    """Photographed at half the camera's resolution, as worn demos are."""
    (text,), pdf = printed(operators, LONGEST, units=tuple(f"u-{number:08}" for number in range(16)))
    (page,) = pages(pdf)
    corners = Reader().read(page).corners
    assert corners is not None
    middle, half = np.mean(corners, axis=0), CODE_MM * PX_A_MM / 2
    left, top = np.round(middle - half).astype(int)
    right, bottom = np.round(middle + half).astype(int)
    code = np.ascontiguousarray(page[top:bottom, left:right])
    sheet = paper.from_picture(encoded(code), text.decode("latin-1"), width_mm=CODE_MM)
    assert sheet.corners_mm is not None
    for seed in (1, 2):
        seen = photo.photograph(sheet, seed=seed, size=(2304, 1296), dpmm=5.75)
        assert Reader().read(seen.luma).payloads == (text.decode("latin-1"),)


def test_the_same_cards_are_the_same_bytes(operators: Operators) -> None:
    assert printed(operators, Training()) == printed(operators, Training())


@pytest.mark.parametrize(
    ("kind", "values", "made"),
    [
        ("centre", ["240111000", "240112000"], [Centre("240111000"), Centre("240112000")]),
        ("quiet", [], [Quiet(State.ON), Quiet(State.OFF)]),
        ("training", [], [Training()]),
        ("network", ["Casa", "Calle"], [Network(each, f"a passphrase of {each}") for each in ("Casa", "Calle")]),
    ],
)
def test_there_is_a_card_for_each_value(kind: str, values: list[str], made: list[Order]) -> None:
    assert orders(kind, values, lambda name: f"a passphrase of {name}") == made


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("centre", [], "centre: it takes at least one value"),
        ("quiet", ["on"], "quiet: it takes no value"),
        ("network", ["ñ" * 17], "longer than 32 bytes"),
        ("centre", ["one two"], "give what a card can say"),
        ("turnout", ["first"], "give what a card can say"),
        ("turnout", ["100"], "give what a card can say"),
    ],
)
def test_what_no_unit_would_take_is_not_printed(operators: Operators, kind: str, values: list[str], words: str) -> None:
    with pytest.raises(OurFault, match=words):
        printed(operators, *orders(kind, values, lambda _: ""))


def test_a_passphrase_that_is_too_short_for_a_network_is_not_printed(operators: Operators) -> None:
    with pytest.raises(OurFault, match="give what a card can say"):
        printed(operators, *orders("network", ["Casa"], lambda _: "short"))


def test_every_face_has_both_languages() -> None:
    for what in (*INCIDENTS, "something-else"):
        spanish, english = faces(Incident(what))
        assert all((*spanish, *english))


def test_the_program_makes_a_key_and_prints_cards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    passphrase, folder, out = tmp_path / "passphrase", tmp_path / "operators", tmp_path / "cards.pdf"
    passphrase.write_text(f"{PASSPHRASE}\n")
    common = [str(folder), "--passphrase-file", str(passphrase)]
    assert main(["operators", *common, "--deployment", "trial"]) == 0
    assert f'cards = ["{(folder / "cards.pub").read_text().strip()}"]' in capsys.readouterr().out
    assert (folder / "cards.key").stat().st_mode & 0o777 == 0o600
    assert main(["cards", *common, "--out", str(out), "--days", "2", "run", "run-1"]) == 0
    assert out.stat().st_mode & 0o777 == 0o600, "who has a card can show it"
    (page,) = pages(out.read_bytes())
    (payload,) = Reader().read(page).payloads
    signer = Operators.open(folder, PASSPHRASE).signer
    card = note.read(payload.encode("latin-1"), Control, {"cards": signer.verifier}).statement
    assert card.end - card.begin == 2 * 86_400
    assert main(["cards", *common, "--out", str(out), "--number", str(card.number), "run", "run-2"]) == 0
    assert f"cards of number {card.number}: 1" in capsys.readouterr().out
    for number, words in (("0", "give what a card can say"), ("99999999999", "no card has such a one yet")):
        assert main(["cards", *common, "--out", str(out), "--number", number, "run", "run-2"]) == 2
        assert words in capsys.readouterr().err
    capsys.readouterr()
    assert main(["cards", *common, "--out", str(out), "--until", "yesterday", "run", "run-1"]) == 2
    assert "expected a moment" in capsys.readouterr().err
    passphrase.write_text("another one of twenty characters\n")
    assert main(["cards", *common, "--out", str(out), "run", "run-1"]) == 2
    assert "the passphrase does not open the key" in capsys.readouterr().err


def test_the_passphrase_of_each_network_is_typed_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed, asked = ["one for home", "one for home", "one for work", "one for wirk"], list[str]()

    def answer(prompt: str) -> str:
        asked.append(prompt)
        if not typed:
            raise EOFError
        return typed.pop(0)

    passphrase, out = tmp_path / "passphrase", tmp_path / "cards.pdf"
    passphrase.write_text(f"{PASSPHRASE}\n")
    folder = tmp_path / "operators"
    Operators.make(folder, "trial", "cards", PASSPHRASE)
    common = ["cards", str(folder), "--passphrase-file", str(passphrase), "--out", str(out), "network"]
    monkeypatch.setattr(getpass, "getpass", answer)
    assert main([*common, "home", "work"]) == 2
    assert asked[::2] == ["passphrase of the network home: ", "passphrase of the network work: "]
    assert "the two differ" in capsys.readouterr().err
    assert main([*common, "home"]) == 2
    assert "no passphrase of the network" in capsys.readouterr().err
    assert not out.exists()
