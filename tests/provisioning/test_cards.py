"""Cards: all that is on one, one after the other, and what becomes of a unit whose card could not be written."""

import csv
import hashlib
import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
import zxingcpp
from pypdfium2 import PdfDocument  # type: ignore[import-untyped]

from device.settings import read
from provisioning import first_boot, labels
from provisioning.__main__ import main
from provisioning.authority import Authority
from provisioning.cards import Batch, Card
from provisioning.image import Folder
from provisioning.kit import Kit
from tests.provisioning import desk
from tests.provisioning.conftest import PASSPHRASE
from wire.errors import OurFault
from wire.note import Verifier


@pytest.fixture
def batch(authority: Authority, tmp_path: Path) -> Batch:
    package = desk.package(authority, tmp_path / "deployment.testigo")
    return Batch.of(authority, desk.kit(tmp_path / "kit"), package)


def nothing(_size: int) -> None:
    """Nobody watches."""


def registered(authority: Authority) -> list[str]:
    """The units that hubs would know."""
    lines = (authority.folder / "register.txt").read_text().splitlines()
    return [Verifier.parse(line).name for line in lines]


def test_a_card_bears_what_starts_it_and_the_hash_of_all_that_is_on_it(batch: Batch, tmp_path: Path) -> None:
    boot = desk.stock(tmp_path / "boot")
    card = batch.write(Folder(boot), "", nothing)
    assert (boot / "cmdline.txt").read_text() == desk.STOCK["cmdline.txt"].replace(" resize", "")
    assert (boot / "config.txt").read_text().startswith(desk.STOCK["config.txt"])
    assert "first_boot.py" in (boot / "user-data").read_text()
    folder = boot / "testigo"
    lines = [line.split("  ") for line in (folder / first_boot.SUMS).read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    there = {str(file.relative_to(folder)) for file in first_boot.files_in(folder)} - {first_boot.SUMS}
    assert set(sums) == there
    for name, digest in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    assert card.sums == first_boot.hash_of(folder / first_boot.SUMS)


def test_a_unit_can_go_by_what_is_on_its_card(batch: Batch, tmp_path: Path) -> None:
    boot = desk.stock(tmp_path / "boot")
    card = batch.write(Folder(boot), "", nothing)
    own = boot / "testigo/own"
    text = (own / "unit.toml").read_text().replace("/data/own/", f"{own}/").replace("/data/card", f"{tmp_path}")
    (own / "unit.toml").write_text(text)
    settings = read(own / "unit.toml")
    assert (settings.unit, settings.deployment, settings.number) == (card.unit, "trial", 1)
    assert settings.key == own / "unit.pem"
    for broker in settings.brokers:
        assert broker.tls is not None
        assert all((own / name).is_file() for name in (broker.tls.ca, broker.tls.certificate, broker.tls.key))


def test_every_card_is_in_the_register_and_its_keys_are_with_nobody_else(
    batch: Batch, authority: Authority, tmp_path: Path
) -> None:
    cards = [batch.write(Folder(desk.stock(tmp_path / f"boot-{number}")), "", nothing) for number in range(3)]
    with (authority.folder / "cards.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{field.name: str(getattr(card, field.name)) for field in fields(Card)} for card in cards]
    assert registered(authority) == sorted(card.unit for card in cards)
    for card in cards:
        assert not list((authority.folder / "units" / card.unit).glob("*.key"))
        assert not (authority.folder / "units" / card.unit / "unit.pem").exists()


def test_a_card_of_a_unit_that_makes_its_own_keys_bears_none(authority: Authority, tmp_path: Path) -> None:
    package, boot = desk.package(authority, tmp_path / "deployment.testigo"), desk.stock(tmp_path / "boot")
    batch = Batch.of(authority, desk.kit(tmp_path / "kit"), package, enrols=True, key="tpm:0x81010001")
    card = batch.write(Folder(boot), "", nothing)
    own = boot / "testigo/own"
    assert card.keys == "unit"
    assert sorted(file.name for file in own.iterdir()) == ["ca.pem", "deployment.testigo", "token", "unit.toml"]
    assert (own / "token").read_text().startswith(f"{card.unit}.trial.")
    assert tomllib.loads((own / "unit.toml").read_text())["key"] == "tpm:0x81010001"
    assert b"PRIVATE KEY" not in b"".join(file.read_bytes() for file in first_boot.files_in(boot))


class WornCard(Folder):
    """A card that says that all was written, and gives one file back otherwise."""

    def read(self, name: str) -> bytes | None:
        content = Folder.read(self, name)
        return b"worn" if name.endswith(".whl") and content else content


class FullCard(Folder):
    """A card that takes no wheels."""

    def write(self, name: str, content: bytes) -> None:
        if name.endswith(".whl"):
            raise OSError(28, "No space left on device")
        Folder.write(self, name, content)


@pytest.mark.parametrize("kind", [WornCard, FullCard])
def test_a_unit_whose_card_could_not_be_written_belongs_no_more(
    batch: Batch, authority: Authority, tmp_path: Path, kind: Callable[[Path], Folder]
) -> None:
    with pytest.raises((OurFault, OSError)):
        batch.write(kind(desk.stock(tmp_path / "boot")), "", nothing)
    assert registered(authority) == []
    assert not (authority.folder / "cards.csv").exists()


def no_cloud_init(boot: Path) -> None:
    (boot / "user-data").unlink()


def customised(boot: Path) -> None:
    (boot / "cmdline.txt").write_text(desk.STOCK["cmdline.txt"].strip() + " systemd.run=/boot/firstrun.sh\n")


def some_stick(boot: Path) -> None:
    (boot / "cmdline.txt").unlink()


def written_before(boot: Path) -> None:
    (boot / "testigo").mkdir()
    (boot / "testigo/SHA256SUMS").touch()


@pytest.mark.parametrize("spoil", [no_cloud_init, customised, some_stick, written_before])
def test_what_is_no_fresh_card_is_not_written_to_and_no_unit_made_for_it(
    batch: Batch, authority: Authority, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    boot = desk.stock(tmp_path / "boot")
    spoil(boot)
    before = {file: file.read_bytes() for file in first_boot.files_in(boot)}
    with pytest.raises(OurFault, match=r"card|partition"):
        batch.write(Folder(boot), "", nothing)
    assert {file: file.read_bytes() for file in first_boot.files_in(boot)} == before
    assert not list((authority.folder / "units").iterdir())


def test_a_package_of_another_deployment_or_authority_is_on_no_card(authority: Authority, tmp_path: Path) -> None:
    kit = desk.kit(tmp_path / "kit")
    other = desk.package(authority, tmp_path / "other.testigo", "another")
    with pytest.raises(OurFault, match="another"):
        Batch.of(authority, kit, other)
    package = desk.package(authority, tmp_path / "deployment.testigo")
    package.write_bytes(package.read_bytes().replace(b'"fleet":1', b'"fleet":2'))
    with pytest.raises(OurFault):
        Batch.of(authority, kit, package)


def test_another_package_than_the_authoritys_last_is_on_no_card(authority: Authority, tmp_path: Path) -> None:
    kit, package = desk.kit(tmp_path / "kit"), desk.package(authority, tmp_path / "deployment.testigo")
    (authority.folder / package.name).write_bytes(b"a later one")
    with pytest.raises(OurFault, match="not the package that the authority made last"):
        Batch.of(authority, kit, package)
    (authority.folder / package.name).write_bytes(package.read_bytes())
    assert Batch.of(authority, kit, package).package == package.read_bytes()


@pytest.mark.parametrize("name", ["testigo", "cmdline.txt"])
def test_a_card_that_leads_elsewhere_is_not_followed(batch: Batch, tmp_path: Path, name: str) -> None:
    boot, elsewhere = desk.stock(tmp_path / "boot"), desk.stock(tmp_path / "elsewhere")
    (elsewhere / "testigo").mkdir()
    (boot / name).unlink(missing_ok=True)
    (boot / name).symlink_to(elsewhere / name)
    with pytest.raises(OurFault, match="is a link"):
        batch.write(Folder(boot), "", nothing)
    assert {file.name: file.read_text() for file in first_boot.files_in(elsewhere)} == desk.STOCK
    (boot / name).unlink()
    (boot / name).symlink_to(name)
    with pytest.raises(OurFault, match="is a link"):
        batch.write(Folder(boot), "", nothing)


def test_a_kit_that_was_changed_is_refused(tmp_path: Path) -> None:
    kit = desk.kit(tmp_path / "kit")
    (kit.folder / "wheels" / kit.firmware).write_bytes(b"another")
    with pytest.raises(OurFault, match="make it anew"):
        Kit.open(kit.folder)


def test_the_program_writes_one_card_after_the_other_and_prints_labels(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kit, package = desk.kit(tmp_path / "kit"), desk.package(authority, tmp_path / "deployment.testigo")
    boot, passphrase, printed = desk.stock(tmp_path / "boot"), tmp_path / "passphrase", tmp_path / "labels.pdf"
    passphrase.write_text(PASSPHRASE)
    asked = list[str]()

    def next_card(question: str) -> str:
        asked.append(question)
        boot.rename(tmp_path / f"card-{len(asked)}")
        desk.stock(boot)
        return ""

    monkeypatch.setattr("builtins.input", next_card)
    common = ["--passphrase-file", str(passphrase), "--deployment", str(package), "--kit", str(kit.folder)]
    command = ["write", str(authority.folder), *common, "--to", str(boot), "--count", "3", "--labels", str(printed)]
    assert main(command) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    units = registered(authority)
    assert len(units) == 3
    assert all(f"{unit}: written, and read back" in said for unit in units)
    assert "register.txt, revoked.txt, belonging.note to every hub, and say apply there" in said
    assert len(asked) == 2
    assert printed.read_bytes().startswith(b"%PDF")


def test_every_label_and_quick_card_bears_its_units_name_as_text_and_as_a_code() -> None:
    units = [f"u-{number:08d}" for number in range(23)]  # more than one sheet of labels holds
    document = PdfDocument(labels.pdf("trial", units))
    named, coded = list[str](), list[str]()
    for page in document:
        text = page.get_textpage().get_text_bounded()
        named += [unit for unit in units if unit in text]
        coded += [code.text for code in zxingcpp.read_barcodes(page.render(scale=2).to_numpy())]
    assert sorted(named) == sorted(coded) == sorted(2 * units)
