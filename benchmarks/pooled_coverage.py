"""How often a ranking's pooled intervals cover the truth, and how often they err, where the truth is known.

    python benchmarks/pooled_coverage.py [--repeats 20000]

Data sets whose standard errors differ tenfold, known or resting on few degrees of freedom, and whose true differences
spread by τ around zero. One line a cell, then the least and the most over all.
"""

import argparse
import itertools

import numpy as np

from interfuse.evaluation import pool_differences

DATA_SETS, DEGREES, TAUS = (3, 5, 10, 20), (2, 4, 10, 1e6), (0.0, 0.005, 0.01, 0.02, 0.05)
"""Data sets; degrees of freedom of their standard errors; standard deviation of the true differences."""


def simulate(random: np.random.Generator, data_sets: int, tau: float, df: float, repeats: int) -> np.ndarray:
    """Return, in percent, how often the interval covers, p is below 0.05, and a new data set is covered."""
    outcomes = []
    for _ in range(repeats):
        errors = np.exp(random.uniform(np.log(0.003), np.log(0.03), data_sets))
        deltas = random.normal(0, tau, data_sets) + random.normal(0, errors)
        pooled = pool_differences(deltas, errors * np.sqrt(random.chisquare(df, data_sets) / df))
        new = np.nan
        if pooled.new_low is not None and pooled.new_high is not None:
            new = pooled.new_low <= random.normal(0, tau) <= pooled.new_high
        outcomes.append((pooled.low <= 0 <= pooled.high, pooled.p < 0.05, new))
    return 100 * np.mean(np.array(outcomes, dtype=float), axis=0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=20_000)
    repeats, random = parser.parse_args().repeats, np.random.default_rng(0)
    print("| data sets | df | τ, points | covers | p < 0.05 | covers a new one |\n|---:|---:|---:|---:|---:|---:|")
    cells = []
    for count, df, tau in itertools.product(DATA_SETS, DEGREES, TAUS):
        cells.append(simulate(random, count, tau, df, repeats))
        covers, false, new = cells[-1]
        print(f"| {count} | {df:g} | {100 * tau:g} | {covers:.1f} | {false:.1f} | {new:.1f} |", flush=True)
    least, most = np.nanmin(cells, axis=0), np.nanmax(cells, axis=0)
    print(f"\nover all: {', '.join(f'{low:.1f} to {high:.1f}' for low, high in zip(least, most, strict=True))}")


if __name__ == "__main__":
    main()
