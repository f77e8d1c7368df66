"""What the trainings of one design scored, and how two designs differ."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from interfuse.evaluation.bootstrap import Drawn
from interfuse.evaluation.components import Components, measure_components


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
    drawn: Drawn | None = None
    """A metric that is no mean over rows, on test, instead of the row scores; `validation` is then a value a seed."""

    @property
    def seeds(self) -> int:
        """How many trainings there are."""
        return len(self.test)

    def components(self) -> Components:
        """Return what the variance of its mean score is made of."""
        return measure_components(self.test, self.groups) if self.drawn is None else self.drawn.components()

    def by_seed(self) -> Float[np.ndarray, " seeds"]:
        """Return each training's score on all test rows."""
        return np.asarray(self.test.mean(1) if self.drawn is None else self.drawn.own)

    def minus(self, other: "DesignScores") -> Components:
        """Return what the variance of the difference is made of, row by row and by the seeds that both have."""
        seeds = min(self.seeds, other.seeds)
        if self.drawn is not None and other.drawn is not None:
            return (self.drawn.first(seeds) - other.drawn.first(seeds)).components()
        return measure_components(self.test[:seeds] - other.test[:seeds], self.groups)

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
