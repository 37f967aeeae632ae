"""The tree's own manners: what every file of the project holds to, read off its source."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.tree import FOLDERS, PACKAGES, ROOT, files, modules, named, parsed

UNUSED_WORDS = {"message", "packet", "job", "handler", "manager", "utils", "helper"}
# Names that a library asks us to bind, and so are not ours to choose: (file, name).
FOREIGN_NAMES: set[tuple[str, str]] = set()

# Put together from pieces, so that this file passes its own test.
REGISTRY_HOSTS = [
    ".".join(pieces)
    for pieces in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("piwheels", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
        ("anaconda", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
    )
]
HOME_OR_WORK = re.compile(rb"(?<![\w./-])/(?:home|root|work|Users)/[\w.]")


def bound_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Names a module chooses: what it defines, not what it calls. `f(mode=...)` binds nothing, `def f(mode)` does."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name
            case ast.alias(asname=str(name)):
                yield getattr(node, "lineno", 0), name
            case ast.ExceptHandler(name=str(name)):
                yield node.lineno, name
            case _:
                pass


def unused_words_in(name: str) -> set[str]:
    """The unused words that a name is made of; `data` only where it stands alone."""
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    return UNUSED_WORDS.intersection(words) | ({"data"} if words == ["data"] else set())


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """All that is imported, dotted: `from time import sleep` is time.sleep."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


SKIPS = {"pytest.skip", "pytest.xfail", "pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"}


MAY_SLEEP = ("tests/e2e/", "bench/", "sim/demo.py", "sim/hands.py")
"""What waits for real time: end-to-end tests, benchmarks, and the simulator's people, who act among real programs."""


def faults_in(name: str, tree: ast.Module) -> Iterator[str]:
    """What the module of that name does that no module of ours may, each with its line and what to do instead."""
    may_sleep = name.startswith(MAY_SLEEP)
    for line, bound in bound_names(tree):
        if (name, bound) not in FOREIGN_NAMES:
            yield from (f"{line}: '{bound}' uses the unused word '{word}'" for word in sorted(unused_words_in(bound)))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and re.match("_*process(_|$)", node.name):
            yield f"{node.lineno}: '{node.name}' says 'process' as a verb; say what it does"
    for line, module in imported(tree):
        if module == "mock" or module.startswith("unittest.mock"):
            yield f"{line}: imports unittest.mock; write a fake that is a real implementation of the port"
        if module == "time.sleep" and not may_sleep:
            yield f"{line}: sleeps; only what acts in real time may wait for it"
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="time"), attr="sleep") if not may_sleep:
                yield f"{node.lineno}: sleeps; only what acts in real time may wait for it"
            case ast.Call(func=called) if ast.unparse(called) in SKIPS and not has_reason(node):
                yield f"{node.lineno}: {ast.unparse(called)} without a reason in words"
            case ast.FunctionDef(decorator_list=marks) | ast.Assign(value=ast.List(elts=marks)):
                bare = [mark for mark in marks if isinstance(mark, ast.Attribute) and ast.unparse(mark) in SKIPS]
                yield from (f"{mark.lineno}: {ast.unparse(mark)} without a reason in words" for mark in bare)
            case _:
                pass


def has_reason(call: ast.Call) -> bool:
    """Whether a skip says why, in three words or more. A condition is no reason; a text made at run time is trusted."""
    given: list[ast.expr] = [keyword.value for keyword in call.keywords if keyword.arg == "reason"]
    if not ast.unparse(call.func).endswith(("skipif", "mark.xfail")):
        given += call.args[:1]
    return any(not isinstance(reason, ast.Constant) or len(str(reason.value).split()) >= 3 for reason in given)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_programs_import_our_folders_and_no_namesake(package: str, tmp_path: Path) -> None:
    """Asked of a fresh interpreter elsewhere, since pytest puts this folder first."""
    command = [sys.executable, "-P", "-c", f"import {package}; print({package}.__file__)"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.stdout.strip() == str(ROOT / package / "__init__.py"), ended.stderr


@pytest.mark.parametrize("module", modules(*FOLDERS), ids=named)
def test_every_module_begins_with_a_docstring_and_ours_with_the_noun(module: Path) -> None:
    docstring = ast.get_docstring(parsed(module)) or ""
    empty = module.name == "__init__.py" and not module.read_text("utf-8").strip()
    noun_first = r"[A-Z][^:\n]*: \S" if named(module).startswith(PACKAGES) else r"\S"
    assert empty or re.match(noun_first, docstring), f"begins {docstring[:60]!r}, not 'The noun: what it is'"


@pytest.mark.parametrize("module", modules(*FOLDERS), ids=named)
def test_every_module_keeps_our_words_and_manners(module: Path) -> None:
    assert list(faults_in(named(module), parsed(module))) == []


def test_no_file_names_a_registry_or_a_folder_of_one_machine() -> None:
    found = []
    for file in files():
        content = file.read_bytes()
        signs = [host.encode() for host in REGISTRY_HOSTS if host.encode() in content] + HOME_OR_WORK.findall(content)
        found += [f"{named(file)} holds {sign.decode()!r}" for sign in signs]
    assert found == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("def send_message(): ...", "1: 'send_message' uses the unused word 'message'"),
        ("class PacketQueue: ...", "1: 'PacketQueue' uses the unused word 'packet'"),
        ("data = 1", "1: 'data' uses the unused word 'data'"),
        ("def f(x, *, job): ...", "1: 'job' uses the unused word 'job'"),
        ("def process_frame(): ...", "1: 'process_frame' says 'process' as a verb; say what it does"),
        ("import x as utils", "1: 'utils' uses the unused word 'utils'"),
        (
            "from unittest import mock",
            "1: imports unittest.mock; write a fake that is a real implementation of the port",
        ),
        ("import time\ntime.sleep(1)", "2: sleeps; only what acts in real time may wait for it"),
        ("from time import sleep", "1: sleeps; only what acts in real time may wait for it"),
        ("pytest.skip()", "1: pytest.skip without a reason in words"),
        ("pytest.skip('no broker')", "1: pytest.skip without a reason in words"),
        ("@pytest.mark.skip\ndef f(): ...", "1: pytest.mark.skip without a reason in words"),
        ("@pytest.mark.skipif(x)\ndef f(): ...", "1: pytest.mark.skipif without a reason in words"),
    ],
)
def test_a_breach_of_manners_is_found_and_named(source: str, fault: str) -> None:
    assert fault in faults_in("device/scratch.py", ast.parse(source))


@pytest.mark.parametrize(
    "source",
    [
        "data_class = metadata = jobless = process = 1",
        "client.on_message = logging.StreamHandler(packet.data)",
        "f(data=1, message='', handler=None)",
        "pytest.skip('the pictures of 2024 are not on this machine')",
        "@pytest.mark.skipif(x, reason='needs a wired bench here')\ndef f(): ...",
        "import time\nat = time.monotonic()",
    ],
)
def test_good_manners_are_left_alone(source: str) -> None:
    assert list(faults_in("device/scratch.py", ast.parse(source))) == []
