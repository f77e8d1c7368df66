import numpy as np
import pytest

from interfuse.evaluation import say_needs_both
from interfuse.evaluation.needs_both import NeedsBoth, find_needs_both


def answers(classes: np.ndarray, count: int) -> np.ndarray:
    return 4.0 * np.eye(count)[classes]


def needs(labels: np.ndarray, both: np.ndarray, image: np.ndarray, text: np.ndarray, classes: int) -> NeedsBoth:
    return find_needs_both(*(answers(one, classes) for one in (both, image, text)), labels, "multiclass")


def test_rows_that_need_both_are_right_with_both_and_wrong_with_either():
    labels = np.zeros(5, dtype=int)
    found = needs(labels, np.array([0, 0, 0, 1, 0]), np.array([1, 0, 1, 1, 1]), np.array([1, 1, 0, 1, 1]), 2)
    assert found.rows.tolist() == [0, 4]
    assert found.observed.mean == pytest.approx(0.4)
    assert (found.image_suffices, found.text_suffices) == pytest.approx((0.2, 0.2))


@pytest.mark.parametrize("alone", ["guesses apart", "always the same", "always opposite", "its own bit"])
def test_of_exclusive_or_all_rows_need_both_whatever_is_guessed_from_either_alone(alone):
    draw = np.random.default_rng(0)
    image, text = draw.integers(2, size=(2, 2000))
    zero = np.zeros(2000, dtype=int)
    guesses = {
        "guesses apart": tuple(draw.integers(2, size=(2, 2000))),
        "always the same": (zero, zero),
        "always opposite": (zero, zero + 1),
        "its own bit": (image, text),
    }
    found = needs(image ^ text, image ^ text, *guesses[alone], 2)
    assert found.observed.mean <= 0.55
    assert found.share.mean == pytest.approx(1.0, abs=0.06)  # two standard errors of 2,000 guesses at c = 0.75
    assert found.share.high == 1.0
    assert say_needs_both(found, 2000, ()).verdict.startswith(("About 9", "About 100.0 %"))


@pytest.mark.parametrize("alone", ["image", "text", "either"])
def test_none_needs_both_where_one_alone_tells_the_answer(alone):
    draw = np.random.default_rng(1)
    labels, guess = draw.integers(4, size=(2, 1000))
    image, text = (labels if alone in (name, "either") else guess for name in ("image", "text"))
    found = needs(labels, labels, image, text, 4)
    assert found.share.mean == 0.0
    assert found.share.high <= 0.01
    assert say_needs_both(found, 1000, ()).verdict.startswith("No row of 1,000 is right with both")


def test_the_share_of_a_mixture_is_found_and_its_interval_covers_it():
    """Three rows of ten need both, a quarter the image, a quarter the text, a fifth neither tells; else all guess."""
    draw, shares, covered, repeats = np.random.default_rng(2), [], 0, 120
    for _ in range(repeats):
        labels, kind = draw.choice(4, 300, p=[0.4, 0.3, 0.2, 0.1]), draw.choice(4, 300, p=[0.3, 0.25, 0.25, 0.2])
        guesses = draw.integers(4, size=(3, 300))
        states = (
            np.where(known, labels, guess)
            for known, guess in zip((kind < 3, kind == 1, kind == 2), guesses, strict=True)
        )
        share = needs(labels, *states, 4).share
        shares.append(share.mean)
        covered += share.low <= 0.3 <= share.high
    assert np.mean(shares) == pytest.approx(0.3, abs=0.015)  # three standard errors of 120 estimates
    assert covered >= 0.87 * repeats  # 0.93 less three standard errors


def test_a_network_that_learnt_a_part_of_exclusive_or_needs_both_for_that_part():
    draw = np.random.default_rng(3)
    labels = draw.integers(0, 2, 4000)
    known = draw.random(4000) < 0.44  # 72 % right, and either alone answers one class throughout
    answers = np.where(known, labels, draw.integers(0, 2, 4000))
    image, text = np.zeros(4000, dtype=int), (draw.random(4000) < 0.7).astype(int)
    states = [np.eye(2)[chosen] for chosen in (answers, image, text)]
    found = find_needs_both(*states, labels, "multiclass")
    assert found.share.low <= 0.44 <= found.share.high
    assert found.share.mean == pytest.approx(0.44, abs=0.06)
    opposite = np.where(answers == labels, 1 - labels, labels)  # with the image alone wrong just where both are right
    found = find_needs_both(np.eye(2)[answers], np.eye(2)[1 - opposite], np.eye(2)[opposite], labels, "multiclass")
    assert found.share.high > found.share.low
