"""How often an interval covers the truth, where the truth is known because we made it up."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from interfuse.core.settings import at_least
from interfuse.evaluation.components import mean_interval


@dataclass(frozen=True)
class Simulation:
    """Two designs scored right or wrong on the same rows, with a known difference between them."""

    seeds: int = 5
    rows: int = 2000
    seed_sd: float = 0.018
    """Standard deviation of a training's accuracy around its design's, fraction 0 to 1."""
    effect: float = 0.0
    """True difference of the two accuracies, fraction."""
    group_rows: int = 1
    """Rows that share a picture: they are of one difficulty, and the designs differ on them alike."""
    spread: float = 0.08
    """Standard deviation, over groups, of the difference between the designs."""

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        at_least("simulation", 1, seeds=self.seeds, rows=self.rows, group_rows=self.group_rows)
        at_least("simulation", 0, seed_sd=self.seed_sd, spread=self.spread)

    def draw(self, random: np.random.Generator) -> tuple[Float[np.ndarray, "seeds rows"], Int[np.ndarray, " rows"]]:
        """Draw one study: the score differences and the group of each row.

        Row i is answered rightly with probability `b_i + u_s ± (effect + v_i) / 2`, b_i its difficulty and v_i uniform
        over groups, u_s normal over the trainings. The ranges keep it within 0 and 1, so that the mean is exact.
        """
        groups = np.arange(self.rows) // self.group_rows
        count = int(groups[-1]) + 1
        ease = random.uniform(0.3, 0.7, count)[groups]
        half_width = self.spread * np.sqrt(3)
        gain = (self.effect + random.uniform(-half_width, half_width, count)[groups]) / 2
        shifts = random.normal(scale=self.seed_sd, size=(2, self.seeds, 1))
        chance = random.random((2, self.seeds, self.rows))
        right = [chance[0] < ease + gain + shifts[0], chance[1] < ease - gain + shifts[1]]
        return right[0].astype(np.float64) - right[1], groups


def measure_coverage(simulation: Simulation, repeats: int = 10_000, grouped: bool = True, seed: int = 0) -> float:
    """Return the share of 95 % intervals that cover the true difference.

    Args:
        simulation: how a study is drawn.
        repeats: studies drawn; the standard error of the answer is about `0.22 / √repeats`.
        grouped: whether the interval is told the groups.
        seed: of the draws.
    """
    at_least("coverage", 1, repeats=repeats)
    random, covered = np.random.default_rng(seed), 0
    for _ in range(repeats):
        scores, groups = simulation.draw(random)
        interval = mean_interval(scores, groups if grouped else None)
        covered += interval.low <= simulation.effect <= interval.high
    return covered / repeats
