"""What a study's intervals are over, in words."""

import pytest

from interfuse.evaluation import say_scope


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"seeds": 3}, "is over test rows and seeds, for this one split: "),
        (
            {"seeds": 1},
            "is over test rows, for this one split: it speaks of other test rows, not of other train rows, nor",
        ),
        ({"seeds": 3, "folds": 5}, "is over rows, seeds and the training sets of 5 folds."),
        ({"seeds": 1, "folds": 5}, "is over rows and the training sets of 5 folds."),
        (
            {"seeds": 10, "resplit": 10},
            "is over splits: the rows were split anew 10 times, each with a seed of its own.",
        ),
    ],
)
def test_every_interval_says_what_it_is_over(terms, words):
    assert words in say_scope(**terms)
