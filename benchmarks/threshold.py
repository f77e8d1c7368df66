"""Accuracy of a matching study's designs at the threshold that is best on its validation rows.

python benchmarks/threshold.py STUDY

`compare` calls a pair fitting from a probability of 0.5 on. Here each training has its own threshold, the best of its
validation rows' probabilities there; the interval is that of the comparison, over groups of test rows and seeds.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from interfuse.core.records import read_table
from interfuse.evaluation import mean_interval
from interfuse.workflows import Study


def read(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = read_table(folder / "predictions.parquet")
    table = table.filter(pc.equal(table["split"], split)).sort_by("row")
    probs = table["probs"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)[:, 1]
    return probs, np.array([label[0] for label in table["label"].to_pylist()]), table["group"].to_numpy()


def best_threshold(probs: np.ndarray, labels: np.ndarray) -> float:
    """The probability from which on calling a pair fitting gives the most right answers; the lowest of equals."""
    order = np.argsort(probs, kind="stable")
    wrong = np.concatenate([[0], np.cumsum(labels[order] == 1)]) + np.concatenate(
        [np.cumsum((labels[order] == 0)[::-1])[::-1], [0]]
    )
    apart = np.concatenate([[True], np.diff(probs[order]) > 0, [True]])  # between equal ones no threshold fits
    place = int(np.where(apart, wrong, len(labels) + 1).argmin())
    return float(probs[order][place]) if place < len(probs) else 2.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("study", type=Path)
    study = Study.open(parser.parse_args().study)
    print("| design | accuracy [95 %] | at 0.5 | thresholds |\n|---|---|---|---|")
    for design in study.designs():
        right, plain, thresholds = [], [], []
        for trial in (trial for trial in study.trials() if trial.design.name == design.name):
            thresholds.append(best_threshold(*read(trial.folder, "validation")[:2]))
            probs, labels, groups = read(trial.folder, "test")
            right.append((probs >= thresholds[-1]) == labels)
            plain.append((probs >= 0.5) == labels)
        found = mean_interval(np.array(right, dtype=float), groups)
        print(
            f"| {design.name} | {100 * found.mean:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}] | "
            f"{100 * np.mean(plain):.1f} | {', '.join(f'{value:.2f}' for value in thresholds)} |"
        )


if __name__ == "__main__":
    main()
