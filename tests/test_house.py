"""The house keeps its rules: no corridor of doors, no long files, no drawer for everything, and a map that is true."""

import ast
import re
import tomllib

import pytest

from tests.house import (
    ROOT,
    SOURCE,
    annotations,
    body_lines,
    draw_map,
    floors,
    is_tuple_of_unlike_things,
    modules,
    purpose,
    read_map,
    rooms,
    syntax,
)

MODULES, LINES, FUNCTION = 20, 400, 60
"""The most modules of a room, lines of a file, and lines of a function's body."""
WIDE = {"fusion", "evaluation", "cli"}
"""Rooms of one mechanism, one score or one command a file: each is its own index."""
DRAWERS = {"utils", "util", "helpers", "helper", "misc", "common", "tools"}
ELSEWHERE = {"benchmarks", "fuzz", "mutants"}
"""Folders of tests that test what is not in the package."""


@pytest.mark.parametrize("room", rooms())
def test_a_room_says_what_lives_there_and_has_few_doors(room):
    assert purpose(room).endswith("."), f"the docstring of {room}/__init__.py is to begin with one whole sentence"
    assert room in WIDE or len(modules(room)) <= MODULES


def test_the_map_in_contributing_is_the_house():
    assert read_map() == draw_map(), "write it again: make map"
    assert {room.partition("/")[0] for room in rooms()} <= {name for floor in floors() for name in floor}


def test_no_file_is_long():
    counts = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCE.rglob("*.py")}
    assert not {str(path.relative_to(ROOT)): count for path, count in counts.items() if count > LINES}


def test_no_function_is_long():
    functions = {
        f"{name}:{node.name}": body_lines(node)
        for name, tree in syntax()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {name: count for name, count in functions.items() if count > FUNCTION}


def test_no_room_and_no_module_is_a_drawer_for_everything():
    assert not [path for path in SOURCE.rglob("*") if path.stem in DRAWERS]


def test_nothing_above_fusion_knows_a_mechanism_by_its_class_or_its_names():
    known = re.compile(r"""isinstance\(network\.fusion|endswith\(["']gate""")
    assert not [str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if known.search(path.read_text("utf-8"))]


def test_no_parameter_and_no_field_is_a_tuple_of_unlike_things():
    unlike = [
        f"{module} {name}: {ast.unparse(annotation)}"
        for module, tree in syntax()
        for name, annotation in annotations(tree)
        if is_tuple_of_unlike_things(annotation)
    ]
    assert not unlike, "name the thing: a dataclass, or arguments\n" + "\n".join(unlike)


@pytest.mark.parametrize(
    ("annotation", "unlike"),
    [
        ("tuple[int, str]", True),
        ("tuple[Means, int] | None", True),
        ("tuple[int, int]", False),
        ("tuple[str, ...]", False),
        ("list[tuple[int, str]]", False),
    ],
)
def test_a_tuple_of_unlike_things_is_told_from_one_of_like_things(annotation, unlike):
    assert is_tuple_of_unlike_things(ast.parse(annotation, mode="eval").body) is unlike


def test_tests_lie_in_the_rooms_of_what_they_test():
    tests = ROOT / "tests"
    folders = {str(path.parent.relative_to(tests)) for path in tests.rglob("test_*.py")} - {"."}
    assert folders - ELSEWHERE <= set(rooms())


def test_the_version_stands_in_one_place_and_is_repeated_truly():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    sections = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert version == next(name for name in sections if name != "Unreleased")
