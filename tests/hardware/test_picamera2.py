"""picamera2: whatever our driver calls of it is there, with the signature that it is called by.

Read from the pinned wheel, which Makefile unpacks beside the virtual environment and nothing imports; and on a machine
that has it, from the system's own. What the calls do is for tests/debian13.
"""

import ast
import functools
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.tree import PACKAGES, ROOT, modules, named, parsed

PINNED = ROOT / ".venv" / "picamera2" / "picamera2"
SYSTEM = Path("/usr/lib/python3/dist-packages/picamera2")

OBJECTS = {
    "picamera2": ("picamera2.py", "Picamera2"),
    "camera": ("picamera2.py", "Picamera2"),
    "self._camera": ("picamera2.py", "Picamera2"),
    "request": ("request.py", "CompletedRequest"),
}
"""What hardware/camera.py names, and the class that it is of."""

Members = dict[str, inspect.Signature | None]
"""A class's methods with their signatures, self left out; what is read and not called has None."""


def signature(function: ast.FunctionDef) -> inspect.Signature:
    arguments, kinds = function.args, inspect.Parameter
    is_static = any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in function.decorator_list)
    positional = [*arguments.posonlyargs, *arguments.args]
    bare = len(positional) - len(arguments.defaults)
    parameters = [
        kinds(each.arg, kinds.POSITIONAL_OR_KEYWORD, default=kinds.empty if number < bare else None)
        for number, each in enumerate(positional)
    ][0 if is_static else 1 :]
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        parameters.append(kinds(each.arg, kinds.KEYWORD_ONLY, default=kinds.empty if default is None else None))
    if arguments.kwarg:
        parameters.append(kinds(arguments.kwarg.arg, kinds.VAR_KEYWORD))
    return inspect.Signature(parameters)


@functools.cache
def members(package: Path, module: str, name: str) -> Members:
    (found,) = (
        node
        for node in ast.parse((package / module).read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name == name
    )
    known: Members = {}
    for node in ast.walk(found):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            known.setdefault(node.attr, None)
    for node in found.body:
        if isinstance(node, ast.FunctionDef):  # of overloads the last is what runs
            is_read = any("property" in ast.unparse(each) for each in node.decorator_list)
            known[node.name] = None if is_read else signature(node)
    return known


def uses(source: str) -> Iterator[tuple[str, str, ast.Call | None]]:
    """What is used of picamera2 in a module: of which object, by which name, and the call if it is called."""
    tree = ast.parse(source)
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (of := ast.unparse(node.value)) in OBJECTS:
            yield of, node.attr, called.get(id(node))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "picamera2":
            yield "picamera2", "__init__", node


def misused(source: str, package: Path) -> list[str]:
    """Each use of something that is not there, or not so."""
    known = {of: members(package, *place) for of, place in OBJECTS.items()}
    wrong = []
    for of, name, call in uses(source):
        if name not in known[of]:
            wrong.append(f"{of}.{name} is not there")
            continue
        expected = known[of][name]
        if call is None or expected is None:
            if (call is None) != (expected is None):
                wrong.append(f"{of}.{name} is {'read, not called' if expected is None else 'called, not read'}")
            continue
        try:
            expected.bind(*call.args, **{str(each.arg): each.value for each in call.keywords})
        except TypeError as error:
            wrong.append(f"{of}.{name}: {error}")
    return wrong


DRIVER = (ROOT / "hardware" / "camera.py").read_text("utf-8")


@pytest.fixture(params=[PINNED, SYSTEM], ids=["pinned", "system"])
def package(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    if path == SYSTEM and not path.exists():
        pytest.skip("this machine has no picamera2 of its own")
    assert path.is_dir(), f"{path}: the pinned wheel is not unpacked: say make .venv/picamera2/stamp"
    return path


def test_what_the_driver_calls_is_there_and_takes_what_it_is_given(package: Path) -> None:
    assert misused(DRIVER, package) == []


def test_all_that_the_driver_needs_is_looked_at() -> None:
    assert {(of.removeprefix("self._"), name) for of, name, _ in uses(DRIVER)} >= {
        ("picamera2", "global_camera_info"),
        ("picamera2", "__init__"),
        ("camera", "create_still_configuration"),
        ("camera", "configure"),
        ("camera", "camera_configuration"),
        ("camera", "camera_controls"),
        ("camera", "sensor_resolution"),
        ("camera", "start"),
        ("camera", "set_controls"),
        ("camera", "capture_request"),
        ("camera", "capture_metadata"),
        ("camera", "autofocus_cycle"),
        ("camera", "cancel_all_and_flush"),
        ("camera", "close"),
        ("request", "get_metadata"),
        ("request", "make_buffer"),
        ("request", "release"),
    }


WRONG = {
    "camera.take()": "camera.take is not there",
    "camera.capture_request(wait=1, flash=2)": "camera.capture_request: got an unexpected keyword argument 'flash'",
    "self._camera.capture_metadata(1, 2, 3)": "self._camera.capture_metadata: too many positional arguments",
    "request.make_buffer()": "request.make_buffer: missing a required argument: 'name'",
    "camera.camera_controls()": "camera.camera_controls is read, not called",
    "camera.start": "camera.start is called, not read",
    "picamera2(number=0)": "picamera2.__init__: got an unexpected keyword argument 'number'",
    "picamera2.global_camera_info(1)": "picamera2.global_camera_info: too many positional arguments",
}


@pytest.mark.parametrize("source", WRONG)
def test_a_call_that_picamera2_does_not_take_is_told(source: str) -> None:
    assert misused(source, PINNED) == [WRONG[source]]


def test_no_other_module_of_ours_calls_it() -> None:
    for module in modules(*PACKAGES):
        for node in ast.walk(parsed(module)):
            if isinstance(node, ast.Import | ast.ImportFrom) and "picamera2" in ast.unparse(node):
                assert named(module) == "hardware/camera.py"
