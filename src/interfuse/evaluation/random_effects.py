"""Differences of several data sets pooled into one: data sets are random too, and may truly disagree."""

import numpy as np
import scipy
from jaxtyping import Float

from interfuse.core.errors import ConfigError
from interfuse.core.ranking import Pooled


def pool_differences(
    deltas: Float[np.ndarray, " data_sets"], errors: Float[np.ndarray, " data_sets"], level: float = 0.95
) -> Pooled:
    """Pool by random effects: `y_j = μ + u_j + e_j`, with `u_j ~ (0, τ²)` over data sets and `e_j ~ (0, s_j²)`.

    τ² is Paule and Mandel's, `w_j = 1/(s_j² + τ²)`, `μ = Σ w_j y_j / Σ w_j`. The interval is Hartung and Knapp's,
    Sidik and Jonkman's, `μ ± t_(N−1) √(max(1, q)/Σ w_j)` with `q = Σ w_j (y_j − μ)²/(N−1)`. The 1 is Röver's: where few
    data sets agree by luck, the interval is never narrower than their own errors leave it.

    The p value is the larger of this interval's and that of the unweighted mean, `ȳ ± t_(N−1) s/√N`. Weights are
    estimated; where errors differ tenfold and rest on few seeds, that costs the first up to 4 points of its level
    (`tests/evaluation/test_random_effects.py`), while the second holds it for normal differences whatever their errors.

    The prediction interval is Higgins's, `μ ± t_(N−2) √(τ² + SE²)`, from four data sets on: three would
    leave it one degree of freedom, and it would say nothing.

    Args:
        deltas: difference on each data set.
        errors: standard error of each.
        level: of the intervals.

    Raises:
        ConfigError: there are fewer than two data sets, or a number is not finite or an error not above 0.

    Reference:
        Paule and Mandel 1982, https://doi.org/10.6028/jres.087.022; Hartung and Knapp 2001,
        https://doi.org/10.1002/sim.791; Röver et al. 2015, https://doi.org/10.1186/s12874-015-0091-1; Higgins et al.
        2009, https://doi.org/10.1111/j.1467-985X.2008.00552.x; Bakirov and Székely 2005 on the unweighted mean,
        https://doi.org/10.1007/s10958-006-0366-5.
    """
    _check(deltas, errors)
    count = len(deltas)
    tau_square = paule_mandel(deltas, errors)
    weights = 1 / (np.square(errors) + tau_square)
    mean = float(np.average(deltas, weights=weights))
    spread = float((weights * np.square(deltas - mean)).sum() / (count - 1))
    error = float(np.sqrt(max(1.0, spread) / weights.sum()))
    half = float(scipy.stats.t.ppf(0.5 + level / 2, count - 1)) * error
    q = _q(0.0, deltas, errors)
    new = float(scipy.stats.t.ppf(0.5 + level / 2, count - 2) * np.sqrt(tau_square + error**2)) if count > 3 else None
    return Pooled(
        mean=mean,
        low=mean - half,
        high=mean + half,
        standard_error=error,
        plain=float(deltas.mean()),
        p=max(float(2 * scipy.stats.t.sf(abs(mean) / error, count - 1)), _plain_p(deltas)),
        tau=float(np.sqrt(tau_square)),
        q=q,
        q_p=float(scipy.stats.chi2.sf(q, count - 1)),
        i2=max(0.0, 1 - (count - 1) / q) if q > 0 else 0.0,
        weights=[float(weight) for weight in weights / weights.sum()],
        new_low=None if new is None else mean - new,
        new_high=None if new is None else mean + new,
    )


def paule_mandel(deltas: Float[np.ndarray, " data_sets"], errors: Float[np.ndarray, " data_sets"]) -> float:
    """Return τ² with which `Σ (y_j − μ)²/(s_j² + τ²)` is what it should be, N − 1; 0 where it is less even at 0."""
    target = len(deltas) - 1.0
    largest = float(deltas.var(ddof=1))
    if largest == 0.0 or _q(0.0, deltas, errors) <= target or _q(largest, deltas, errors) >= target:
        return 0.0 if _q(0.0, deltas, errors) <= target else largest
    return float(
        scipy.optimize.brentq(lambda square: _q(square, deltas, errors) - target, 0.0, largest, xtol=1e-18, rtol=1e-12)
    )


def _q(tau_square: float, deltas: np.ndarray, errors: np.ndarray) -> float:
    weights = 1 / (np.square(errors) + tau_square)
    return float((weights * np.square(deltas - np.average(deltas, weights=weights))).sum())


def _plain_p(deltas: np.ndarray) -> float:
    """Return the p value of the unweighted mean."""
    mean, error = float(deltas.mean()), float(deltas.std(ddof=1) / np.sqrt(len(deltas)))
    return (
        0.0
        if error == 0.0 and mean != 0.0
        else float(2 * scipy.stats.t.sf(abs(mean) / (error or 1.0), len(deltas) - 1))
    )


def _check(deltas: np.ndarray, errors: np.ndarray) -> None:
    if len(deltas) < 2:
        raise ConfigError(f"Differences of at least 2 data sets are pooled, got {len(deltas)}.")
    if not np.isfinite(deltas).all() or not np.isfinite(errors).all() or not (errors > 0).all():
        raise ConfigError(
            f"Pooling needs finite differences and standard errors above 0, got {deltas.tolist()} with "
            f"{errors.tolist()}."
        )
