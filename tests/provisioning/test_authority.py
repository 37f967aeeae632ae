"""The authority: what it makes is what units, hubs, brokers and plain openssl take; nothing of it lies open."""

import os
import re
import shutil
import ssl
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from device.keys import signer_from
from hub import register
from hub.keys import Keys
from provisioning.__main__ import main
from provisioning.authority import Authority
from provisioning.files import KDF_ITERATIONS
from tests.provisioning.conftest import HUB, PASSPHRASE
from wire.errors import NotForUsError, OurFault
from wire.note import Verifier
from wire.seal import Recipient, seal


def openssl(*arguments: str | Path) -> str:
    """What it says, whether it is content or not."""
    run = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


def verified(authority: Authority, certificate: Path, *more: str) -> str:
    folder = authority.folder
    crl = ("-crl_check", "-CRLfile", folder / "crl.pem")
    return openssl("verify", "-x509_strict", *more, *crl, "-CAfile", folder / "ca.pem", certificate)


def test_its_keys_are_encrypted_and_its_owners_alone(authority: Authority) -> None:
    for name in ("ca", "packages", "escrow"):
        key = authority.folder / f"{name}.key"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        with pytest.raises(TypeError, match="encrypted"):
            serialization.load_pem_private_key(key.read_bytes(), None)
        iterations = re.search(r"INTEGER +:([0-9A-F]{4,})\n", openssl("asn1parse", "-in", key))
        assert iterations
        assert int(iterations[1], 16) == KDF_ITERATIONS
        assert "BEGIN PUBLIC KEY" in openssl("pkey", "-in", key, "-passin", f"pass:{PASSPHRASE}", "-pubout")
    assert Verifier.parse((authority.folder / "packages.pub").read_text().strip()).name == "packages"
    assert Recipient.parse((authority.folder / "escrow.pub").read_text().strip()).name == "escrow"


def test_what_it_makes_lies_open_to_its_owner_only(authority: Authority, units: list[Path]) -> None:
    for path in authority.folder.rglob("*"):
        # Mosquitto says of `access` that later versions of it will not read what all may read.
        if path.suffix == ".key" or path.name in ("unit.pem", "sign.pem", "seal.pem", "access"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700, path


def test_another_passphrase_opens_nothing(authority: Authority) -> None:
    with pytest.raises(OurFault, match="does not open its key"):
        Authority.open(authority.folder, PASSPHRASE + "x")
    assert Authority.open(authority.folder, PASSPHRASE).deployment == "trial"


@pytest.mark.parametrize(
    ("deployment", "passphrase", "fault"),
    [("Trial", PASSPHRASE, "choose another name"), ("trial", "too short for it", "has 16 characters")],
)
def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    tmp_path: Path, deployment: str, passphrase: str, fault: str
) -> None:
    with pytest.raises(OurFault, match=fault):
        Authority.make(tmp_path / "authority", deployment, passphrase)
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_there_is_never_made_again(authority: Authority) -> None:
    before = (authority.folder / "ca.key").read_bytes()
    with pytest.raises(OurFault, match="is there already: nothing was changed"):
        Authority.make(authority.folder, "trial", PASSPHRASE)
    with pytest.raises(OurFault, match="is there already"):
        authority.add_hub(HUB, ["localhost"])
    assert (authority.folder / "ca.key").read_bytes() == before


@pytest.mark.parametrize("name", ["ca", "packages", "escrow"])
def test_one_with_a_key_that_is_not_its_own_is_not_opened(authority: Authority, tmp_path: Path, name: str) -> None:
    other = Authority.make(tmp_path / "other", "trial", PASSPHRASE)
    shutil.copy(other.folder / f"{name}.key", authority.folder)
    with pytest.raises(OurFault, match=rf"{name}\.key is not the key of {name}\.p"):
        Authority.open(authority.folder, PASSPHRASE)


