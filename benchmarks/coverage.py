"""How often intervals cover the truth, and how often studies of equal designs err, over the regimes that people have.

    python benchmarks/coverage.py [--repeats 2000] [--only WORDS]

One line a regime: coverage of a design's own score and of differences, studies with any false wins or loses, and the
mean width of a difference in points. Regimes that miss 91–98.5, 92–98 or 6 % are marked.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("JAXTYPING_DISABLE", "1")

from concurrent.futures import ProcessPoolExecutor

from interfuse.evaluation import Coverage, Regime, measure_coverage

SEEDS, ROWS, ACCURACIES = (2, 3, 5, 10), (100, 1000, 10_000), (0.5, 0.8, 0.97, 0.995)


def regimes() -> list[Regime]:
    """List the grid: every count of seeds and rows at every accuracy, then one thing changed at a time."""
    grid = [Regime(seeds=k, rows=n, accuracy=a) for k in SEEDS for n in ROWS for a in ACCURACIES]
    for k in SEEDS:
        grid += [Regime(seeds=k, groups=groups, rows=rows) for groups, rows in ((10, 1000), (200, 4000))]
        grid += [Regime(seeds=k, groups="uneven", rows=rows) for rows in (300, 1000, 10_000)]
        grid += [Regime(seeds=k, groups="uneven", rows=1000, accuracy=0.97)]
        grid += [Regime(seeds=k, persistence=persistence, common=0.1) for persistence in (0.0, 0.8)]
        grid += [Regime(seeds=k, luck=luck) for luck in (0.0, 0.02, 0.15)]
        grid += [Regime(seeds=k, designs=designs) for designs in (2, 3, 13)]
        grid += [Regime(seeds=k, unlike=unlike, designs=13) for unlike in (0.0, 1.0)]
        grid += [Regime(seeds=k, accuracy=0.6, best=0.97), Regime(seeds=k, collapses=0.1)]
    return grid


def describe(regime: Regime) -> str:
    """Return what differs from the plain regime."""
    plain = Regime()
    own = {name: value for name, value in vars(regime).items() if value != getattr(plain, name)}
    return ", ".join(f"{name} {value}" for name, value in {"seeds": regime.seeds, **own}.items())


def measure(task: tuple[Regime, int]) -> Coverage:
    return measure_coverage(*task)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--only", default="", help="regimes whose description holds this")
    options = parser.parse_args()
    wanted = [regime for regime in regimes() if options.only in describe(regime)]
    print(
        "| regime | own score | difference | any false verdict | width, points |\n|---|---:|---:|---:|---:|", flush=True
    )
    with ProcessPoolExecutor() as pool:
        for regime, kept in zip(
            wanted, pool.map(measure, [(regime, options.repeats) for regime in wanted]), strict=True
        ):
            missed = not 0.91 <= kept.own <= 0.985 or not 0.92 <= kept.difference <= 0.98 or kept.false_verdicts > 0.06
            print(
                f"| {describe(regime)} | {100 * kept.own:.1f} | {100 * kept.difference:.1f} | "
                f"{100 * kept.false_verdicts:.1f} | {100 * kept.width:.1f} |{' missed' if missed else ''}",
                flush=True,
            )


if __name__ == "__main__":
    main()
