import numpy as np
import pytest
from scipy.special import expit, softmax
from scipy.stats import norm
from scipy.stats import t as student
from sklearn.metrics import f1_score, roc_auc_score

from interfuse.core.errors import ConfigError
from interfuse.evaluation import mean_interval
from interfuse.evaluation.bootstrap import Drawn, Resampling, bootstrap_interval, draw_metric, draw_weights
from interfuse.evaluation.bootstrap_metrics import make_metric

SEEDS, ROWS = 5, 120


def auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """The part of the pairs in the right order; NaN where a class is absent."""
    positive = labels == 1
    n = int(positive.sum())
    if n in (0, len(labels)):
        return float("nan")
    above = np.flatnonzero(positive[np.argsort(scores)]).sum() - n * (n - 1) / 2  # equal only to itself, drawn twice
    return float(above / (n * (len(labels) - n)))


def mean(scores: np.ndarray, labels: np.ndarray) -> float:
    return float(scores.mean())


def world(draw, seed_sd: float, shift: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    labels = draw.integers(2, size=ROWS)
    power = shift + seed_sd * draw.normal(size=(SEEDS, 1))
    return power * labels + 0.8 * draw.normal(size=ROWS) + 0.6 * draw.normal(size=(SEEDS, ROWS)), labels


def test_our_auc_is_scikit_learns():
    scores, labels = world(np.random.default_rng(0), 0.2)
    assert auc(scores[0], labels) == pytest.approx(roc_auc_score(labels, scores[0]))


@pytest.mark.parametrize("seed_sd", [0.05, 0.4])
def test_nineteen_of_twenty_intervals_hold_the_true_auc(seed_sd):
    draw, trials, inside = np.random.default_rng(1), 160, 0
    powers = 1.0 + seed_sd * norm.ppf((np.arange(4000) + 0.5) / 4000)
    truth = float(norm.cdf(powers / np.sqrt(2)).mean())  # noise of both classes: 0.8² + 0.6² = 1
    for trial in range(trials):
        scores, labels = world(draw, seed_sd)
        found = bootstrap_interval(auc, scores, labels, how=Resampling(40, trial))
        inside += found.low <= truth <= found.high
    assert 0.91 <= inside / trials <= 0.99


def test_for_a_mean_it_is_the_interval_of_the_mean():
    draw = np.random.default_rng(2)
    scores = (draw.random((SEEDS, ROWS)) < 0.7 + 0.05 * draw.normal(size=(SEEDS, 1))).astype(float)
    found = bootstrap_interval(mean, scores, np.zeros(ROWS), how=Resampling(4000))
    known = mean_interval(scores)
    assert found.mean == pytest.approx(known.mean)
    assert found.standard_error == pytest.approx(known.standard_error, rel=0.05)
    assert found.df == pytest.approx(known.df, rel=0.25)


def test_one_seed_gives_the_spread_over_groups():
    draw = np.random.default_rng(3)
    values = draw.random(40)
    scores, groups = np.repeat(values, 4)[None], np.repeat(np.arange(40), 4)
    found = bootstrap_interval(mean, scores, np.zeros(160), groups, how=Resampling(4000))
    known = mean_interval(scores, groups)
    assert found.standard_error == pytest.approx(known.standard_error, rel=0.06)
    assert found.one_model


def test_a_metric_that_never_varies_is_certain_by_definition_or_perfect_so_far():
    constant, perfect = (
        Drawn(np.full(2, value), np.full((100, 2), value), 40).interval(0.95, 0.0, 1.0) for value in (0.5, 1.0)
    )
    assert (constant.low, constant.high) == (0.5, 0.5)  # what the AUC of a constant answer is on any rows
    assert (perfect.low, perfect.high) == pytest.approx((0.025 ** (1 / 40), 1.0))


def test_rows_and_seeds_stay_paired_so_a_design_does_not_differ_from_itself():
    scores, labels = world(np.random.default_rng(4), 0.3)
    same = bootstrap_interval(auc, scores, labels, rival=scores)
    assert (same.mean, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    better = bootstrap_interval(auc, scores + 0.5 * labels, labels, rival=scores)
    alone = bootstrap_interval(auc, scores, labels)
    assert better.low > 0
    assert better.standard_error < alone.standard_error


def test_matrices_of_probabilities_suit_it_too():
    draw = np.random.default_rng(5)
    labels = draw.integers(3, size=60)
    probs = draw.dirichlet(np.ones(3), size=(2, 60)) + 0.5 * np.eye(3)[labels]

    def macro_f1(rows, true):
        return float(f1_score(true, rows.argmax(1), average="macro", zero_division=0.0))

    found = bootstrap_interval(macro_f1, probs, labels, how=Resampling(50))
    assert found.low < found.mean < found.high
    assert found.mean == pytest.approx(np.mean([macro_f1(seed, labels) for seed in probs]))


def test_a_resample_without_a_class_is_drawn_again_and_a_hopeless_metric_is_refused():
    scores, labels = np.arange(8.0)[None], np.array([1, 0, 0, 0, 0, 0, 0, 1])
    assert np.isfinite(bootstrap_interval(auc, scores, labels, how=Resampling(50)).standard_error)
    with pytest.raises(ConfigError, match="not defined on these rows"):
        bootstrap_interval(auc, scores, np.zeros(8))
    with pytest.raises(ConfigError, match="same seeds and rows"):
        bootstrap_interval(auc, scores, labels[:5])
    with pytest.raises(ConfigError, match="at least two groups"):
        bootstrap_interval(mean, scores, labels, np.zeros(8, dtype=int))


CLASSES = {"multiclass": 3, "multilabel": 4, "matching": 2}


def train_five(draw, name: str, task: str, groups: np.ndarray, labels: np.ndarray) -> list:
    """Five trainings of one design: rows of a group are alike, trainings differ in how well they learnt."""
    hot = labels if task == "multilabel" else np.eye(CLASSES[task])[labels]
    alike, made = 0.8 * draw.normal(size=(groups[-1] + 1, CLASSES[task]))[groups], []
    for _ in range(SEEDS):
        logits = (1.2 + 0.15 * draw.normal()) * hot + alike + 0.5 * draw.normal(size=hot.shape) - 0.6
        probs = expit(logits) if task == "multilabel" else softmax(logits, -1)
        made.append(make_metric(name, probs, labels, task))
    return made


@pytest.mark.parametrize("count", [150, 50])
@pytest.mark.parametrize(
    ("name", "task"),
    [("macro F1", "multiclass"), ("mAP", "multilabel"), ("micro F1", "multilabel"), ("AUC", "matching")],
)
def test_intervals_of_a_difference_hold_the_truth_91_to_98_times_in_100_with_and_without_groups(name, task, count):
    draw, trials, inside = np.random.default_rng(7), 200, 0
    groups = np.repeat(np.arange(count), 150 // count)
    for trial in range(trials):  # both designs are alike, so the true difference is 0
        labels = draw.random((150, 4)) < 0.3 if task == "multilabel" else draw.integers(CLASSES[task], size=150)
        weights = draw_weights(groups, Resampling(50, trial))
        first, second = (
            draw_metric(train_five(draw, name, task, groups, labels.astype(int)), weights, count) for _ in range(2)
        )
        found = (first - second).interval()
        inside += found.low <= 0 <= found.high
    assert 0.91 <= inside / trials <= 0.98


def test_degrees_of_freedom_are_at_least_those_of_the_smaller_side():
    """The part that both count and that is taken off can bring the formula near 0, and the interval to any width."""
    own, signs = np.array([0.0, 0.1, 0.2, 0.3, 0.4]), np.where(np.arange(40) % 2, 1.0, -1.0)
    by_seed = own.var(ddof=1) / 5
    rest = 0.97 * by_seed  # V_e; V_i is 0, for the resamples of the five seeds cancel
    size = np.sqrt(4 * rest / (0.8 * 40 / 39 * 40 / 39))  # over resamples, then times G / (G − 1)
    drawn = own + size * np.outer(signs, np.array([1.0, -1.0, 1.0, -1.0, 0.0]))
    found, total = Drawn(own, drawn, 40).interval(), by_seed - rest
    assert total**2 / (by_seed**2 / 4 + rest**2 / 156) < 0.01  # what the formula alone gives
    assert found.standard_error == pytest.approx(np.sqrt(total))
    assert found.df == 4.0
    assert found.high - found.low == pytest.approx(2 * student.ppf(0.975, 4) * np.sqrt(total))
