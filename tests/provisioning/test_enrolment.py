"""The enrolment: a unit that made its own keys belongs once its request was at the desk, and nobody else by it.

Whatever is cut short, brought twice, changed on the way or not ours is refused in a sentence, or done by the next run.
"""

import base64
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from device.enrol import enrol as step
from device.folder import Folder
from device.keys import Key, Otp, Tpm, signer_from
from hardware.signer import Chip, ChipSigner, make_key
from hub import register
from provisioning.__main__ import main
from provisioning.authority import Authority
from provisioning.enrol import enrol as desk
from provisioning.files import write
from tests.hardware.tpm import HANDLE, LACKING, tpm
from tests.provisioning.conftest import PASSPHRASE
from wire import enrolment, note
from wire.enrolment import ANSWER, FOLDER, REQUEST, Enrolled, Request, Token
from wire.errors import OurFault
from wire.note import KeySigner, Signer

SETTINGS = """unit = "{unit}"
card = "card"
key = "{key}"
packages = "{packages}"

[tls]
ca = "ca.pem"
certificate = "tls.pem"
key = "tls.key"
"""


class Born:
    """A unit on its first boot, and what its card was given.

    Attributes:
        token: as the authority made it.
        own: the folder of its settings and keys.
        said: what it said.
    """

    def __init__(self, authority: Authority, own: Path, key: str = "unit.pem") -> None:
        (self.token,) = authority.add_cards(1)
        self.own = own
        self.said: list[str] = []
        own.mkdir()
        (own / "token").write_text(f"{self.token}\n")
        packages = (authority.folder / "packages.pub").read_text().strip()
        (own / "unit.toml").write_text(SETTINGS.format(unit=self.token.unit, key=key, packages=packages))
        shutil.copy(authority.folder / "ca.pem", own)

    def step(self, *places: Path) -> bool:
        """What `testigo-unit enrol` does."""
        return step(self.own / "unit.toml", self.own / "token", places, self.said.append)

    @property
    def signer(self) -> Signer:
        return signer_from(self.own / "unit.pem", self.token.unit)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


@pytest.fixture
def unit(authority: Authority, tmp_path: Path) -> Born:
    return Born(authority, tmp_path / "unit")


def outcomes(authority: Authority, stick: Path) -> list[str]:
    return list(map(str, desk(authority, stick)))


def registered(authority: Authority) -> dict[str, str]:
    return {name: str(key) for name, key in register.read(authority.folder / "register.txt").items()}


def test_a_unit_makes_its_keys_and_belongs_after_one_way_to_the_desk_and_back(
    authority: Authority, unit: Born, stick: Path
) -> None:
    name = unit.token.unit
    assert not unit.step(stick)
    assert registered(authority) == {}
    assert outcomes(authority, stick) == [f"{name} is enrolled"]
    assert unit.step(stick)
    assert registered(authority) == {name: str(unit.signer.verifier)}
    certificate = x509.load_pem_x509_certificate((unit.own / "tls.pem").read_bytes())
    certificate.verify_directly_issued_by(authority.certificate)
    assert certificate.subject == x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    assert not (unit.own / "token").exists()
    assert {stat.S_IMODE((unit.own / key).stat().st_mode) for key in ("unit.pem", "tls.key")} == {0o600}
    assert unit.step(stick)


def test_nothing_secret_leaves_the_unit_and_no_token_stays_with_the_authority(
    authority: Authority, unit: Born, stick: Path
) -> None:
    unit.step(stick)
    outcomes(authority, stick)
    secret = str(unit.token).rpartition(".")[2].encode()
    carried = b"".join(path.read_bytes() for path in stick.rglob("*") if path.is_file())
    kept = b"".join(path.read_bytes() for path in authority.folder.rglob("*") if path.is_file())
    assert secret not in carried + kept
    assert b"PRIVATE" not in carried
    home = authority.folder / "units" / unit.token.unit
    assert sorted(path.name for path in home.iterdir()) == ["card.pub", "tls.pem", "unit.pub"]


