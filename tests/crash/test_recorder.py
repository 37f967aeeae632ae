"""The recorder: what it understood of the firmware's calls is all that the firmware did to its card."""

from pathlib import Path

import pytest

from tests.crash.disk import MODELS, Said, Synced, Wrote
from tests.crash.recorder import Recording, load, read_card, record
from tests.device.cards import opened


@pytest.mark.parametrize("model", MODELS)
def test_doing_all_that_was_recorded_makes_the_very_card_that_the_firmware_made(weeks: Recording, model: str) -> None:
    disk = MODELS[model](weeks.before)
    for op in weeks.ops:
        disk.apply(op)
    assert disk.seen == read_card(weeks.folder / "card")


def test_what_was_said_stands_among_what_was_asked(weeks: Recording) -> None:
    said = [op.line for op in weeks.ops if isinstance(op, Said)]
    assert said == (weeks.folder / "said").read_text("ascii").splitlines()
    kept = next(number for number, op in enumerate(weeks.ops) if isinstance(op, Said) and op.line.startswith("kept "))
    match weeks.ops[kept - 1]:
        case Synced(path):
            assert path == "index.db-wal"
        case other:
            raise AssertionError(f"before the announcement comes {other!r}, and no commit")


def test_sqlites_own_writes_are_among_what_was_recorded(weeks: Recording) -> None:
    assert {"index.db", "index.db-wal"} <= {op.path for op in weeks.ops if isinstance(op, Wrote)}


def test_the_index_is_not_written_through_mapped_memory(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        assert store._database.execute_sql("PRAGMA mmap_size").fetchall() in ([], [(0,)])


def test_a_trace_with_a_call_that_the_model_lacks_is_refused(weeks: Recording, tmp_path: Path) -> None:
    folder = tmp_path / "recording"
    (folder / "before").mkdir(parents=True)
    (folder / "said-before").write_text("")
    name = "".join(f"\\x{byte:02x}" for byte in f"{folder / 'card' / 'f'}".encode())
    for call in (
        f"fallocate(3<{name}>, 0, 0, 10) = 0",
        f'truncate("{name}", 3) = 0',
        f"mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 3<{name}>, 0) = 0x7f0000000000",
        f'openat(AT_FDCWD<{name}>, "{name}", O_WRONLY|O_APPEND, 0600) = 3<{name}>',
        f'rename("\\x2f\\x66", "{name}") = 0',
    ):
        (folder / "trace").write_text(f"17 {call}\n", "ascii")
        with pytest.raises(AssertionError, match=r"the model of the disk lacks this|came onto the card"):
            load(folder)


def test_calls_of_two_threads_are_taken_apart(tmp_path: Path) -> None:
    folder = tmp_path / "recording"
    (folder / "before").mkdir(parents=True)
    (folder / "said-before").write_text("")
    name = "".join(f"\\x{byte:02x}" for byte in f"{folder / 'card' / 'f'}".encode())
    lines = (
        f'17 openat(AT_FDCWD<\\x2f>, "{name}", O_WRONLY|O_CREAT|O_TRUNC, 0600) = 3<{name}>',
        f"17 fsync(3<{name}> <unfinished ...>",
        f'18 write(3<{name}>, "\\x61\\x62\\x63", 3) = 2',
        "17 <... fsync resumed>) = 0",
        f'18 write(3<{name}>, "\\x64", 1) = -1 ENOSPC (No space left on device)',
        f'18 write(3<{name}>, "\\x65", 1 <unfinished ...>',
        "17 +++ killed by SIGKILL +++",
    )
    (folder / "trace").write_text("".join(f"{line}\n" for line in lines), "ascii")
    assert load(folder).ops[1:] == (Wrote("f", 0, b"ab"), Synced("f", 1))


def test_a_program_that_fails_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="the recorded program ended with 1"):
        record(tmp_path / "recording", "no such days")