def test_all_that_is_made_outlives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lasting, fsync = set[int](), os.fsync

    def recorded(descriptor: int) -> None:
        fsync(descriptor)
        lasting.add(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", recorded)
    authority = Authority.make(tmp_path / "authority", "trial", PASSPHRASE)
    authority.add_hub(HUB, ["localhost"])
    list(authority.add_units(1))
    list(authority.add_cards(1))
    authority.set_up_broker(HUB, Path("/etc/mosquitto/testigo"), 8883)
    assert [path for path in authority.folder.rglob("*") if path.is_file() and path.stat().st_ino not in lasting] == []
    lasting.clear()
    authority.forget(HUB)
    home = authority.folder / "hubs" / HUB
    assert {folder.stat().st_ino for folder in (home, home / "keys", home / "broker")} <= lasting


def test_units_and_hubs_take_their_keys(authority: Authority, units: list[Path]) -> None:
    enrolled = register.read(authority.folder / "register.txt")
    assert set(enrolled) == {home.name for home in units}
    for home in units:
        assert re.fullmatch("u-[0-9a-hjkmnp-tv-z]{8}", home.name)
        assert signer_from(home / "unit.pem", home.name).verifier == enrolled[home.name]
    keys = Keys.read(authority.folder / "hubs" / HUB / "keys", HUB)
    public = (authority.folder / "hubs" / HUB / "hub.pub").read_text().splitlines()
    assert public == [str(keys.signer.verifier), str(keys.opener.recipient)]


def test_certificates_hold_by_the_strictest_rules_whatever_the_clock_says(
    authority: Authority, units: list[Path]
) -> None:
    broker = authority.folder / "hubs" / HUB / "broker" / "broker.pem"
    for moment in ("0", "1722211446", "4102444800"):
        assert verified(authority, units[0] / "tls.pem", "-attime", moment, "-purpose", "sslclient").endswith("OK\n")
        assert verified(authority, broker, "-attime", moment, "-purpose", "sslserver").endswith("OK\n")
    # Nobody is let in as a broker with a unit's certificate, nor the other way round.
    assert "purpose" in verified(authority, units[0] / "tls.pem", "-purpose", "sslserver")
    assert "purpose" in verified(authority, broker, "-purpose", "sslclient")


def test_python_of_every_version_takes_the_certificates(authority: Authority, units: list[Path]) -> None:
    """Python 3.13 verifies strictly by itself; here it is asked to."""
    client = ssl.create_default_context(cafile=str(units[0] / "ca.pem"))
    client.load_cert_chain(units[0] / "tls.pem", units[0] / "tls.key")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.folder / "ca.pem"))
    home = authority.folder / "hubs" / HUB / "broker"
    server.load_cert_chain(home / "broker.pem", home / "broker.key")
    server.verify_mode = ssl.CERT_REQUIRED
    for context in (client, server):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    for host in ("localhost", "127.0.0.1"):
        assert shaken(client, server, host) == units[0].name
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        shaken(client, server, "elsewhere.example")


