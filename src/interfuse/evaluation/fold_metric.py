"""A metric that is no mean over rows, over folds: of each fold's rows by that fold's network, then averaged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from interfuse.evaluation.bootstrap_metrics import Weighted, mean_defined


@dataclass(frozen=True)
class FoldMetric:
    """The metric of one seed. Pooled over folds it would rank rows by the probabilities of different networks."""

    parts: Sequence[Weighted]
    """The metric of each fold's rows."""
    rows: Sequence[Int[np.ndarray, " _"]]
    """Places of each fold's rows among all."""

    def by_fold(self, weights: Float[np.ndarray, "*draws rows"]) -> Float[np.ndarray, "*draws folds"]:
        """Return the metric of each fold; NaN where it is undefined.

        Args:
            weights: how often each row counts.
        """
        parts = zip(self.parts, self.rows, strict=True)
        return np.stack([part(weights[..., rows]) for part, rows in parts], axis=-1)

    def __call__(self, weights: Float[np.ndarray, "*draws rows"]) -> Float[np.ndarray, " *draws"]:
        """Return the mean over the folds where the metric is defined; NaN where it is in none."""
        return mean_defined(self.by_fold(weights))
