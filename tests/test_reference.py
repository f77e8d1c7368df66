"""The reference: every public name stands in it, and every function of it says what each argument is."""

import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

import interfuse
from tests.pages.blocks import ROOT

PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
NAMED = [
    (name, tuple(re.findall(r"\w+", members)))
    for page in PAGES
    for name, members in re.findall(
        r"^::: (\S+)(?:\n    options: \{inherited_members: \[(.*)\])?", page.read_text(encoding="utf-8"), re.M
    )
]
"""What the pages show, and which inherited members of it."""


def find(name: str) -> Any:
    """Return what a dotted name stands for; where a room and a function share it, the function."""
    home, _, last = name.rpartition(".")
    return getattr(import_module(home), last)


def functions_of(thing: Any, inherited: tuple[str, ...]) -> Iterator[Callable[..., Any]]:
    """Walk over what the page shows of it that is called: itself, or its own and the named inherited methods."""
    if inspect.isfunction(thing):
        yield thing
    if inspect.isclass(thing):
        for name in (*vars(thing), *inherited):
            member = getattr(thing, name)
            ours = (
                getattr(inspect.unwrap(member), "__module__", "").startswith("interfuse") if callable(member) else False
            )
            if ours and not name.startswith("_") and not inspect.isclass(member):
                yield member


def undescribed(function: Callable[..., Any]) -> list[str]:
    """List the arguments of which the docstring says nothing."""
    names = [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]
    _, _, section = (inspect.getdoc(function) or "").partition("Args:\n")
    return [name for name in names if not re.search(rf"^ {{4}}{name}: \S", section, re.M)]


@pytest.mark.parametrize(("name", "inherited"), NAMED, ids=[name for name, _ in NAMED])
def test_every_argument_of_the_reference_is_described(name, inherited):
    missing = {
        function.__qualname__: names
        for function in functions_of(find(name), inherited)
        if (names := undescribed(function))
    }
    assert not missing


def test_every_public_name_and_every_kind_of_setting_stands_in_the_reference():
    named = {name for name, _ in NAMED}
    assert {f"interfuse.{name}" for name in interfuse.__all__} <= named
    told = {
        word
        for name in interfuse.__all__
        for word in re.findall(r"`(\w+Settings)`", inspect.getdoc(getattr(interfuse, name)) or "")
    }
    assert told
    assert told <= {name.rpartition(".")[2] for name in named}
