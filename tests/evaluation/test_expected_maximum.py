import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interfuse.core.errors import ConfigError
from interfuse.evaluation.expected_maximum import expected_maximum
from tests.references.interaction import expected_maximum_by_listing


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=9))
def test_it_is_the_mean_best_over_every_choice_of_n_tries(scores):
    np.testing.assert_allclose(expected_maximum(np.array(scores)), expected_maximum_by_listing(scores), atol=1e-8)


def test_a_thousand_tries_stay_finite_and_the_curve_never_falls():
    curve = expected_maximum(np.random.default_rng(0).random(1000))
    assert np.isfinite(curve).all()
    assert (np.diff(curve) >= -1e-12).all()


def test_no_try_is_refused():
    with pytest.raises(ConfigError, match="at least one"):
        expected_maximum(np.array([]))
