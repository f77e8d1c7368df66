"""Holm's adjustment against its definition and a published example."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interfuse.core.errors import ConfigError
from interfuse.evaluation import holm
from tests.references import statistics


@given(st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.02, 0.04, 0.3, 1.0]) | st.floats(0, 1), max_size=8))
def test_it_equals_its_definition_ties_too(values):
    assert holm(values) == pytest.approx(statistics.holm(values))


def test_known_values():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_what_is_no_probability_is_refused():
    with pytest.raises(ConfigError, match="from 0 to 1, got nan"):
        holm([0.1, float("nan")])
    with pytest.raises(ConfigError, match=r"from 0 to 1, got 1\.5"):
        holm([1.5])
