"""A difference of two designs as it is judged: its interval, its p values, and what it would take to decide it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import scipy

from interfuse.core.tasks import lowest_score
from interfuse.evaluation.components import Components
from interfuse.evaluation.design_scores import DesignScores
from interfuse.evaluation.holm import holm
from interfuse.evaluation.intervals import Interval, variation
from interfuse.evaluation.seed_spread import SeedSpread

ALPHA = 0.05
"""Share of studies with nothing to find in which something is said nevertheless, at most, for each question."""
LEVEL = 1 - ALPHA
"""Of an interval."""
UNBOUNDED = (-math.inf, math.inf)
NOTHING_KNOWN = SeedSpread(0.0, 0.0)


def judge(
    delta: float,
    p: float,
    margin: float,
    lower: bool = False,
    p_equal: float = 1.0,
    p_beyond: float = 1.0,
    alpha: float = ALPHA,
) -> str:
    """Return the word for a difference: what is sure of it, and whether it matters.

    `wins` or `loses`: there is a difference, and what was measured lies above the margin; `surely`: the difference
    itself does. `equal`: it lies within the margin. `small`: there is one, measured within the margin.

    Args:
        delta: the difference, a fraction.
        p: that there is none, adjusted for the family.
        margin: smallest difference that matters, a fraction.
        lower: the score is an error, less of it is better.
        p_equal: that the difference reaches the margin, adjusted.
        p_beyond: that it does not go beyond the margin, adjusted.
        alpha: of the family.

    >>> judge(0.02, 0.001, margin=0.01), judge(-0.02, 0.001, margin=0.01), judge(0.005, 0.001, margin=0.01)
    ('wins', 'loses', 'small')
    >>> judge(0.02, 0.2, margin=0.01), judge(0.001, 0.9, margin=0.01, p_equal=0.01)
    ('no evidence', 'equal')
    """
    if p < alpha and abs(delta) > margin:
        word = "wins" if (delta > 0) != lower else "loses"
        return f"surely {word}" if p_beyond < alpha else word
    if p_equal < alpha and margin > 0:
        return "equal"
    return "small" if p < alpha else "no evidence"


@dataclass(frozen=True)
class Rules:
    """What a study's contrasts are judged by."""

    margin: float = 0.01
    """Smallest difference worth a verdict, fraction 0 to 1, set before the study."""
    task: str = "multiclass"
    lower: bool = False
    """The scores are errors: less is better, and there is no upper bound."""
    alpha: float = ALPHA
    """The p value below which a difference is sure."""
    spread: SeedSpread = field(default=NOTHING_KNOWN)
    """What all designs of the study tell of how much trainings differ."""

    @property
    def goal(self) -> float:
        """The difference that a study should be able to see: one margin, or a point where there is none."""
        return self.margin or 0.01

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and largest value of a score."""
        return (0.0, math.inf) if self.lower else (lowest_score(self.task), 1.0)

    @property
    def difference_bounds(self) -> tuple[float, float]:
        """Least and largest value of a difference of two scores."""
        lowest, highest = self.bounds
        return lowest - highest, highest - lowest

    def variation(self, entry: DesignScores) -> float:
        """Return how much a score of this design's mean varies, see `intervals.variation`; 0 of a constant answer.

        Between two bounds the mean is drawn to their middle by four groups, as Agresti and Coull do: that all rows of a
        few were right does not say that no training can differ.

        Reference:
            Agresti and Coull 1998, https://doi.org/10.1080/00031305.1998.10480550.
        """
        if entry.constant:
            return 0.0
        parts, (lowest, highest) = entry.components, self.bounds
        mean = parts.mean
        if math.isfinite(lowest) and math.isfinite(highest):
            mean = (parts.groups * mean + 2 * (lowest + highest)) / (parts.groups + 4)
        return variation(mean, lowest, highest)

    def own(self, entry: DesignScores) -> Interval:
        """Return the interval of a design's own score."""
        parts = self.spread.moderate(entry.components, self.variation(entry))
        return parts.interval(LEVEL, *(self.bounds if _is_bounded(entry, parts, self.bounds) else UNBOUNDED))

    def contrast(self, first: DesignScores, second: DesignScores) -> "Difference":
        """Return how the first differs from the second."""
        components = self.spread.moderate(first.minus(second), self.variation(first) + self.variation(second))
        bounds = self.difference_bounds if _is_bounded(first, components, self.difference_bounds) else UNBOUNDED
        interval = components.interval(LEVEL, *bounds)
        shares = first.drawn is None and self.task != "regression" and not self.lower
        p_equal, p_beyond = _margin_p(interval, self.margin, components.groups if shares else 0)
        return Difference(components, interval, first.beats(second, self.lower), p_equal, p_beyond)

    def judge(self, contrast: "Difference") -> str:
        """Return the verdict on a contrast that is the only one of its family."""
        return self.judge_family([contrast]).words[0]

    def judge_family(self, contrasts: Sequence["Difference"]) -> "Family":
        """Return the verdict on each contrast; p values are adjusted for their number."""
        p_holm = holm([contrast.p for contrast in contrasts])
        equal, beyond = holm([entry.p_equal for entry in contrasts]), holm([entry.p_beyond for entry in contrasts])
        words = [
            judge(contrast.mean, p_holm[i], self.margin, self.lower, equal[i], beyond[i], self.alpha)
            for i, contrast in enumerate(contrasts)
        ]
        return Family(words, p_holm)


