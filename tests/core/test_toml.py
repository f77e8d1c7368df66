"""What is written as TOML is read back by the standard library, whatever it is."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interfuse.core.toml import to_toml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.one_of(TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
VALUES = st.dictionaries(TEXTS, st.recursive(SCALARS, st.lists))


@given(VALUES, st.dictionaries(TEXTS, VALUES | st.dictionaries(TEXTS, VALUES)))
def test_any_values_and_tables_are_read_back(values, tables):
    written = {**values, **tables}
    assert tomllib.loads(to_toml(written)) == written


@pytest.mark.parametrize(
    "text", ['"', "\\", "\n", "\r\n", "\t", "\x00", "\x7f", "\x85", "\u2028", "é", "🙂", '"""', "#"]
)
def test_texts_that_look_like_toml_are_read_back(text):
    written = {text: text, "table": {text: {text: [text]}}}
    assert tomllib.loads(to_toml(written)) == written


def test_what_toml_cannot_say_is_refused():
    with pytest.raises(TypeError, match="no form for None"):
        to_toml({"a": None})
