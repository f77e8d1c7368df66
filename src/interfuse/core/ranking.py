"""Designs compared over several data sets: what was pooled, how they rank, and what may be said. A report reads it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class DataSet:
    """One study, as a ranking counts it."""

    name: str
    """What tables call it."""
    folder: str
    source: str
    """Of the rows, as the study was given it."""
    rows: int | None
    """Rows that were tested; None where the study does not tell."""
    seeds: int
    baseline: str
    """The design that the others are compared with, by its name in this study."""


@dataclass(frozen=True)
class DataSetDifference:
    """One design minus the baseline on one data set; fractions 0 to 1."""

    delta: float
    low: float
    high: float
    standard_error: float


@dataclass(frozen=True)
class Pooled:
    """Differences of several data sets put together, data sets being random too; fractions 0 to 1."""

    mean: float
    low: float
    high: float
    standard_error: float
    plain: float
    """The unweighted mean over data sets."""
    p: float
    """Two-sided p value of a zero mean: the larger of the weighted and the unweighted mean's."""
    tau: float
    """Standard deviation of the true differences over data sets."""
    q: float
    """Cochran's Q."""
    q_p: float
    """p value of no heterogeneity."""
    i2: float
    """Share of the spread that is heterogeneity, not the data sets' own errors."""
    weights: list[float]
    """Of each data set, adding up to 1."""
    new_low: float | None
    """95 % prediction interval of the true difference on one more data set like these; None below four data sets."""
    new_high: float | None


@dataclass(frozen=True)
class RankedDesign:
    """What the data sets say of one design."""

    design: str
    role: str
    """baseline, floor or contender."""
    scores: list[float]
    """Mean test score on each data set."""
    differences: list[DataSetDifference]
    """From the baseline on each data set; empty for the baseline itself."""
    pooled: Pooled | None
    """None for the baseline."""
    p_holm: float | None
    """Holm-adjusted over the designs that are judged; None for the baseline and floors."""
    ranks: list[float]
    """On each data set, 1 the best; empty for floors, which are not ranked."""
    rank: float | None
    """The average rank."""
    verdict: str
    """The word of the table: wins, loses, no evidence, floor or baseline."""
    sentence: str
    """The verdict as a sentence; empty for the baseline."""


@dataclass(frozen=True)
class RankTest:
    """Whether the designs' ranks differ over data sets."""

    chi_square: float
    """Friedman's."""
    f: float | None
    """Iman and Davenport's; None where every data set ranks the designs alike, and it is infinite."""
    f_p: float
    """p value by the F distribution, which is rough for few data sets."""
    p: float
    """p value by permuting the ranks of each data set."""
    critical_difference: float
    """Nemenyi's, in ranks."""
    groups: list[list[str]]
    """Designs of which the average ranks are not shown to differ, the largest such groups."""


@dataclass(frozen=True)
class RankPair:
    """Two designs over data sets, the signed ranks of their differences."""

    first: str
    second: str
    ranks: float
    """Average rank of the second minus the first's: positive where the first is better."""
    p_holm: float | None
    """Wilcoxon's signed-rank p, Holm-adjusted over all pairs; None where there are too few data sets."""


@dataclass(frozen=True)
class Ranking:
    """Designs compared over several data sets."""

    metric: str
    task: str
    baseline: str
    margin: float
    data_sets: list[DataSet]
    designs: list[RankedDesign]
    """The largest pooled difference for the better first."""
    verdict: str
    details: list[str] = field(default_factory=list)
    test: RankTest | None = None
    """None where fewer than two designs are ranked."""
    pairs: list[RankPair] = field(default_factory=list)
