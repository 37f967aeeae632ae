"""The mirrors: one that is down, one that has half of it, one that is a stick; whichever has something, has it."""

import shutil
from datetime import UTC, datetime
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from provisioning.files import private_pem
from tests.updates.desk import MADE, Desk, Unit, served


def test_a_release_comes_from_a_web_server(desk: Desk, unit: Unit) -> None:
    with served(desk.folder) as address:
        unit.mirrors = (f"{address}/",)
        assert unit.run() == ["PREPARED"]
    assert unit.versions.current == 1
    assert unit.versions.proven == 0


def test_a_web_server_s_certificate_is_not_judged_by_the_unit_s_clock(
    tmp_path: Path, desk: Desk, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which may stand in 1970; what is believed hangs on no certificate at all."""
    pem = tmp_path / "hub.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2020, 1, 2, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem.write_bytes(private_pem(key) + made.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with served(desk.folder, certificate=pem) as address:
        unit.mirrors = (address.replace("http://127.0.0.1", "https://localhost"),)
        assert unit.look() == 1, unit.whys()


def test_a_release_comes_from_a_stick(desk: Desk, unit: Unit) -> None:
    unit.mirrors = (str(desk.copied("stick")),)
    assert unit.run() == ["PREPARED"]
    assert unit.versions.current == 1


def test_where_a_mirror_is_down_the_next_is_asked(tmp_path: Path, desk: Desk, unit: Unit) -> None:
    with served(desk.folder) as down:
        pass
    with served(desk.folder) as up:
        unit.mirrors = (down, str(tmp_path / "no-stick"), up)
        assert unit.run() == ["MIRROR_BAD", "PREPARED"], "and that no stick is in is not worth a word"
    assert unit.told[0][1]["mirror"] == down


@pytest.mark.parametrize("wrong", ["http://127.0.0.1:99999/", "http://hub-a..example/"])
def test_an_address_that_cannot_be_one_does_not_keep_the_others_from_being_asked(unit: Unit, wrong: str) -> None:
    unit.mirrors = (wrong, *unit.mirrors)
    assert unit.run() == ["MIRROR_BAD", "PREPARED"]


class _Broken(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(503)


def test_where_a_mirror_is_out_of_order_the_next_is_asked(desk: Desk, unit: Unit) -> None:
    with served(desk.folder, _Broken) as broken:
        unit.mirrors = (broken, str(desk.folder))
        assert unit.run() == ["MIRROR_BAD", "PREPARED"]


def test_files_come_from_whichever_mirror_has_them(desk: Desk, unit: Unit) -> None:
    half = desk.copied("half")
    shutil.rmtree(half / "targets")
    unit.mirrors = (str(desk.folder), str(half))
    assert unit.look() == 1, "the index itself comes from the other"
    unit.mirrors = (str(half), str(desk.folder))
    assert unit.run() == ["PREPARED"]


def test_where_no_mirror_answers_nothing_happens(unit: Unit) -> None:
    unit.mirrors = ("http://127.0.0.1:9",)
    assert unit.run() == ["MIRROR_BAD"]
    assert unit.versions.current == 0


def test_only_what_changed_is_fetched_again(desk: Desk, unit: Unit) -> None:
    assert unit.run() == ["PREPARED"]
    unit.versions.begin(MADE)
    unit.run()
    desk.release("0.1.2")
    for path in desk.folder.glob("targets/*lens*"):
        path.unlink()
    assert unit.run() == ["PREPARED"]
    assert sorted(path.name for path in unit.versions.wheels.iterdir()) == [
        "lens-1.0-py3-none-any.whl",
        "pip-0-py3-none-any.whl",
        "testigo-0.1.2-py3-none-any.whl",
    ]
