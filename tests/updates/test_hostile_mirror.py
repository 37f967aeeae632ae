"""The hostile mirror: whatever it gives, the unit takes nothing but what was signed, and says what is wrong.

Each attack is one of those of the TUF specification (1.5.2), against real repositories.
"""

import os
import re
import shutil
import threading
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Targets

from device.mirror import Fetcher
from provisioning.release import SNAPSHOT_DAYS
from tests.updates.desk import DAY_SECONDS, MADE, Desk, Unit, root_of, served, write_wheel
from wire import release


def test_a_mirror_that_goes_back_to_an_older_state_is_refused(desk: Desk, unit: Unit) -> None:
    older = desk.copied("older")
    desk.release("0.1.2")
    assert unit.look() == 2
    unit.mirrors = (str(older),)
    assert unit.look() is None
    assert "timestamp version 1 must be >= 2" in unit.whys()


def test_an_older_release_is_never_taken_though_all_that_the_unit_remembers_of_metadata_is_lost(
    desk: Desk, unit: Unit
) -> None:
    older = desk.copied("older")
    desk.release("0.1.2")
    assert unit.run() == ["PREPARED"]
    shutil.rmtree(unit.versions.folder / "tuf")  # what a power cut may leave of files that nobody synced
    unit.mirrors = (str(older),)
    assert unit.look() is None


@pytest.mark.parametrize("clock", [0, MADE, MADE + 10**9])
def test_a_mirror_that_stands_still_is_found_out_by_the_next_package_whatever_the_clock_says(
    desk: Desk, unit: Unit, clock: int
) -> None:
    unit.now, unit.day = clock, MADE + 10**10
    assert unit.look() == 1
    unit.since = MADE + SNAPSHOT_DAYS * DAY_SECONDS + 1
    assert unit.look() is None
    assert "timestamp.json is expired" in unit.whys()
    desk.now = unit.since
    desk.repository.refresh(desk.snapshot)
    assert unit.look() == 1


def test_a_mirror_that_stands_still_hides_nothing_from_who_asks_another(desk: Desk, unit: Unit) -> None:
    still = desk.copied("still")
    desk.release("0.1.2")
    for mirrors in (still, desk.folder), (desk.folder, still):
        unit.mirrors = tuple(map(str, mirrors))
        assert unit.look() == 2


@pytest.mark.parametrize("part", ["targets", "snapshot"])
def test_parts_of_two_states_are_no_state(desk: Desk, unit: Unit, part: str) -> None:
    old = desk.copied("old")
    desk.release("0.1.2", share=7)
    shutil.copyfile(old / "metadata" / f"1.{part}.json", desk.folder / "metadata" / f"2.{part}.json")
    assert unit.look() is None
    assert re.search("does not match|exceeding", unit.whys()), "shorter, longer, or of another hash"


def test_a_wheel_with_other_bytes_is_not_installed(desk: Desk, unit: Unit) -> None:
    (wheel,) = desk.folder.glob("targets/*testigo-*.whl")
    wheel.write_bytes(wheel.read_bytes()[:-1] + b"!")
    assert unit.run() == ["NOT_INSTALLED"]
    assert "does not match" in unit.whys()
    assert unit.versions.current == 0
    assert not unit.versions.home(1).exists()


def test_a_wheel_that_rots_on_the_unit_is_fetched_again(desk: Desk, unit: Unit) -> None:
    unit.versions.wheels.mkdir()
    write_wheel(unit.versions.wheels, "testigo", "0.1.1", "import spy")
    assert unit.run() == ["PREPARED"]
    assert "spy" not in (unit.versions.home(1) / "lib").glob("*/site-packages/testigo.py").__next__().read_text()


def test_a_dependency_that_is_not_of_the_release_is_not_installed(desk: Desk, unit: Unit) -> None:
    """The mirror has it, and the release's own wheel asks for it: pip is told of no file but those that are signed."""
    desk.release("0.1.2", needs="spy", with_pip=True)
    write_wheel(unit.folder, "spy", "1.0")
    shutil.copy(unit.folder / "spy-1.0-py3-none-any.whl", desk.folder / "targets")
    unit.versions.wheels.mkdir()
    shutil.copy(unit.folder / "spy-1.0-py3-none-any.whl", unit.versions.wheels)
    assert unit.run() == ["NOT_INSTALLED"]
    assert "spy" in unit.whys()
    assert unit.versions.current == 0


def test_another_desk_s_releases_are_none(tmp_path: Path, unit: Unit) -> None:
    other = Desk(tmp_path / "other")
    other.release("6.6.6")
    unit.mirrors = (str(other.folder),)
    assert unit.look() is None
    assert "timestamp was signed by 0/1 keys" in unit.whys()


def test_who_has_one_root_key_makes_no_root(tmp_path: Path, desk: Desk, unit: Unit) -> None:
    thief = CryptoSigner.generate_ecdsa()
    theirs = Desk(tmp_path / "theirs", roots=[desk.roots[0], thief, CryptoSigner.generate_ecdsa()])
    theirs.release("6.6.6")
    shutil.copytree(desk.folder / "metadata", tmp_path / "mirror" / "metadata")
    repository = theirs.repository
    repository.draw_root(targets=thief.public_key)
    for signer in (desk.roots[0], thief):
        repository.sign_root(signer)
    shutil.copy(theirs.folder / "metadata" / "2.root.json", tmp_path / "mirror" / "metadata")
    unit.mirrors = (str(tmp_path / "mirror"),)
    assert unit.look() is None
    assert "root was signed by 1/2 keys" in unit.whys()


