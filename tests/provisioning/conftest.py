"""What tests of provisioning share: an authority with a hub and two units."""

from pathlib import Path

import pytest

from provisioning.authority import Authority

PASSPHRASE = "correct horse battery staple six words"
HUB = "hub-a"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority.make(tmp_path / "authority", "trial", PASSPHRASE)
    made.add_hub(HUB, ["localhost", "127.0.0.1"])
    return made


@pytest.fixture
def units(authority: Authority) -> list[Path]:
    return list(authority.add_units(2))
