"""Partial information decomposition: what the modalities tell alike, alone, and only together, in bits."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from interfuse.core.errors import ConfigError

Joint = Float[np.ndarray, "first second labels"]
MAX_CLUSTERS = 20
NULL_LIMIT = 0.05
"""Bits of synergy on permuted labels above which the counts are too thin to believe the decomposition."""
SWEEPS = 8


@dataclass(frozen=True)
class Decomposition:
    """Where the information about the label lies, bits."""

    redundancy: float
    """Told by either alone."""
    unique_first: float
    unique_second: float
    synergy: float
    """Told only by both together."""
    total: float
    """I(first, second; label), the sum of the four."""
    gap: float
    """How far the synergy may still be from its exact value (a proven bound), bits."""


@dataclass(frozen=True)
class EstimatedDecomposition:
    """A decomposition estimated from rows, beside what chance alone would show."""

    value: Decomposition
    null: Decomposition
    """The mean over permutations of the labels: with so many cells and so few rows, this much is noise."""
    clusters: int
    """Cells of either modality."""
    advice: str | None
    """What to change where the null's synergy is above 0.05 bit; None where it is not."""


def decompose(joint: Joint, tolerance: float = 1e-3, max_steps: int = 3000) -> Decomposition:
    """Decompose the information of two variables about a third.

    With P the distribution and Δ_P those that keep P(first, label) and P(second, label), `I_Q = min over Q in Δ_P of
    I_Q(first, second; label)`: R = I1 + I2 − I_Q, U1 = I_Q − I2, U2 = I_Q − I1, S = I_P − I_Q.

    I_Q is least where `Σ Q log Q(label | first, second)` is; that is the least divergence between Q in Δ_P and any
    `r(first, second)`. We minimise in turn over Q (Sinkhorn scaling a_y r b_y for each label) and over r (Q's own
    pair marginal). The scalings prove how far we are: `Σ P log a + Σ P log b − log max Σ_y a_y b_y` is a lower bound.

    Args:
        joint: probabilities, or counts, which are divided by their sum.
        tolerance: stop when the bound is this near, bits.
        max_steps: stop then at the latest; `gap` tells how near it came.

    Raises:
        ConfigError: the values are no distribution.

    Reference:
        Bertschinger et al. 2014, https://arxiv.org/abs/1311.2852. Alternating minimisation: Csiszár and Tusnády 1984.
    """
    if joint.ndim != 3 or not np.isfinite(joint).all() or joint.min() < 0 or joint.sum() <= 0:
        raise ConfigError(f"Give probabilities or counts (first, second, labels), none below 0: got {joint.shape}.")
    table = np.moveaxis(joint.astype(np.float64) / joint.sum(), 2, 0)  # (labels, first, second)
    table[table < 1e-15] = 0.0  # such a cell weighs nothing and its ratios overflow
    table = table[table.sum((1, 2)) > 0]
    first, second = table.sum(2), table.sum(1)  # (labels, first), (labels, second): what Q must keep
    info_first, info_second, info = _information(first), _information(second), _information_of_pair(table)
    least, gap = _least_information(first, second, tolerance, max_steps)
    least = float(min(max(least, info_first, info_second), info))  # what is known of I_Q beforehand
    return Decomposition(
        redundancy=max(0.0, info_first + info_second - least),
        unique_first=least - info_second,
        unique_second=least - info_first,
        synergy=info - least,
        total=info,
        gap=gap,
    )


def estimate_decomposition(
    first: Int[np.ndarray, " rows"],
    second: Int[np.ndarray, " rows"],
    labels: Int[np.ndarray, " rows"],
    permutations: int = 5,
    seed: int = 0,
) -> EstimatedDecomposition:
    """Decompose the counts of discretised rows, and beside it the same rows with permuted labels.

    The null is shown and never subtracted: subtracting makes the synergy of XOR too small.

    Args:
        first: cell of each row's image, from 0.
        second: cell of its text.
        labels: class numbers.
        permutations: of the labels, for the null.
        seed: of the permutations.
    """
    draw = np.random.default_rng(seed)
    value = decompose(count(first, second, labels))
    nulls = [decompose(count(first, second, draw.permutation(labels)), 0.005) for _ in range(permutations)]
    null = Decomposition(*(float(np.mean([getattr(n, f) for n in nulls])) for f in Decomposition.__annotations__))
    cells = max(len(np.unique(first)), len(np.unique(second)))
    advice = None
    if null.synergy > NULL_LIMIT:
        advice = (
            f"With {cells} cells for each modality and {len(labels)} rows, permuted labels alone show a synergy of "
            f"{null.synergy:.2f} bit: do not believe this decomposition. Take fewer cells or more rows until that is "
            f"at most {NULL_LIMIT}."
        )
    return EstimatedDecomposition(value, null, cells, advice)


