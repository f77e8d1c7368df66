"""Settings from plain values: types, errors, hashes."""

from dataclasses import dataclass
from typing import Literal

import pytest

from interfuse.core.errors import ConfigError, ExtraMissingError, require
from interfuse.core.settings import at_least, build, describe, fingerprint


@dataclass(frozen=True)
class Knobs:
    """Some settings."""

    width: int
    """How wide."""
    rate: float = 0.5
    """How fast."""
    loud: bool = False
    """Whether."""
    kind: Literal["a", "b"] = "a"
    """Which."""
    limit: int | None = None


def test_texts_become_the_type_of_the_field():
    knobs = build(Knobs, "knobs", {"width": "3", "rate": "1e-3", "loud": "yes", "kind": "b", "limit": "none"})
    assert knobs == Knobs(3, 0.001, True, "b", None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 1, "ratte": 1}, r"Unknown setting of knobs: 'ratte'\. Did you mean 'rate'\?"),
        ({}, "knobs: the setting 'width' is needed"),
        ({"width": "x"}, "knobs: width must be a whole number, got 'x'"),
        ({"width": 1.5}, "knobs: width must be a whole number, got 1.5"),
        ({"width": True}, "knobs: width must be a whole number, got True"),
        ({"width": 1, "rate": "fast"}, "knobs: rate must be a number, got 'fast'"),
        ({"width": 1, "rate": float("nan")}, "knobs: rate must be a number, got nan"),
        ({"width": 1, "loud": "perhaps"}, "knobs: loud must be true or false, got 'perhaps'"),
        ({"width": 1, "kind": "c"}, r"Unknown value of knobs: kind: 'c'.* Known: a, b"),
    ],
)
def test_what_does_not_fit_is_told(values, message):
    with pytest.raises(ConfigError, match=message):
        build(Knobs, "knobs", values)


def test_the_line_below_a_field_is_its_documentation():
    assert describe(Knobs) == {"width": "How wide.", "rate": "How fast.", "loud": "Whether.", "kind": "Which."}


def test_a_fingerprint_sees_values_but_not_their_order():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_a_value_below_its_minimum_is_named():
    with pytest.raises(ConfigError, match="thing: width must be at least 1, got width=0"):
        at_least("thing", 1, width=0)


def test_a_missing_extra_is_named_with_the_command_that_fixes_it():
    with pytest.raises(ExtraMissingError, match=r"no_such_package is not installed.*pip install 'interfuse\[demo\]'"):
        require("no_such_package", "demo")
