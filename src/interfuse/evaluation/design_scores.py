"""What the trainings of one design scored, and how two designs differ."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from interfuse.evaluation.bootstrap import Drawn
from interfuse.evaluation.components import Components, measure_components
from interfuse.evaluation.fold_component import fold_means
from interfuse.evaluation.resplit import Resplit


@dataclass(frozen=True)
class DesignScores:
    """Row scores of one design, seed by seed, in the same order for every design; one may have more seeds."""

    test: Float[np.ndarray, "seeds rows"]
    validation: Float[np.ndarray, "seeds validation_rows"]
    groups: Int[np.ndarray, " rows"]
    """Group of each test row."""
    floor: bool
    """Whether the table calls it a floor instead of judging it."""
    unimodal: bool
    """Whether it sees one modality only."""
    drawn: Drawn | Resplit | None = None
    """What there is on test instead of row scores: a metric that is no mean over rows, or the scores of splits made
    anew; `validation` is then a value a seed."""
    folds: Int[np.ndarray, " rows"] | None = None
    """In which fold each row is a test row; none where there is one split."""
    outside: bool = False
    """Whether it is a floor that no seed changes, as the constant answer and linear models: outside Holm's families,
    unless it is the baseline."""

    @property
    def seeds(self) -> int:
        """How many trainings there are."""
        return len(self.test)

    @cached_property
    def constant(self) -> bool:
        """Whether every training answers alike, as the majority does: it has no luck."""
        if isinstance(self.drawn, Drawn):
            return not np.ptp(self.drawn.draws, axis=1).any()
        return not np.ptp(self.test, axis=0).any()

    @cached_property
    def components(self) -> Components:
        """What the variance of its mean score is made of."""
        return self._over_rows(self.test) if self.drawn is None else self.drawn.components()

    def by_seed(self) -> Float[np.ndarray, " seeds"]:
        """Return each training's score on all test rows."""
        return np.asarray(self.test.mean(1) if self.drawn is None else self.drawn.own)

    def minus(self, other: "DesignScores") -> Components:
        """Return what the variance of the difference is made of, row by row and by the seeds that both have."""
        seeds = min(self.seeds, other.seeds)
        if isinstance(self.drawn, Drawn) and isinstance(other.drawn, Drawn):
            return (self.drawn.first(seeds) - other.drawn.first(seeds)).components()
        if isinstance(self.drawn, Resplit) and isinstance(other.drawn, Resplit):
            return (self.drawn.first(seeds) - other.drawn.first(seeds)).components()
        return self._over_rows(self.test[:seeds] - other.test[:seeds])

    def _over_rows(self, table: Float[np.ndarray, "seeds rows"]) -> Components:
        parts = measure_components(table, self.groups)
        return parts if self.folds is None else replace(parts, folds=fold_means(table, self.folds))

    def beats(self, other: "DesignScores", lower: bool = False) -> float:
        """Return the share of pairs of trainings of which ours scores better on these rows; equal ones count half.

        Args:
            other: the rival.
            lower: the scores are errors.

        Reference:
            Bouthillier et al. 2021, https://arxiv.org/abs/2103.03098, the probability of outperforming, over all k²
            pairs (Mann and Whitney 1947).
        """
        gaps = self.by_seed()[:, None] - other.by_seed()[None]
        return float(((gaps < 0) if lower else (gaps > 0)).mean() + (gaps == 0).mean() / 2)