def information(first: Int[np.ndarray, " rows"], labels: Int[np.ndarray, " rows"]) -> float:
    """Return the mutual information of two columns of class numbers, in bits, from their counts.

    >>> information(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))
    1.0
    """
    table = count(first, np.zeros_like(first), labels)[:, 0]
    return max(0.0, _information(table / table.sum()))


def count(first: Int[np.ndarray, " rows"], second: Int[np.ndarray, " rows"], labels: Int[np.ndarray, " rows"]) -> Joint:
    """Count how often each cell of the first and of the second meets each label."""
    table = np.zeros((int(first.max()) + 1, int(second.max()) + 1, int(labels.max()) + 1))
    np.add.at(table, (first, second, labels), 1.0)
    return table


def discretise(
    predictions: Float[np.ndarray, "rows features"], clusters: int = MAX_CLUSTERS, seed: int = 0
) -> Int[np.ndarray, " rows"]:
    """Sort rows into at most 20 cells of like predictions (k-means); fewer where fewer are distinct.

    Raises:
        ConfigError: `clusters` is not from 1 to 20.
    """
    if not 1 <= clusters <= MAX_CLUSTERS:
        raise ConfigError(f"Predictions are sorted into 1 to {MAX_CLUSTERS} cells, got {clusters}.")
    distinct = len(np.unique(np.round(predictions, 9), axis=0))
    if distinct == 1:
        return np.zeros(len(predictions), dtype=np.int64)
    from sklearn.cluster import KMeans  # a second to import; most commands never cluster

    model = KMeans(min(clusters, distinct), n_init=4, random_state=seed)
    return np.asarray(model.fit_predict(predictions.astype(np.float64)), dtype=np.int64)


def _least_information(first: np.ndarray, second: np.ndarray, tolerance: float, steps: int) -> tuple[float, float]:
    """Find min I_Q over the Q that keep both label marginals, in bits, and how far it may be from the exact one."""
    labels = first.sum(1)
    entropy = -float(np.sum(labels * np.log(labels)))
    pair = np.outer(first.sum(0), second.sum(0))  # r
    b = np.ones_like(second)
    best_high, best_low = np.inf, -np.inf
    for step in range(steps):
        for _ in range(SWEEPS):
            a = _divide(first, b @ pair.T)
            b = _divide(second, a @ pair)
        if step % 10 == 0 or step == steps - 1:
            both = a[:, :, None] * b[:, None, :]  # (labels, first, second)
            high = _conditional(_make_feasible(both * pair, first, second))
            low = _dot_log(first, a) + _dot_log(second, b) - float(np.log(both.sum(0).max()))
            best_high, best_low = min(best_high, high), max(best_low, low)
            if best_high - best_low <= tolerance * np.log(2):
                break
        pair = pair * np.einsum("yi,yj->ij", a, b)
    bits = np.log(2)
    return (best_high + entropy) / bits, float(max(0.0, best_high - best_low) / bits)


def _make_feasible(table: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Bring a nearly right table to exactly the wanted marginals: scale down, then spread what is lacking."""
    table = table * np.minimum(1.0, _divide(first, table.sum(2), 1.0))[:, :, None]
    table = table * np.minimum(1.0, _divide(second, table.sum(1), 1.0))[:, None, :]
    rows, columns = first - table.sum(2), second - table.sum(1)
    lacking = rows.sum(1)
    return np.asarray(table + _divide(rows[:, :, None] * columns[:, None, :], lacking[:, None, None]))


def _conditional(table: np.ndarray) -> float:
    """`Σ Q log Q(label | first, second)` in nats: minus the conditional entropy."""
    return _dot_log(table, _divide(table, np.broadcast_to(table.sum(0), table.shape)))


def _information(table: np.ndarray) -> float:
    """Mutual information of the two axes, in bits."""
    independent = np.outer(table.sum(1), table.sum(0))
    return float(_dot_log(table, _divide(table, independent)) / np.log(2))


def _information_of_pair(table: np.ndarray) -> float:
    """I(label; first, second) in bits of a table (labels, first, second)."""
    return _information(table.reshape(len(table), -1))


def _dot_log(weights: np.ndarray, values: np.ndarray) -> float:
    """`Σ w log v`, where 0 · log 0 is 0."""
    there = weights > 0
    return float(np.sum(weights[there] * np.log(np.maximum(values[there], 1e-300))))


def _divide(upper: np.ndarray, lower: np.ndarray, empty: float = 0.0) -> np.ndarray:
    """Divide, and return `empty` where the divisor is 0."""
    shape = np.broadcast_shapes(upper.shape, lower.shape)
    return np.asarray(np.divide(upper, lower, out=np.full(shape, empty), where=np.broadcast_to(lower > 0, shape)))
