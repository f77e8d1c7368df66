"""How much trainings of one design differ: what few seeds of each cannot tell, all designs of a study tell together."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import scipy

from interfuse.evaluation.components import Components

MOST_DF = 2.0


@dataclass(frozen=True)
class SeedSpread:
    """What the designs of a study tell together of how much trainings differ: a prior for each one's own spread."""

    variance: float
    """Typical variance of one training's mean."""
    df: float
    """How many further trainings this knowledge is worth."""
    most: float
    """Degrees of freedom of all designs together: no spread is known better."""

    def moderate(self, components: Components, sides: int = 1) -> Components:
        """Return the components with a spread that is drawn towards what is typical.

        `(df·sides·variance + (k−1)·spread) / (df + k−1)`, with df + k−1 degrees of freedom.

        Args:
            components: of a design, or of a difference of two.
            sides: how many designs with a spread of their own it is made of; a constant answer has none.
        """
        if components.seeds == 1 or not sides or not self.df:
            return components
        own = components.seeds - 1.0
        spread = (self.df * sides * self.variance + own * components.spread) / (self.df + own)
        df = max(own, min(self.df + own, self.most))
        return replace(components, spread=spread, df_seeds=df, typical=sides * self.variance)


MOST_DF = 2.0
"""Trust in the common spread at most: designs do differ, and few seeds cannot show by how much."""


def common_spread(components: Iterable[Components]) -> SeedSpread:
    """Estimate the spread of trainings that the designs of a study have in common, and how alike they are in it.

    A scaled F is fitted to the designs' spreads by the moments of their logarithms. Two trainings of one design may
    agree by chance; its interval would then be far too narrow. We take the common spread for worth `MOST_DF` further
    trainings at most.

    Args:
        components: of every design; those without spread, such as a constant answer, tell nothing here, nor do
            those whose every training has rows of its own.

    Reference:
        Smyth 2004, https://doi.org/10.2202/1544-6115.1027, section 6.2: limma's squeezeVar.
    """
    varied = [entry for entry in components if entry.seeds > 1 and entry.groups > 1 and entry.spread > 0]
    spreads = np.array([entry.spread for entry in varied])
    if len(spreads) < 2:
        return SeedSpread(0.0, 0.0, 0.0)
    own = np.array([entry.seeds - 1.0 for entry in varied])
    logs = np.log(spreads) - scipy.special.digamma(own / 2) + np.log(own / 2)
    excess = float(logs.var(ddof=1) - scipy.special.polygamma(1, own / 2).mean())
    df = 2 * _inverse_trigamma(excess) if excess > 0 else math.inf
    typical = (
        float(np.average(spreads, weights=own))
        if math.isinf(df)
        else math.exp(logs.mean() + scipy.special.digamma(df / 2) - math.log(df / 2))
    )
    return SeedSpread(typical, min(df, MOST_DF), float(own.sum()))


def _inverse_trigamma(value: float) -> float:
    """Return x with trigamma(x) = value, above 0."""
    value = min(max(value, 1e-6), 1e6)
    return float(scipy.optimize.brentq(lambda x: scipy.special.polygamma(1, x) - value, 1e-4, 1e7))
