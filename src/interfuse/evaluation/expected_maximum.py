"""The expected-maximum curve: how good the best of n tries is, so that tuning budgets can be compared."""

import numpy as np
from jaxtyping import Float

from interfuse.core.errors import ConfigError


def expected_maximum(scores: Float[np.ndarray, " tries"]) -> Float[np.ndarray, " tries"]:
    """Expect the best of n of these B tries drawn without replacement, for n = 1 … B.

    `E_n = Σ_j v_(j) · C(j−1, n−1) / C(B, n)` with `v_(1) ≤ … ≤ v_(B)`: the j-th is the best of `C(j−1, n−1)` choices.

    Raises:
        ConfigError: there is no try, or a score is not finite.

    Reference:
        Dodge et al. 2019, https://arxiv.org/abs/1909.03004, whose estimator draws with replacement and is biased;
        the one without, Tang et al. 2020, https://arxiv.org/abs/2004.13705.

    >>> expected_maximum(np.array([0.0, 1.0])).tolist()
    [0.5, 1.0]
    """
    if scores.ndim != 1 or not len(scores) or not np.isfinite(scores).all():
        raise ConfigError(f"Give one finite score a try, at least one: got shape {scores.shape}.")
    ordered, tries = np.sort(scores.astype(np.float64)), len(scores)
    places = np.arange(1, tries + 1)
    curve = []
    chance = np.full(tries, 1 / tries)  # C(j−1, n−1) / C(B, n) at n = 1
    for number in range(1, tries + 1):
        curve.append(float(chance @ ordered))
        if number < tries:  # C(j−1, n) / C(j−1, n−1) = (j − n) / n, and C(B, n) / C(B, n+1) = (n+1) / (B − n)
            chance = chance * np.maximum(places - number, 0) / number * (number + 1) / (tries - number)
    return np.array(curve)
