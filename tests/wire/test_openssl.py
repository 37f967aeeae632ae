"""The tests of the recipe in docs/wire.md: stock tools take every vector note, and none that was altered."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.wire.samples import TRUSTED, VECTORS, sample, sha256

DOCUMENT = VECTORS.parent / "wire.md"
NAMES = ("record", "envelope", "receipt", "refused", "holding")
SIGNERS = {"record": "unit-7", "envelope": "unit-7", "receipt": "hub-a", "refused": "hub-a", "holding": "unit-7"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the vectors where the recipe looks for them, and the recipe."""
    shutil.copytree(VECTORS, tmp_path / "docs" / "vectors")
    (recipe,) = re.findall("^```bash\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    (tmp_path / "recipe").write_text(recipe, "utf-8")
    return tmp_path


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "recipe", *arguments], cwd=project, capture_output=True, text=True, timeout=60)


def taken(project: Path, content: bytes, signer: str) -> bool:
    (project / "note").write_bytes(content)
    return run(project, "note", str(TRUSTED[signer])).returncode == 0


def test_the_recipe_runs_as_it_stands(project: Path) -> None:
    answer = run(project)
    text = sample("receipt.note").partition(b"\n\n")[0] + b"\n"
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == f"Verified OK\n{sha256(text)}  -\n"


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_takes_every_kind_of_note(project: Path, name: str) -> None:
    assert taken(project, sample(f"{name}.note"), SIGNERS[name])


def test_the_recipe_takes_no_altered_note(project: Path) -> None:
    whole = sample("holding.note")
    assert taken(project, whole, "unit-7")
    for place in range(0, len(whole), 11):
        altered = bytearray(whole)
        altered[place] ^= 1 << place % 8
        assert not taken(project, bytes(altered), "unit-7"), f"byte {place}"
    signature = whole.partition(b"\n\n")[2]
    for other in (whole[:-1], whole + b"\n", b"\n" + whole, whole + signature, whole.replace(b"\n\n", b"\n"), b""):
        assert not taken(project, other, "unit-7"), other


@pytest.mark.parametrize(
    "name", ["text-altered", "of-another-key", "of-another-text", "missing", "not-der", "zeros", "byte-behind-s"]
)
def test_the_recipe_takes_no_bad_signature(project: Path, name: str) -> None:
    assert not taken(project, sample(f"refused/bad-signature/{name}.note"), "hub-a")


@pytest.mark.parametrize(
    "name", ["two-signature-lines", "byte-behind-signature", "no-blank-line", "third-line", "base64-not-canonical"]
)
def test_the_recipe_takes_no_note_with_more_or_less_in_it(project: Path, name: str) -> None:
    assert not taken(project, sample(f"refused/malformed/{name}.note"), "hub-a")
