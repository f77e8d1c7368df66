"""How often a model is called off whose probabilities are right, and found whose logits are half as large again.

    python benchmarks/calibration_verdicts.py [--repeats 200]

Labels are drawn from the probabilities themselves, so the truth is known: models of 2 and of 10 classes, from nowhere
sure (0.5) to nearly always (6). Plain ECE of the model that is right stands beside.
"""

import argparse
import itertools

import numpy as np
from scipy.special import softmax

from interfuse.evaluation import measure_calibration

ROWS, CLASSES, SHARPNESS = (90, 300, 1000, 5000), (2, 10), (0.5, 2.0, 6.0)


def draw(random: np.random.Generator, rows: int, classes: int, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """Return logits, and labels drawn from their softmax."""
    logits = sharpness * random.normal(size=(rows, classes))
    below = softmax(logits, -1).cumsum(1) < random.random((rows, 1))
    return logits, below.sum(1).clip(max=classes - 1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=200)
    repeats, random = parser.parse_args().repeats, np.random.default_rng(0)
    print("| rows | classes | sharpness | plain ECE, points | right, called off | too sure, called off |")
    print("|---:|---:|---:|---:|---:|---:|", flush=True)
    off = {rows: [] for rows in ROWS}
    for rows, classes, sharpness in itertools.product(ROWS, CLASSES, SHARPNESS):
        samples = [draw(random, rows, classes, sharpness) for _ in range(repeats)]
        right = [measure_calibration(*sample, "multiclass") for sample in samples]
        hot = [measure_calibration(1.5 * logits, labels, "multiclass") for logits, labels in samples]
        off[rows] += [one.is_off for one in right]
        ece, false, true = (
            np.mean(one) for one in ([r.ece for r in right], off[rows][-repeats:], [h.is_off for h in hot])
        )
        print(
            f"| {rows} | {classes} | {sharpness:g} | {100 * ece:.1f} | {100 * false:.1f} | {100 * true:.1f} |",
            flush=True,
        )
    print("\nright, called off: " + ", ".join(f"{100 * np.mean(of):.1f} % on {rows} rows" for rows, of in off.items()))


if __name__ == "__main__":
    main()
