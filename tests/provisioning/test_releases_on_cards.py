"""Releases on cards: what a unit goes by for its updates is written with all else, and testigo-update can read it."""

from pathlib import Path

import pytest

from device.update import read
from provisioning.authority import Authority
from provisioning.cards import Batch
from provisioning.image import Folder
from provisioning.kit import Kit
from tests.provisioning import desk
from tests.updates.desk import MADE, Desk
from wire.errors import OurFault

HUB = "https://hub-a.example/updates"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a desk that signs releases."""
    return Desk(tmp_path / "releases").folder / "metadata" / "1.root.json"


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return desk.kit(tmp_path / "kit")


@pytest.fixture
def package(tmp_path: Path, authority: Authority) -> Path:
    return desk.package(authority, tmp_path / "deployment.testigo")


def test_a_unit_can_take_releases_by_what_is_on_its_card(
    tmp_path: Path, authority: Authority, kit: Kit, package: Path, root: Path
) -> None:
    boot = desk.stock(tmp_path / "boot")
    card = Batch.of(authority, kit, package, root=root, mirrors=[HUB]).write(Folder(boot), "", lambda _: None)
    own = boot / "testigo" / "own"
    (own / "update.toml").write_text((own / "update.toml").read_text().replace('"/data', f'"{tmp_path}'))
    updating, service = read(own / "update.toml", MADE, lambda *_, **__: None)
    assert (updating.unit, service) == (card.unit, "testigo-unit.service")
    assert updating.mirrors == (str(tmp_path / "card" / "updates"), HUB)
    assert updating.versions.folder == tmp_path / "app"
    assert updating.root == root.read_bytes()


def test_without_a_root_a_card_says_nothing_of_updates(
    tmp_path: Path, authority: Authority, kit: Kit, package: Path
) -> None:
    boot = desk.stock(tmp_path / "boot")
    Batch.of(authority, kit, package).write(Folder(boot), "", lambda _: None)
    assert not list((boot / "testigo" / "own").glob("update*"))


@pytest.mark.parametrize("mirror", ["https://hub-a.example:port/", "ftp://hub-a.example/", 'https://hub-a"'])
def test_an_address_that_is_none_is_on_no_card(
    authority: Authority, kit: Kit, package: Path, root: Path, mirror: str
) -> None:
    with pytest.raises(OurFault, match=r"mirrors: .*: correct that"):
        Batch.of(authority, kit, package, root=root, mirrors=[mirror])


def test_a_root_that_its_keys_have_not_signed_is_on_no_card(
    authority: Authority, kit: Kit, package: Path, root: Path
) -> None:
    root.write_bytes(
        root.read_bytes().replace(b'"version": 1', b'"version": 2').replace(b'"version":1', b'"version":2')
    )
    with pytest.raises(OurFault, match=r"was signed by 0/2 keys.*name metadata/1\.root\.json"):
        Batch.of(authority, kit, package, root=root)
    root.write_bytes(b"{}")
    with pytest.raises(OurFault, match="take it from a good copy"):
        Batch.of(authority, kit, package, root=root)