def test_a_key_in_a_tpm_enrols_as_a_file_does(authority: Authority, stick: Path, tmp_path: Path) -> None:
    if LACKING:
        pytest.skip("no swtpm or tpm2-tools here")
    unit = Born(authority, tmp_path / "unit", str(Tpm(HANDLE.handle + 1)))
    with tpm() as chip:

        def open_signer(key: Key, name: str) -> Signer:
            assert isinstance(key, Tpm)
            return ChipSigner(name, Chip.of(key, chip.tcti))

        def make(key: Tpm | Otp) -> None:
            make_key(key, chip.tcti)

        given = (unit.own / "unit.toml", unit.own / "token", [stick], unit.said.append, open_signer, make)
        assert not step(*given)
        assert not step(*given)
        assert outcomes(authority, stick) == [f"{unit.token.unit} is enrolled"]
        assert step(*given)
        signer = open_signer(Tpm(HANDLE.handle + 1), unit.token.unit)
    assert registered(authority) == {unit.token.unit: str(signer.verifier)}
    assert not (unit.own / "unit.pem").exists()


def test_many_units_enrol_from_one_stick_and_each_takes_its_own_answer(
    authority: Authority, stick: Path, tmp_path: Path
) -> None:
    units = [Born(authority, tmp_path / f"unit-{number}") for number in range(4)]
    assert not any(unit.step(stick) for unit in units)
    assert len(outcomes(authority, stick)) == 4
    assert all(unit.step(stick) for unit in units)
    assert registered(authority) == {unit.token.unit: str(unit.signer.verifier) for unit in units}


def test_each_step_may_be_taken_any_number_of_times(authority: Authority, unit: Born, stick: Path) -> None:
    unit.step(stick)
    written = next((stick / FOLDER).iterdir()).stat().st_ino
    unit.step(stick)
    assert next((stick / FOLDER).iterdir()).stat().st_ino == written  # a chip's second signature would be another
    outcomes(authority, stick)
    answer = (stick / FOLDER / (unit.token.unit + ANSWER)).read_bytes()
    register_before = registered(authority)
    outcomes(authority, stick)
    assert (stick / FOLDER / (unit.token.unit + ANSWER)).read_bytes() == answer
    assert registered(authority) == register_before


def test_a_unit_that_enrolled_at_two_copies_of_the_authority_is_revoked_by_either(
    authority: Authority, unit: Born, stick: Path, tmp_path: Path
) -> None:
    other = replace(authority, folder=shutil.copytree(authority.folder, tmp_path / "other"))
    unit.step(stick)
    outcomes(authority, stick)
    assert unit.step(stick)
    outcomes(other, stick)
    other.revoke(unit.token.unit)
    has = x509.load_pem_x509_certificate((unit.own / "tls.pem").read_bytes())
    listed = x509.load_pem_x509_crl((other.folder / "crl.pem").read_bytes())
    assert listed.get_revoked_certificate_by_serial_number(has.serial_number)