@dataclass(frozen=True)
class Family:
    """Verdicts on contrasts that are asked together, in their order."""

    words: Sequence[str]
    p_holm: Sequence[float]


@dataclass(frozen=True)
class Difference:
    """One design minus another."""

    components: Components
    interval: Interval
    beats: float
    """Share of pairs of trainings of which the first design's is the better one."""
    p_equal: float
    """Of two one-sided tests that the difference lies outside ± the margin."""
    p_beyond: float
    """Two-sided, that it lies within."""

    @property
    def mean(self) -> float:
        """The difference, a fraction."""
        return self.interval.mean

    @property
    def p(self) -> float:
        """Two-sided, that there is no difference."""
        return self.interval.p


def _is_bounded(entry: DesignScores, parts: Components, bounds: tuple[float, float]) -> bool:
    """Whether bounds tell what may have been missed where nothing varied: of rows, and of a metric at its bound.

    A metric that never varies is otherwise certain by definition, as an AUC of 0.5 is that of a constant answer.
    """
    return entry.drawn is None or parts.combine()[0] > 0 or parts.mean in bounds


def _margin_p(interval: Interval, margin: float, groups: int) -> tuple[float, float]:
    """Return the p of equality within the margin, and that of a difference beyond it.

    Where two designs rarely differ, the error is estimated from the very rows that decide the estimate. So equality is
    tested with at least the error that a difference of one margin would have if so many rows differed: of 0-or-1 scores
    `√(margin (1 − margin) / groups)`.

    Without any spread a share u of the groups may differ and be missed with probability (1−u)^groups, as `unvaried`
    says.

    Reference:
        Schuirmann 1987, https://doi.org/10.1007/BF01068419, two one-sided tests.
    """
    error, size = interval.standard_error, abs(interval.mean)
    if not math.isfinite(error):
        return 1.0, 1.0
    if error == 0:
        items, past = interval.df + 1, (size - margin) / (1 + size)
        return float((1 - max(0.0, margin - size)) ** items), min(1.0, float(2 * (1 - max(0.0, past)) ** items))
    least = math.sqrt(margin * (1 - margin) / groups) if groups > 1 else 0.0
    p_equal = float(scipy.stats.t.sf((margin - size) / max(error, least), interval.df))
    return p_equal, min(1.0, float(2 * scipy.stats.t.sf((size - margin) / error, interval.df)))
