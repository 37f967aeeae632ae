"""What tests of provisioning share: an authority with a hub and two units."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from provisioning import broker
from provisioning.authority import Authority

PASSPHRASE = "correct horse battery staple six words"
HUB = "hub-a"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Made once: its passphrase is slow on purpose."""
    made = Authority.make(tmp_path_factory.mktemp("made") / "authority", "trial", PASSPHRASE)
    made.add_hub(HUB, ["localhost", "127.0.0.1"])
    return made


@pytest.fixture
def authority(made: Authority, tmp_path: Path) -> Authority:
    return replace(made, folder=shutil.copytree(made.folder, tmp_path / "authority"))


@pytest.fixture
def units(authority: Authority) -> list[Path]:
    return list(authority.add_units(2))


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mosquitto's plugin, compiled as a hub's people are told to, and more strictly."""
    if not Path("/usr/include/mosquitto_plugin.h").exists():
        pytest.skip("no mosquitto-dev here")
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "testigo.c").write_text(broker.plugin())
    strictly = ["-Wall", "-Wextra", "-Werror"]
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O2", *strictly, "-o", "testigo.so", "testigo.c"], cwd=folder, check=True
    )
    return folder / "testigo.so"
