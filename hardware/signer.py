"""The signer: a key that a chip holds and does not give away: a TPM's, or the one in the Raspberry Pi's own OTP memory.

Both are used by the programs that their makers keep: tpm2-tools, and `rpi-fw-crypto` of Raspberry Pi OS. A process for
each signature costs little beside the chip itself (docs/decisions/0029), and nothing of it stays in the unit's memory.
What a chip signs is verified before it is used: it may be another chip by now, and one version of `rpi-fw-crypto` says
nothing where the firmware refused, and leaves the signature empty.
"""

import hashlib
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from device.keys import Key, KeyFault, Otp, Tpm, signer_from
from wire.errors import TheirFault
from wire.note import Signer, Verifier, low_s

SECONDS_MAX = 4.0
"""For what a chip is asked once. A record takes two signatures, and no press waits longer than 10 s for its verdict."""

TCTI = "device:/dev/tpmrm0"
"""The kernel's own resource manager. Not left to tpm2-tools to find: they would take a TPM of anybody's on a port."""

_TPM_KEY = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign"
"""It never leaves the TPM, signs whatever digest it is given, and no lockout by others' wrong guesses touches it."""


@dataclass(frozen=True, slots=True)
class Chip:
    """How a key in a chip is used.

    Attributes:
        key: which one.
        public: what prints its public half, DER.
        sign: what prints a signature, DER, of what it is given.
        takes_digest: whether it is given the digest, or the text itself.
        package: of Debian or Raspberry Pi OS, that has these programs.
    """

    key: Tpm | Otp
    public: tuple[str, ...]
    sign: tuple[str, ...]
    takes_digest: bool
    package: str

    @classmethod
    def of(cls, key: Tpm | Otp, tcti: str = TCTI) -> "Chip":
        """How that key is used."""
        if isinstance(key, Tpm):
            public = (*_tpm2("readpublic", tcti), "-c", hex(key.handle), "-f", "der", "-o", "/dev/stdout")
            sign = (*_tpm2("sign", tcti), "-c", hex(key.handle), "-g", "sha256", "-s", "ecdsa", "-f", "plain", "-d")
            return cls(key, public, (*sign, "-o", "/dev/stdout"), takes_digest=True, package="tpm2-tools")
        slot = ("--key-id", str(key.slot))
        sign = ("rpi-fw-crypto", "sign", "--in", "/dev/stdin", *slot, "--alg", "ec")
        return cls(key, ("rpi-fw-crypto", "pubkey", *slot), sign, takes_digest=False, package="raspi-utils")

    def ask(self, command: tuple[str, ...], given: bytes = b"", seconds: float = SECONDS_MAX) -> bytes:
        """Runs one of the programs; what it prints.

        Raises:
            KeyFault: it is not there, fails, or takes too long.
        """
        try:
            done = subprocess.run(command, input=given, capture_output=True, timeout=seconds, check=True)
        except subprocess.TimeoutExpired as error:
            raise self.fault(f"it has not answered for {seconds:g} s", "see how it is connected") from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode("utf-8", "replace").strip().splitlines() or ["nothing"]
            raise self.fault(f"{command[0]} says: {said[0][:200]}", "see how it is connected, or enrol anew") from error
        except OSError as error:
            raise self.fault(f"{command[0]}: {error.strerror}", f"apt-get install {self.package}") from error
        return done.stdout

    def fault(self, found: str, do: str) -> KeyFault:
        """The fault, in one sentence."""
        return KeyFault(f"key {self.key}: {found}: {do}")


class ChipSigner:
    """A signer whose private key is in a chip.

    Args:
        name: what to sign as.
        chip: where.
        seconds: how long it may take each time.

    Raises:
        KeyFault: there is no such key, it is no P-256 key, or it does not sign.
    """

    def __init__(self, name: str, chip: Chip, seconds: float = SECONDS_MAX) -> None:
        self._chip = chip
        self._seconds = seconds
        try:
            self.verifier = Verifier(name, chip.ask(chip.public, seconds=seconds))
        except TheirFault as error:
            raise chip.fault("expected a P-256 key, found another kind", "enrol the unit anew") from error
        self.sign(b"")  # a key that does not sign is found now, and not when the first acta lies there

    def sign(self, text: bytes) -> bytes:
        """Signs with the chip's own randomness.

        Raises:
            KeyFault: the chip does not answer, or with something else than a signature of this key.
        """
        given = hashlib.sha256(text).digest() if self._chip.takes_digest else text
        answer = self._chip.ask(self._chip.sign, given, self._seconds)
        try:
            signature = low_s(answer)
            self.verifier.verify(text, signature)
        except (ValueError, TheirFault) as error:
            raise self._chip.fault("what it signed is not signed by it", "another unit; enrol this one anew") from error
        return signature


def open_signer(key: Key, name: str) -> Signer:
    """The signer of a unit's key, wherever it lives.

    Raises:
        KeyFault: it cannot be used.
    """
    return signer_from(key, name) if isinstance(key, Path) else ChipSigner(name, Chip.of(key))


def make_key(key: Tpm | Otp, tcti: str = TCTI) -> None:
    """Has a chip make a key in a place where there is none. In OTP memory it stays for as long as the board lives.

    Raises:
        KeyFault: it cannot.
    """
    chip = Chip.of(key, tcti)
    if isinstance(key, Otp):
        chip.ask(("rpi-fw-crypto", "genkey", "--key-id", str(key.slot), "--alg", "ec"))
        return
    with tempfile.TemporaryDirectory() as folder:
        parent, made = f"{folder}/parent", f"{folder}/made"
        steps = (
            ("createprimary", "-C", "o", "-G", "ecc256", "-c", parent),
            ("create", "-C", parent, "-G", "ecc256:ecdsa-sha256", "-a", _TPM_KEY, "-c", made),
            ("evictcontrol", "-C", "o", "-c", made, hex(key.handle)),
        )
        for program, *arguments in steps:
            chip.ask((*_tpm2(program, tcti), *arguments))
            chip.ask((*_tpm2("flushcontext", tcti), "-t"))  # it has room for three, and may clear up by itself or not


def _tpm2(program: str, tcti: str) -> tuple[str, ...]:
    return (f"tpm2_{program}", "-Q", "-T", tcti)
