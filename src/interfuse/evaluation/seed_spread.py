"""How much trainings of one design differ: what few seeds of each cannot tell, all designs of a study tell together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy

from interfuse.evaluation.components import Components

MOST_DF = 2.0
"""Trust in the common spread at most: designs do differ, and few seeds cannot show by how much."""


@dataclass(frozen=True)
class SeedSpread:
    """What the designs of a study tell together of how much trainings differ: a prior for each one's own spread."""

    variance: float
    """Typical variance of one training's mean, for a score that varies by 1, see `variation`."""
    df: float
    """How many further trainings this knowledge is worth."""

    def moderate(self, components: Components, varies: float = 1.0) -> Components:
        """Return the components with a spread that is drawn towards what is typical.

        `(df·varies·variance + (k−1)·spread) / (df + k−1)`, with df + k−1 degrees of freedom.

        Args:
            components: of a design, or of a difference of two.
            varies: `variation` of the design's mean, of a difference the sum of both; 0 of a constant answer.
        """
        if components.seeds == 1 or not varies or not self.df:
            return components
        own, typical = components.seeds - 1.0, varies * self.variance
        spread = (self.df * typical + own * components.spread) / (self.df + own)
        return replace(components, spread=spread, df_seeds=self.df + own, typical=typical)


def common_spread(components: Sequence[Components], variations: Sequence[float]) -> SeedSpread:
    """Estimate the spread of trainings that the designs of a study have in common, and how alike they are in it.

    A design that is nearly always right has less room to differ than one that is half right: each spread is taken by
    the variation of its mean, p (1 − p) of an accuracy. A scaled F is fitted to these by the moments of their
    logarithms. Two trainings of one design may agree by chance; its interval would then be far too narrow. We take the
    common spread for worth `MOST_DF` further trainings at most, less what is not known of it: its relative variance
    2/df is that of the designs, and that of an estimate with so many trainings.

    Args:
        components: of every design; those without spread, such as a constant answer, tell nothing here, nor do
            those whose every training has rows of its own.
        variations: how much a score of each one's mean varies, see `Rules.variation`.

    Reference:
        Smyth 2004, https://doi.org/10.2202/1544-6115.1027, section 6.2: limma's squeezeVar.
    """
    varied = [
        (entry.spread / varies, entry.seeds - 1.0)
        for entry, varies in zip(components, variations, strict=True)
        if entry.seeds > 1 and entry.groups > 1 and entry.spread > 0 and varies > 0
    ]
    if len(varied) < 2:
        return SeedSpread(0.0, 0.0)
    spreads, own = np.array(varied).T
    logs = np.log(spreads) - scipy.special.digamma(own / 2) + np.log(own / 2)
    excess = float(logs.var(ddof=1) - scipy.special.polygamma(1, own / 2).mean())
    df = 2 * _inverse_trigamma(excess) if excess > 0 else math.inf
    typical = (
        float(np.average(spreads, weights=own))
        if math.isinf(df)
        else math.exp(logs.mean() + scipy.special.digamma(df / 2) - math.log(df / 2))
    )
    return SeedSpread(typical, 1 / (1 / min(df, MOST_DF) + 1 / float(own.sum())))


def _inverse_trigamma(value: float) -> float:
    """Return x with trigamma(x) = value, above 0."""
    value = min(max(value, 1e-6), 1e6)
    return float(scipy.optimize.brentq(lambda x: scipy.special.polygamma(1, x) - value, 1e-4, 1e7))
