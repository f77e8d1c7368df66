"""The interval of a mean over examples × seeds, where both are random."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import t as student

from interfuse.core.errors import ConfigError


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval."""

    mean: float
    low: float
    high: float
    standard_error: float
    df: float
    """Degrees of freedom of the t distribution (Satterthwaite)."""
    p: float
    """Two-sided p value of a zero mean."""
    seeds: int
    """With one seed the interval speaks of that trained model only, not of the design."""


def mean_interval(
    scores: Float[np.ndarray, "seeds rows"],
    groups: Int[np.ndarray, " rows"] | None = None,
    level: float = 0.95,
) -> Interval:
    """Interval of the mean of a seeds × rows matrix by its two-way variance components.

    With D_si the matrix (rows of a group folded into one column, see `fold_groups`), D̄ its mean, D̄_s, D̄_i row and
    column means: MS_s = nΣ(D̄_s−D̄)²/(k−1), MS_i = kΣ(D̄_i−D̄)²/(n−1), MS_e = ΣΣ(D_si−D̄_s−D̄_i+D̄)²/((k−1)(n−1)),
    V = (MS_s+MS_i−MS_e)/(kn), or max(MS_s, MS_i)/(kn) where that is not positive;
    df = (MS_s+MS_i−MS_e)² / (MS_s²/(k−1) + MS_i²/(n−1) + MS_e²/((k−1)(n−1))); D̄ ± t_df √V.
    One seed leaves only the spread over examples: V = MS_i/n, df = n−1, for this one trained model.

    Raises:
        ConfigError: there is no row, or a value is not finite.

    Reference:
        Satterthwaite 1946, https://doi.org/10.2307/3002019, on the crossed random-effects layout of Searle et al. 1992.
    """
    if scores.shape[0] < 1 or scores.shape[1] < 1 or not np.isfinite(scores).all():
        raise ConfigError(f"An interval needs finite scores of at least one seed and row, got shape {scores.shape}.")
    table = fold_groups(scores, groups) if groups is not None else scores
    k, _n = table.shape
    mean = float(table.mean())
    variance, df = _one_seed(table) if k == 1 else _two_way(table)
    error = float(np.sqrt(variance))
    if error <= 1e-15 * max(1.0, abs(mean)):
        return Interval(mean, mean, mean, 0.0, df, 1.0 if abs(mean) < 1e-15 else 0.0, k)
    half = float(student.ppf(0.5 + level / 2, df)) * error
    p = float(2 * student.sf(abs(mean) / error, df))
    return Interval(mean, mean - half, mean + half, error, df, p, k)


def fold_groups(
    scores: Float[np.ndarray, "seeds rows"], groups: Int[np.ndarray, " rows"]
) -> Float[np.ndarray, "seeds groups"]:
    """Fold rows that share a group into one column, `(G/N) Σ` over the group, so that the mean stays the rows' mean."""
    _, column = np.unique(groups, return_inverse=True)
    count = int(column.max()) + 1
    folded = np.stack([np.bincount(column, weights=row, minlength=count) for row in scores])
    folded *= count / scores.shape[1]
    return folded


def _two_way(table: np.ndarray) -> tuple[float, float]:
    k, n = table.shape
    mean, by_seed, by_item = table.mean(), table.mean(1), table.mean(0)
    ms_s = n * np.square(by_seed - mean).sum() / (k - 1)
    if n == 1:
        return float(ms_s / k), float(k - 1)
    ms_i = k * np.square(by_item - mean).sum() / (n - 1)
    rest = table - by_seed[:, None] - by_item[None, :] + mean
    ms_e = np.square(rest).sum() / ((k - 1) * (n - 1))
    total = ms_s + ms_i - ms_e
    below = ms_s**2 / (k - 1) + ms_i**2 / (n - 1) + ms_e**2 / ((k - 1) * (n - 1))
    if total > 0:
        return float(total / (k * n)), float(max(total**2 / below, 1.0)) if below > 0 else float(k - 1)
    larger, df = (ms_s, k - 1) if ms_s >= ms_i else (ms_i, n - 1)
    return float(larger / (k * n)), float(df)


def _one_seed(table: np.ndarray) -> tuple[float, float]:
    n = table.shape[1]
    return (float(table.var(ddof=1) / n), float(n - 1)) if n > 1 else (0.0, 1.0)
