"""A key in a chip: what it signs is what a key file signs, and whatever befalls it is one sentence."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from device.keys import Key, KeyFault, Otp, Tpm, key_of
from hardware.signer import Chip, ChipSigner, make_key, open_signer
from tests.hardware.tpm import HANDLE, LACKING, SwTpm, tpm
from tests.wire.samples import RECORD
from wire import note
from wire.errors import OurFault
from wire.record import Record

TIMES = 12
"""A chip that does not see to the smaller s would pass once in 4096."""

OTP_PROGRAM = """#!/bin/sh
# What rpi-fw-crypto of Raspberry Pi OS does, with a key in a file beside it in place of the firmware's.
key=$(dirname "$0")/otp.pem
case $1 in
genkey) [ ! -e "$key" ] || { echo 'Failed to generate key: Key slot is not blank' >&2; exit 255; }
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$key" ;;
pubkey) [ "$2 $3" = '--key-id 1' ] && openssl pkey -in "$key" -pubout -outform der ;;
sign) [ "$2 $4 $5 $6 $7" = '--in --key-id 1 --alg ec' ] && %s ;;
esac
"""


@pytest.fixture
def chip() -> Iterator[SwTpm]:
    if LACKING:
        pytest.skip("no swtpm or tpm2-tools here")
    with tpm() as made:
        yield made


@pytest.fixture
def otp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program, first on the PATH."""
    program = tmp_path / "rpi-fw-crypto"
    program.write_text(OTP_PROGRAM % 'openssl dgst -sha256 -sign "$key" "$3"')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return program


def signer(chip: SwTpm, key: Tpm = HANDLE, seconds: float = 2.0) -> ChipSigner:
    return ChipSigner("unit-7", Chip.of(key, chip.tcti), seconds)


def test_what_a_tpm_signs_is_a_note_like_any_other(chip: SwTpm) -> None:
    of_chip = ChipSigner(RECORD.unit, Chip.of(HANDLE, chip.tcti))
    for _ in range(TIMES):
        signed = note.write(RECORD, of_chip)
        assert note.read(signed, Record, {RECORD.unit: of_chip.verifier}).statement == RECORD


def test_what_the_pi_itself_signs_is_a_note_like_any_other(otp: Path) -> None:
    make_key(Otp(1))
    of_chip = open_signer(Otp(1), RECORD.unit)
    for _ in range(TIMES):
        signed = note.write(RECORD, of_chip)
        assert note.read(signed, Record, {RECORD.unit: of_chip.verifier}).statement == RECORD


def test_a_key_that_is_there_is_never_made_again(chip: SwTpm, otp: Path) -> None:
    before = signer(chip).verifier
    with pytest.raises(KeyFault, match="key tpm:0x81010001: tpm2_evictcontrol says"):
        make_key(HANDLE, chip.tcti)
    assert signer(chip).verifier == before
    make_key(Otp(1))
    with pytest.raises(KeyFault, match="Key slot is not blank"):
        make_key(Otp(1))


def test_a_tpm_that_is_gone_is_told_in_one_sentence(chip: SwTpm) -> None:
    of_chip = signer(chip)
    chip.pull_out()
    for ask in (lambda: of_chip.sign(b"a text"), lambda: signer(chip)):
        with pytest.raises(KeyFault, match=r"key tpm:0x81010001: tpm2_.* says: .*: see how it is connected"):
            ask()
    chip.put_in()
    of_chip.verifier.verify(b"a text", of_chip.sign(b"a text"))


def test_a_tpm_that_hangs_is_given_up_and_one_that_is_slow_is_waited_for(chip: SwTpm) -> None:
    of_chip, patient = signer(chip, seconds=0.3), signer(chip, seconds=30)
    chip.hold_up()
    with pytest.raises(KeyFault, match=r"key tpm:0x81010001: it has not answered for 0\.3 s: see"):
        of_chip.sign(b"a text")
    late = threading.Timer(0.4, chip.go_on)
    late.start()
    patient.verifier.verify(b"a text", patient.sign(b"a text"))
    late.join()


def test_another_tpm_in_its_place_signs_nothing_in_this_units_name(chip: SwTpm) -> None:
    of_chip = signer(chip)
    chip.exchange()
    with pytest.raises(KeyFault, match="what it signed is not signed by it: another unit"):
        of_chip.sign(b"a text")


def test_a_handle_with_no_such_key_is_found_at_the_start(chip: SwTpm) -> None:
    with pytest.raises(KeyFault, match="key tpm:0x81010009: tpm2_readpublic says"):
        signer(chip, Tpm(0x81010009))
    kinds = {
        0x81010002: ("rsa2048", "expected a P-256 key, found another kind: enrol the unit anew"),
        0x81010003: ("ecc384", "expected a P-256 key, found another kind: enrol the unit anew"),
        0x81010004: ("ecc256", "tpm2_sign says|what it signed is not signed by it"),  # it is there to hold others
    }
    for handle, (kind, fault) in kinds.items():
        chip.tool("createprimary", "-C", "o", "-G", kind, "-c", "other")
        chip.tool("evictcontrol", "-C", "o", "-c", "other", hex(handle))
        with pytest.raises(KeyFault, match=fault):
            signer(chip, Tpm(handle))


@pytest.mark.parametrize("answer", ["true", "echo no signature", "exit 255"])
def test_a_firmware_that_signs_nothing_is_found_whatever_its_program_says(otp: Path, answer: str) -> None:
    make_key(Otp(1))
    otp.write_text(OTP_PROGRAM % answer)
    with pytest.raises(KeyFault, match=r"key otp:1: (what it signed is not|rpi-fw-crypto says: nothing)"):
        open_signer(Otp(1), "unit-7")


def test_without_its_program_no_chip_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(KeyFault, match="key tpm:0x81010001: tpm2_readpublic: No such file or directory: apt-get inst"):
        open_signer(HANDLE, "unit-7")


def test_settings_name_a_file_or_a_place_in_a_chip(tmp_path: Path) -> None:
    named: dict[str, Key] = {
        "unit.pem": tmp_path / "unit.pem",
        "/etc/testigo/unit.pem": Path("/etc/testigo/unit.pem"),
        "tpm:0x81010001": HANDLE,
        "otp:1": Otp(1),
    }
    for text, key in named.items():
        assert key_of(text, tmp_path) == key
    assert [str(key) for key in list(named.values())[2:]] == list(named)[2:]
    for text in ("tpm:", "tpm:0x80000001", "tpm:0x8101000", "tpm:0x81010001 ", "otp:0", "otp:", "otp:12"):
        with pytest.raises(OurFault, match="expected a persistent handle"):
            key_of(text, tmp_path)


def test_a_key_file_is_read_as_ever(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    kind = serialization.PrivateFormat.PKCS8
    (tmp_path / "unit.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())
    )
    of_file = open_signer(tmp_path / "unit.pem", "unit-7")
    of_file.verifier.verify(b"a text", of_file.sign(b"a text"))