@pytest.mark.parametrize("stolen", ["targets", "snapshot"])
def test_who_has_one_of_the_two_keys_below_the_root_makes_no_release(
    tmp_path: Path, desk: Desk, unit: Unit, stolen: str
) -> None:
    own = CryptoSigner.generate_ecdsa()
    targets, snapshot = (desk.targets, own) if stolen == "targets" else (own, desk.snapshot)
    theirs = Desk(tmp_path / "theirs", targets=targets, snapshot=snapshot)
    theirs.release("6.6.6")
    shutil.copy(desk.folder / "metadata" / "1.root.json", theirs.folder / "metadata")
    unit.mirrors = (str(theirs.folder),)
    assert unit.look() is None
    assert "was signed by 0/1 keys" in unit.whys()


def test_a_signature_does_not_carry_over_to_changed_words(desk: Desk, unit: Unit) -> None:
    path = desk.folder / "metadata" / "1.targets.json"
    metadata = Metadata[Targets].from_file(str(path))
    metadata.signed.version = 9
    path.write_bytes(metadata.to_bytes())
    assert unit.look() is None


class _Endless(SimpleHTTPRequestHandler):
    """Gives bytes for as long as somebody takes them."""

    sent = 0

    def do_GET(self) -> None:
        if "root" in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                type(self).sent += self.wfile.write(b" " * 65536)
        except OSError:
            pass


def test_endless_bytes_are_cut_off_where_the_longest_true_ones_end(desk: Desk, unit: Unit) -> None:
    with served(desk.folder, _Endless) as address:
        unit.mirrors = (address,)
        assert unit.look() is None
    assert "exceeding" in unit.whys()
    assert _Endless.sent < 16 * 1024 * 1024, "what a socket's buffers hold, and no more"


class _Dribbling(_Endless):
    def do_GET(self) -> None:
        if "root" in self.path:
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b" ")
                self.wfile.flush()
        except OSError:
            pass


def test_a_mirror_that_dribbles_is_left(desk: Desk, unit: Unit) -> None:
    """Bytes come always soon enough to say that something comes, and never so many that it is done."""
    turned = iter(range(0, 10**6, 10))  # each look at the clock finds it 10 s later
    unit.fetcher = Fetcher(lambda: float(next(turned)))
    with served(desk.folder, _Dribbling) as address:
        unit.mirrors = (address,)
        assert unit.look() is None
    assert "bytes in" in unit.whys()


class _Greeting(_Endless):
    """Never comes to the end of its greeting."""

    def do_GET(self) -> None:
        try:
            while True:
                self.wfile.write(b"HTTP/1.1 200 ")
        except OSError:
            pass


class _Muttering(_Endless):
    """Sends one byte of its greeting now and then, so that it is never silent."""

    def do_GET(self) -> None:
        try:
            for byte in b"HTTP/1.1 200 OK" + b"Server: very slow" * 100:
                self.wfile.write(bytes([byte]))
                threading.Event().wait(0.02)
        except OSError:
            pass


@pytest.mark.parametrize("kind", [_Greeting, _Muttering])
def test_a_mirror_whose_greeting_never_ends_is_cut_off(
    desk: Desk, unit: Unit, kind: type[SimpleHTTPRequestHandler]
) -> None:
    unit.fetcher = Fetcher(grace=0.1)
    with served(desk.folder, kind) as address:
        unit.mirrors = (address,)
        assert unit.look() is None
    assert [event for event, _ in unit.told] == ["MIRROR_BAD"]


class _Elsewhere(_Endless):
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(302)
        self.send_header("Location", "http://127.0.0.1:9/")
        self.end_headers()


def test_who_sends_a_unit_elsewhere_is_not_followed(desk: Desk, unit: Unit) -> None:
    with served(desk.folder, _Elsewhere) as address:
        unit.mirrors = (address,)
        assert unit.look() is None
    assert "HTTP status 302" in unit.whys()


def test_what_is_no_plain_file_on_a_stick_is_not_waited_for(desk: Desk, unit: Unit) -> None:
    stamp = desk.folder / "metadata" / "timestamp.json"
    stamp.unlink()
    os.mkfifo(stamp)
    assert unit.look() is None
    stamp.unlink()
    stamp.symlink_to("/dev/zero")
    assert unit.look() is None
    assert "no plain file" in unit.whys()
    assert "symbolic links" in unit.whys()


def test_an_index_of_a_later_format_is_said_to_be_one(desk: Desk, unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    true = release.write
    monkeypatch.setattr(
        "wire.release.write", lambda index: true(index).replace(b'"share"', b'"colour": "blue", "share"')
    )
    desk.release("0.1.2")
    assert unit.look() == 2, "what a later desk adds is passed over"
    monkeypatch.setattr("wire.release.write", lambda _: b'{"releases": "elsewhere"}')
    desk.release("0.1.3")
    assert unit.look() is None
    assert "write the card anew" in unit.whys()


def test_the_root_on_the_card_must_be_one(tmp_path: Path, desk: Desk) -> None:
    unit = Unit(tmp_path / "unit", root_of(desk).replace(b"1", b"2"), (str(desk.folder),))
    assert unit.look() is None