def rewritten(unit: Born, signer: Signer, key: ec.EllipticCurvePrivateKey, **other: str) -> bytes:
    """A request with the unit's token, whoever signs and whatever it asks for."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, other.pop("named", unit.token.unit))])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    asked = {"csr": csr.public_bytes(serialization.Encoding.PEM).decode(), "deployment": "trial"}
    asked |= {"key": str(signer.verifier), "unit": unit.token.unit} | other
    return enrolment.write(Request(**asked), unit.token.signer, signer)


def test_a_token_that_was_used_enrols_no_other_keys(authority: Authority, unit: Born, stick: Path) -> None:
    unit.step(stick)
    outcomes(authority, stick)
    before = registered(authority)
    ours, tls = unit.signer, serialization.load_pem_private_key((unit.own / "tls.key").read_bytes(), None)
    assert isinstance(tls, ec.EllipticCurvePrivateKey)
    thief, thiefs = KeySigner(unit.token.unit, new_key()), new_key()
    for signer, key in ((thief, thiefs), (thief, tls), (ours, thiefs)):
        (stick / FOLDER / (unit.token.unit + REQUEST)).write_bytes(rewritten(unit, signer, key))
        (said,) = outcomes(authority, stick)
        assert "its card's token was used already, with other keys: revoke it, write a new card" in said
    assert registered(authority) == before


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _of_another_authority(authority: Authority, unit: Born, tmp_path: Path) -> bytes:
    stranger = Born(Authority.make(tmp_path / "foreign", "trial", PASSPHRASE), tmp_path / "stranger")
    signer = KeySigner(stranger.token.unit, new_key())
    return rewritten(stranger, signer, new_key())


def _with_a_guessed_token(authority: Authority, unit: Born, tmp_path: Path) -> bytes:
    unit.token = Token(unit.token.unit, "trial", new_key())
    return rewritten(unit, KeySigner(unit.token.unit, new_key()), new_key())


def _with_another_key_put_in_on_the_way(authority: Authority, unit: Born, tmp_path: Path) -> bytes:
    true = rewritten(unit, KeySigner(unit.token.unit, new_key()), new_key())
    thief = KeySigner(unit.token.unit, new_key())
    false = note.write(replace_key(enrolment.read(true, authority.cards()), thief), thief)
    of_card = true.splitlines(keepends=True)[-2]
    return false[: false.rindex(b"\n\n") + 2] + of_card + false.splitlines(keepends=True)[-1]


def replace_key(request: Request, signer: Signer) -> Request:
    return Request(csr=request.csr, deployment=request.deployment, key=str(signer.verifier), unit=request.unit)


def _for_a_key_it_does_not_have(authority: Authority, unit: Born, tmp_path: Path) -> bytes:
    mine, theirs = KeySigner(unit.token.unit, new_key()), KeySigner(unit.token.unit, new_key())
    request = replace_key(enrolment.read(rewritten(unit, mine, new_key()), authority.cards()), theirs)
    signed = note.write(request, unit.token.signer)
    return signed + note.write(request, mine).splitlines(keepends=True)[-1]


def _signed_by_its_token_alone(authority: Authority, unit: Born, tmp_path: Path) -> bytes:
    return b"".join(rewritten(unit, KeySigner(unit.token.unit, new_key()), new_key()).splitlines(keepends=True)[:-1])


def _to_another_deployment(authority: Authority, unit: Born, tmp_path: Path) -> bytes:
    return rewritten(unit, KeySigner(unit.token.unit, new_key()), new_key(), deployment="other")


def _with_a_certificate_for_another(authority: Authority, unit: Born, tmp_path: Path) -> bytes:
    return rewritten(unit, KeySigner(unit.token.unit, new_key()), new_key(), named="hub-a")


def _with_a_certificate_for_a_weak_curve(authority: Authority, unit: Born, tmp_path: Path) -> bytes:
    return rewritten(unit, KeySigner(unit.token.unit, new_key()), ec.generate_private_key(ec.SECP224R1()))


def _without_a_certificate_request(authority: Authority, unit: Born, tmp_path: Path) -> bytes:
    return rewritten(unit, KeySigner(unit.token.unit, new_key()), new_key(), csr="none")


def _of_a_revoked_card(authority: Authority, unit: Born, tmp_path: Path) -> bytes:
    authority.revoke(unit.token.unit)
    return rewritten(unit, KeySigner(unit.token.unit, new_key()), new_key())


def _with_another_units_key(authority: Authority, unit: Born, tmp_path: Path) -> bytes:
    (home,) = authority.add_units(1)
    theirs = serialization.load_pem_private_key((home / "unit.pem").read_bytes(), None)
    assert isinstance(theirs, ec.EllipticCurvePrivateKey)
    return rewritten(unit, KeySigner(unit.token.unit, theirs), new_key())


def _that_would_write_on_the_screen(authority: Authority, unit: Born, tmp_path: Path) -> bytes:
    text = b'testigo/enrolment/1\n{"a\\u001b[2J\\nu-abcdefgh is enrolled":1}\n'
    signer = unit.token.signer
    line = b"\xe2\x80\x94 %s %s\n" % (
        signer.verifier.name.encode(),
        base64.b64encode(signer.verifier.key_id + signer.sign(text)),
    )
    return text + b"\n" + line + line


def _too_long(authority: Authority, unit: Born, tmp_path: Path) -> bytes:
    return bytes(1_000_000)


def _rubbish(authority: Authority, unit: Born, tmp_path: Path) -> bytes:
    return b"\xff\x00rubbish\n"


REFUSED: dict[Callable[[Authority, Born, Path], bytes], str] = {
    _of_another_authority: "of no card that was prepared here: take the copy of the authority that prepared it",
    _with_a_guessed_token: "of no card that was prepared here",
    _with_another_key_put_in_on_the_way: "does not match the text",
    _for_a_key_it_does_not_have: "of no card that was prepared here",
    _signed_by_its_token_alone: "does not end in a blank line and one signature line",
    _to_another_deployment: "asks to belong to other, this is trial",
    _with_a_certificate_for_another: "is not u-",
    _with_a_certificate_for_a_weak_curve: "is for no P-256 key",
    _without_a_certificate_request: "certificate request is none",
    _of_a_revoked_card: "was revoked before it enrolled",
    _with_another_units_key: "its key is another unit's already",
    _that_would_write_on_the_screen: r"unknown field `a\x1b[2J\nu-abcdefgh is enrolled`",
    _too_long: "longer than",
    _rubbish: "does not end in a blank line",
}


@pytest.mark.parametrize("content", REFUSED, ids=lambda content: content.__name__.strip("_"))
def test_a_request_is_refused_in_a_sentence_and_nobody_belongs_by_it(
    content: Callable[[Authority, Born, Path], bytes], authority: Authority, unit: Born, stick: Path, tmp_path: Path
) -> None:
    made = content(authority, unit, tmp_path)
    before = registered(authority)
    (stick / FOLDER).mkdir()
    (stick / FOLDER / f"\x1b[2Jx{REQUEST}").write_bytes(made)
    (said,) = outcomes(authority, stick)
    assert REFUSED[content] in said
    assert said.isprintable()
    assert registered(authority) == before
    assert not list((stick / FOLDER).glob(f"*{ANSWER}"))


def test_what_else_lies_on_a_stick_is_not_opened(authority: Authority, unit: Born, stick: Path) -> None:
    unit.step(stick)
    (stick / FOLDER / f"u-link{REQUEST}").symlink_to(authority.folder / "ca.key")
    os.mkfifo(stick / FOLDER / f"u-pipe{REQUEST}")
    (stick / FOLDER / f"u-folder{REQUEST}").mkdir()
    said = outcomes(authority, stick)
    assert len(said) == 4
    assert [line for line in said if line.endswith("is enrolled")] == [f"{unit.token.unit} is enrolled"]
    with pytest.raises(OurFault, match=r"no requests \(u-\.\.\.\.request\)"):
        outcomes(authority, unit.own)


def spoiled(authority: Authority, unit: Born, tmp_path: Path) -> Iterator[tuple[str, bytes]]:
    """Answers that a unit must not take, and what it says of each."""
    home = authority.folder / "units" / unit.token.unit
    key = str(unit.signer.verifier)
    good = Enrolled(certificate=(home / "tls.pem").read_text(), deployment="trial", key=key, unit=unit.token.unit)
    foreign = Authority.make(tmp_path / "foreign", "trial", PASSPHRASE)
    (of_other,), (of_foreign,) = authority.add_units(1), foreign.add_units(1)
    signer = authority.packages()
    yield "not trusted here", note.write(good, foreign.packages())
    yield "does not match the text", note.write(good, signer).replace(b'"trial"', b'"tria1"')
    yield "it enrols u-abc in trial", note.write(Enrolled(**fields(good) | {"unit": "u-abc"}), signer)
    yield "or another key", note.write(Enrolled(**fields(good) | {"key": key[:-4] + "AAA="}), signer)
    for why, home in (("is for another key", of_other), ("is not of the authority", of_foreign)):
        yield why, note.write(Enrolled(**fields(good) | {"certificate": (home / "tls.pem").read_text()}), signer)
    yield "is not of the authority", note.write(Enrolled(**fields(good) | {"certificate": "none"}), signer)
    yield "longer than", bytes(1_000_000)
    yield "does not end in a blank line", b""


def fields(enrolled: Enrolled) -> dict[str, str]:
    return {name: getattr(enrolled, name) for name in enrolled.__struct_fields__}


def test_a_unit_takes_no_answer_but_the_authoritys_to_itself(
    authority: Authority, unit: Born, stick: Path, tmp_path: Path
) -> None:
    unit.step(stick)
    outcomes(authority, stick)
    answer = stick / FOLDER / (unit.token.unit + ANSWER)
    good = answer.read_bytes()
    for why, bad in spoiled(authority, unit, tmp_path):
        answer.write_bytes(bad)
        unit.said.clear()
        assert not unit.step(stick)
        assert why in unit.said[0]
        assert not (unit.own / "tls.pem").exists()
    answer.write_bytes(good)
    assert unit.step(stick)


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda own: (own / "token").unlink(), "this card cannot enrol: write another"),
        (lambda own: (own / "token").write_text("rubbish"), "this card cannot enrol: write another"),
        (lambda own: (own / "token").write_text(str(Token("u-x", "trial", new_key()))), "it is u-x's, and this is u-"),
        (lambda own: (own / "ca.pem").unlink(), "ca.pem.*write the card again"),
        (lambda own: (own / "unit.pem").write_text("rubbish"), "no PEM private key"),
        (lambda own: (own / "tls.key").write_text("rubbish"), "write the card again"),
        (lambda own: (own / "unit.toml").unlink(), "give the right file"),
    ],
)
def test_a_card_that_cannot_enrol_says_why(
    unit: Born, stick: Path, spoil: Callable[[Path], object], fault: str
) -> None:
    spoil(unit.own)
    with pytest.raises(OurFault, match=fault):
        unit.step(stick)


def test_a_stick_that_cannot_be_written_is_told_and_another_is_taken(unit: Born, stick: Path, tmp_path: Path) -> None:
    assert not unit.step(tmp_path / "none")
    assert unit.said == ["there is nothing to write a request on: put in a stick"]
    (stick / FOLDER).write_text("a file where a folder should be")
    (tmp_path / "other").mkdir()
    assert not unit.step(stick, tmp_path / "other")
    assert any("put in another stick" in said for said in unit.said)
    assert (tmp_path / "other" / FOLDER / (unit.token.unit + REQUEST)).exists()


class PowerCut(BaseException):
    """The power went."""


def cutting(put: Callable[..., None], after: int, *, done: bool) -> Callable[..., None]:
    """The same, but the power goes at one write: before it, or after it though nobody heard of it."""
    left = [after]

    def cut(*given: object, **more: object) -> None:
        left[0] -= 1
        if left[0] < 0 and not done:
            raise PowerCut
        put(*given, **more)
        if left[0] < 0:
            raise PowerCut

    return cut


@pytest.mark.parametrize("done", [False, True], ids=["failed", "happened though the answer was lost"])
def test_a_power_cut_at_the_desk_costs_another_run(
    authority: Authority, unit: Born, stick: Path, done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit.step(stick)
    for after in range(20):
        with monkeypatch.context() as patched:
            patched.setattr("provisioning.authority.write", cutting(write, after, done=done))
            patched.setattr("hub.folder.Folder.put", lambda *_given: None)
            try:
                outcomes(authority, stick)
            except PowerCut:
                assert set(registered(authority)) <= {unit.token.unit}
            else:
                break
    else:
        raise AssertionError("it was never through")
    assert after >= 5
    assert outcomes(authority, stick) == [f"{unit.token.unit} is enrolled"]
    assert unit.step(stick)
    assert registered(authority) == {unit.token.unit: str(unit.signer.verifier)}
    assert (authority.folder / "units" / unit.token.unit / "tls.pem").read_bytes() == (
        unit.own / "tls.pem"
    ).read_bytes()


@pytest.mark.parametrize("done", [False, True], ids=["failed", "happened though the answer was lost"])
def test_a_power_cut_on_the_unit_costs_another_run(
    authority: Authority, unit: Born, stick: Path, done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, cuts = Folder.put, 0
    for _ in range(20):
        with monkeypatch.context() as patched:
            patched.setattr(Folder, "put", cutting(put, 0, done=done))
            try:
                if unit.step(stick):
                    break
            except PowerCut:
                cuts += 1
        if done is False:  # else it would be cut at the same write for ever
            unit.step(stick)
        if (stick / FOLDER / (unit.token.unit + REQUEST)).exists():
            assert outcomes(authority, stick) == [f"{unit.token.unit} is enrolled"]
    else:
        raise AssertionError("it was never through")
    assert cuts >= 2
    assert not (unit.own / "token").exists()
    assert registered(authority) == {unit.token.unit: str(unit.signer.verifier)}


def test_the_programs_do_it_all(
    authority: Authority, unit: Born, stick: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from device.__main__ import main as unit_main

    secret = tmp_path / "passphrase"
    secret.write_text(f"{PASSPHRASE}\n")
    asks = ["enrol", "--settings", str(unit.own / "unit.toml"), "--token", str(unit.own / "token"), str(stick)]
    assert unit_main(asks) == 3
    assert main(["enrol", str(authority.folder), str(stick), "--passphrase-file", str(secret)]) == 0
    assert f"{unit.token.unit} is enrolled\n" in capsys.readouterr().out
    assert unit_main(asks) == 0
    (unit.own / "tls.pem").unlink()
    assert unit_main(asks) == 2
    assert "this card cannot enrol" in capsys.readouterr().err