def shaken(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> str:
    """Shakes hands in memory; whom the server sees."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    one, other = client.wrap_bio(down, up, server_hostname=host), server.wrap_bio(up, down, server_side=True)
    for _ in range(4):
        for side in (one, other):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    certificate = other.getpeercert(binary_form=True)
    assert certificate
    (name,) = x509.load_der_x509_certificate(certificate).subject
    return str(name.value)


def test_a_hub_that_is_given_the_escrow_key_opens_what_was_sealed_when_all_hubs_are_gone(
    authority: Authority, tmp_path: Path
) -> None:
    """As the guide says it."""
    hub = (authority.folder / "hubs" / HUB / "hub.pub").read_text().splitlines()[1]
    escrow = (authority.folder / "escrow.pub").read_text().strip()
    sealed = seal(b"an acta", [Recipient.parse(text) for text in (hub, escrow)], b"where")
    last = authority.add_hub("hub-z", ["localhost"])
    with pytest.raises(NotForUsError):
        Keys.read(last / "keys", "hub-z").opener.open(sealed, b"where")
    opened = ("-passin", f"pass:{PASSPHRASE}", "-out", last / "keys" / "seal.pem")
    assert openssl("pkey", "-in", authority.folder / "escrow.key", *opened) == ""
    assert Keys.read(last / "keys", "hub-z").opener.open(sealed, b"where") == b"an acta"


def test_who_is_revoked_belongs_no_more(authority: Authority, units: list[Path]) -> None:
    gone, stays = units
    authority.revoke(gone.name)
    assert set(register.read(authority.folder / "register.txt")) == {stays.name}
    assert "certificate revoked" in verified(authority, gone / "tls.pem")
    assert verified(authority, stays / "tls.pem").endswith("OK\n")
    numbers = [listed(authority)]
    authority.revoke(HUB)
    authority.publish()
    assert "certificate revoked" in verified(authority, authority.folder / "hubs" / HUB / "tls.pem")
    assert listed(authority) > numbers[0]
    assert f"user {gone.name}\ntopic deny #\nuser {HUB}\ntopic deny #\n" in (authority.folder / "access").read_text()
    with pytest.raises(OurFault, match="no unit or hub"):
        authority.revoke("u-00000000")


def test_a_server_that_keeps_older_lists_goes_by_the_newest(authority: Authority, units: list[Path]) -> None:
    """OpenSSL keeps each list it is given, as Mosquitto does when told; of two it goes by the later."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.folder / "ca.pem"))
    home = authority.folder / "hubs" / HUB / "broker"
    server.load_cert_chain(home / "broker.pem", home / "broker.key")
    server.verify_mode = ssl.CERT_REQUIRED
    server.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    for unit in units:
        server.load_verify_locations(authority.folder / "crl.pem")
        client = ssl.create_default_context(cafile=str(unit / "ca.pem"))
        client.load_cert_chain(unit / "tls.pem", unit / "tls.key")
        assert shaken(client, server, "localhost") == unit.name
        authority.revoke(unit.name)
        server.load_verify_locations(authority.folder / "crl.pem")
        with pytest.raises(ssl.SSLError, match="verify failed"):
            shaken(client, server, "localhost")


def listed(authority: Authority) -> int:
    crl = x509.load_pem_x509_crl((authority.folder / "crl.pem").read_bytes())
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_a_unit_whose_folder_lost_a_file_is_no_hub(authority: Authority, units: list[Path]) -> None:
    (units[0] / "unit.pub").unlink()
    with pytest.raises(OurFault, match="take what lacks"):
        authority.publish()
    assert f"user {units[0].name}" not in (authority.folder / "access").read_text()


def test_a_unit_that_was_being_made_when_the_power_went_is_none(authority: Authority, units: list[Path]) -> None:
    units[0].rename(units[0].with_name(f".{units[0].name}.new"))
    authority.publish()
    assert set(register.read(authority.folder / "register.txt")) == {units[1].name}


def test_private_keys_are_forgotten_when_they_are_where_they_belong(authority: Authority, units: list[Path]) -> None:
    assert authority.forget(units[0].name) == 2
    assert authority.forget(HUB) == 4
    left = [path for path in [*units[0].rglob("*"), *(authority.folder / "hubs").rglob("*")] if path.is_file()]
    assert not any(b"PRIVATE KEY" in path.read_bytes() for path in left)
    assert set(register.read(authority.folder / "register.txt")) == {home.name for home in units}


def test_the_program_does_it_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text(f"{PASSPHRASE}\n")
    folder, asks = str(tmp_path / "authority"), ["--passphrase-file", str(secret)]
    assert main(["authority", folder, "--deployment", "trial", *asks]) == 0
    assert main(["hub", folder, HUB, "--host", "hub.example", "192.0.2.7", *asks]) == 0
    assert main(["broker", folder, HUB, *asks]) == 0
    assert main(["units", folder, "--count", "3", *asks]) == 0
    names = sorted(path.name for path in (tmp_path / "authority" / "units").iterdir())
    assert len(names) == 3
    assert main(["revoke", folder, names[0], *asks]) == 0
    assert main(["forget", folder, *names[1:], *asks]) == 0
    said = capsys.readouterr().out
    assert [f"2 private keys of {name} removed" in said for name in names] == [False, True, True]
    assert main(["revoke", folder, "u-zzzzzzzz", *asks]) == 2
    assert "no unit or hub" in capsys.readouterr().err
    for host in ("é", "hub.example:8883", "192.0.2.777", "hub-b, hub-c", ""):
        assert main(["hub", folder, "hub-b", "--host", host, *asks]) == 2
        assert "give plain names" in capsys.readouterr().err
