"""The commands of the desk, as the guide says them: from three keys to a release on a unit."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from provisioning.__main__ import main
from provisioning.release import SNAPSHOT_DAYS, SOON_DAYS, TARGETS_DAYS, Repository, make_key, read_public
from tests.updates.desk import DAY_SECONDS, MADE, Desk, Unit, wheels_of, write_wheel
from wire.errors import OurFault
from wire.release import RELEASES_MAX

PASSPHRASE = "six words drawn by five dice"
KEYS = ("ana", "bruno", "carla", "releases", "mirrors")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five keys, made as people make them; each passphrase costs as much time as it is worth."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "passphrase").write_text(f"{PASSPHRASE}\n")
    with pytest.MonkeyPatch.context() as patch:
        for name in KEYS:
            public = make_key(folder / f"{name}.key", PASSPHRASE)
            (folder / name).write_text(read_public(public).keyid[:16])
            patch.setattr("provisioning.files.KDF_ITERATIONS", 1000)  # one that costs what it is worth is enough
    return folder


def say(keys: Path, *words: str) -> int:
    """Says a command; keys are named without their folder."""
    named = [str(keys / word) if word.endswith((".key", ".pub")) else word for word in words]
    return main(["release", "--passphrase-file", str(keys / "passphrase"), *named])


def test_keys_are_told_from_their_encrypted_files_alone(keys: Path) -> None:
    assert "ENCRYPTED" in (keys / "ana.key").read_text()
    assert (keys / "ana.key").stat().st_mode & 0o077 == 0
    assert (keys / "ana.pub").read_text().startswith("ana+")


def test_from_keys_to_a_release_on_a_unit(tmp_path: Path, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository = str(tmp_path / "repository")
    roots = ("ana.pub", "bruno.pub", "carla.pub")
    for command in (
        ("root", repository, "--roots", *roots, "--targets", "releases.pub", "--snapshot", "mirrors.pub"),
        ("sign", repository, "ana.key"),
        ("sign", repository, "carla.key"),
    ):
        assert say(keys, *command) == 0
    said = capsys.readouterr().out
    assert "signed; it lacks 1 more" in said
    assert said.count("2 of 3 sign root: ") == 2, "whoever signs is shown what"
    assert (keys / "ana").read_text() in said
    signed_by = ("--targets", "releases.key", "--snapshot", "mirrors.key")
    wheels = wheels_of(tmp_path / "wheels", "0.1.1")
    assert say(keys, "add", repository, str(wheels), "--share", "10", *signed_by) == 0
    assert say(keys, "spread", repository, "--share", "100", *signed_by) == 0
    assert say(keys, "refresh", repository, "--snapshot", "mirrors.key") == 0
    assert say(keys, "show", repository) == 0
    said = capsys.readouterr().out
    assert "release 1, for 10 of 100 cohorts" in said
    assert "    testigo-0.1.1-py3-none-any.whl\n" in said
    root = (tmp_path / "repository" / "metadata" / "1.root.json").read_bytes()
    unit = Unit(tmp_path / "unit", root, (repository,), since=0, now=0, day=10**11)
    assert unit.run() == ["PREPARED"]
    shutil.copytree(repository, tmp_path / "emergency")
    assert say(keys, "root", str(tmp_path / "emergency"), "--emergency", "1") == 0
    for holder in "bruno", "carla":
        assert say(keys, "sign", str(tmp_path / "emergency"), f"{holder}.key") == 0
    late = Unit(tmp_path / "late", root, (str(tmp_path / "emergency"),), day=0)
    assert late.run() == ["PREPARED"]
    assert say(keys, "cohort", "u-v8skdnn7") == 0
    assert capsys.readouterr().out.endswith("u-v8skdnn7 0\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("key", "ana.key"), "is there already"),
        (("key", "Ana.key"), "NAME.key"),
        (("root", "R", "--roots", "ana.pub", "bruno.pub", "bruno.pub"), "3 different ones"),
        (("root", "R", "--roots", "ana.pub", "bruno.pub", "carla.pub"), "nobody is named yet who signs targets"),
        (("sign", "R", "ana.key"), "draw up a root first"),
        (("refresh", "R", "--snapshot", "mirrors.key"), "there is no release yet"),
        (("root", "R", "--targets", "nobody.pub"), "nobody.pub"),
        (("refresh", "R", "--snapshot", "nobody.key"), "name its file"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(
    tmp_path: Path, keys: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], why: str
) -> None:
    folder = tmp_path / "R"
    folder.mkdir()
    assert say(keys, *[str(folder) if word == "R" else word for word in words]) == 2
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1
    assert not list(folder.glob("metadata/*"))


def test_a_wrong_passphrase_is_said_to_be_one(tmp_path: Path, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("six other words drawn by dice\n")
    assert (
        main(
            ["release", "--passphrase-file", str(wrong), "refresh", str(tmp_path), "--snapshot", str(keys / "ana.key")]
        )
        == 2
    )
    assert "the passphrase does not open it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda wheels: next(wheels.glob("pip-*")).unlink(), "no wheel of pip"),
        (lambda wheels: next(wheels.glob("testigo-*")).unlink(), "no wheel of testigo"),
        (lambda wheels: write_wheel(wheels, "lens", "2.0"), "several wheels of lens"),
        (lambda wheels: (wheels / "odd.whl").touch(), "not the name of a wheel"),
        (lambda wheels: (wheels / "laptop-1-cp313-cp313-manylinux_2_17_x86_64.whl").touch(), "not for a unit"),
    ],
)
def test_what_is_no_release_is_not_signed(
    tmp_path: Path, desk: Desk, change: Callable[[Path], object], why: str
) -> None:
    wheels = wheels_of(tmp_path / "wheels", "0.1.2")
    change(wheels)
    with pytest.raises(Exception, match=why):
        desk.repository.add(wheels, 100, desk.targets, desk.snapshot)
    assert desk.repository.index.releases[0].number == 1


def test_a_key_that_has_no_say_signs_nothing(tmp_path: Path, desk: Desk) -> None:
    wheels = wheels_of(tmp_path / "wheels", "0.1.2")
    for targets, snapshot in ((desk.snapshot, desk.snapshot), (desk.targets, desk.targets)):
        with pytest.raises(Exception, match="is not the one that root 1 names"):
            desk.repository.add(wheels, 100, targets, snapshot)
    desk.repository.draw_root()
    with pytest.raises(Exception, match="none of the root keys"):
        desk.repository.sign_root(desk.targets)
    assert Repository(desk.folder, MADE).index.releases[0].number == 1


def test_other_bytes_under_a_name_that_is_still_taken_are_refused(tmp_path: Path, desk: Desk) -> None:
    wheels = wheels_of(tmp_path / "wheels", "0.1.1", lines="version = 'another'")
    with pytest.raises(Exception, match="raise its version"):
        desk.repository.add(wheels, 10, desk.targets, desk.snapshot)


def test_what_ends_soon_is_said_and_what_is_to_be_done(desk: Desk) -> None:
    assert [line.rpartition(" ")[0] for line in desk.repository.ends()] == [
        f"{what} holds until" for what in ("root", "targets", "timestamp")
    ]
    desk.now += (SNAPSHOT_DAYS - SOON_DAYS) * DAY_SECONDS + 1
    assert [line.partition(": ")[2] for line in desk.repository.ends()] == [
        "",
        "",
        "SOON, so 'release refresh' is needed",
    ]
    desk.now = MADE + TARGETS_DAYS * DAY_SECONDS
    desk.repository.refresh(desk.snapshot)
    assert [line.partition(": ")[2] for line in desk.repository.ends()] == [
        "",
        "SOON, so 'release spread', with the share it has is needed",
        "",
    ], "the mirrors' key cannot renew what the key of releases signed"


def test_whoever_signs_a_root_is_shown_what_is_new_in_it(desk: Desk) -> None:
    thief = CryptoSigner.generate_ecdsa().public_key
    holders = [signer.public_key for signer in desk.roots]
    desk.repository.draw_root([*holders[:2], thief], emergency=7)
    said = "\n".join(desk.repository.drawn())
    assert f"{thief.keyid[:16]} (new)" in said
    assert said.count("(new)") == 1
    assert "EMERGENCY: release 7" in said


def test_more_releases_in_part_than_a_unit_reads_are_refused_before_anything_is_signed(desk: Desk) -> None:
    for number in range(RELEASES_MAX - 1):
        desk.release(f"0.2.{number}", share=10)
    with pytest.raises(OurFault, match="spread one to all"):
        desk.release("0.3", share=10)
    assert len(desk.repository.index.releases) == RELEASES_MAX
