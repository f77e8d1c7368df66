"""Studies of real trainings in which nothing is better than anything: how often is something declared?

    python benchmarks/null_studies.py [--trainings 300] [--studies 2000] [--pool FOLDER]

For two tasks a pool of trainings of one design is made, each with its own seed, scored on validation and on many test
rows. A study draws trainings without replacement and calls them designs: fusions, two unimodal controls, a baseline;
its test rows are a draw of the pool's. All designs are one, so each "beats", "wins" or "loses" is false. For power the
fusions get a few points more: wrong rows made right, the same in every training, on validation and on test.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("JAXTYPING_DISABLE", "1")

import numpy as np
import torch

from interfuse.evaluation import Confirmation, DesignScores, best_on_validation, compare_designs, list_rivals

TEST_ROWS, VALIDATION_ROWS, TRAIN_ROWS = 6000, 1000, 300
WON = ("Fusion beats",)
SIZES = ((2, 5), (2, 13), (3, 5), (3, 13), (5, 5), (5, 13), (9, 9), (9, 13))
"""Seeds and designs of the studies."""
COLUMNS = {
    "others": "other seeds",
    "fresh": "fresh seeds",
    "same": "same seeds",
    "fixed": "fixed pair",
    "table": "any in table",
    "equal": "equal",
    "bias": "bias",
}


@dataclass(frozen=True)
class Pool:
    """Trainings of one design: whether each row was answered rightly, a line a training."""

    validation: np.ndarray
    test: np.ndarray


def make_pool(task: str, trainings: int, folder: Path) -> Pool:
    """Train, or read what was trained before."""
    path = folder / f"{task}-{trainings}.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        features, labels = TASKS[task]()
        cuts = np.cumsum([TRAIN_ROWS, VALIDATION_ROWS])
        right = np.stack([train(features, labels, seed) for seed in range(trainings)])
        np.savez_compressed(path, validation=right[:, cuts[0] : cuts[1]], test=right[:, cuts[1] :])
    stored = np.load(path)
    return Pool(stored["validation"], stored["test"])


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy pictures of digits, each with a noisy vector that tells odd from even."""
    from sklearn.datasets import load_digits

    pictures, numbers = load_digits(return_X_y=True)
    draw = np.random.default_rng(0)
    rows = draw.integers(len(pictures), size=TRAIN_ROWS + VALIDATION_ROWS + TEST_ROWS)
    noisy = pictures[rows] / 16 + draw.normal(scale=0.6, size=(len(rows), pictures.shape[1]))
    text = np.eye(2)[numbers[rows] % 2] + draw.normal(scale=1.0, size=(len(rows), 2))
    return torch.tensor(np.hstack([noisy, text]), dtype=torch.float32), torch.tensor(numbers[rows])


def parity() -> tuple[torch.Tensor, torch.Tensor]:
    """Two modalities of which only the product tells the class: trainings differ much in how far they get."""
    draw = np.random.default_rng(1)
    count = TRAIN_ROWS + VALIDATION_ROWS + TEST_ROWS
    image, text = draw.normal(size=(count, 12)), draw.normal(size=(count, 12))
    score = image[:, 0] * text[:, 0] + 0.7 * image[:, 1] * text[:, 1] + draw.normal(scale=0.3, size=count)
    return torch.tensor(np.hstack([image, text]), dtype=torch.float32), torch.tensor((score > 0).astype(int))


TASKS = {"digits": digits, "parity": parity}


def train(features: torch.Tensor, labels: torch.Tensor, seed: int) -> np.ndarray:
    """Train a small network on the first rows and tell which rows it answers rightly."""
    torch.manual_seed(seed)
    classes = int(labels.max()) + 1
    network = torch.nn.Sequential(
        torch.nn.Linear(features.shape[1], 32), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(32, classes)
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=1e-2)
    for _ in range(12):
        for rows in torch.randperm(TRAIN_ROWS).split(32):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(network(features[rows]), labels[rows]).backward()
            optimiser.step()
    network.eval()
    with torch.no_grad():
        return (network(features).argmax(1) == labels).numpy()


@dataclass(frozen=True)
class Setting:
    """What a study is like."""

    seeds: int
    designs: int
    rows: int = 1000
    gain: float = 0.0
    """Points that the fusions are better, as a fraction."""


def draw_study(pool: Pool, setting: Setting, draw: np.random.Generator) -> tuple[dict[str, DesignScores], Confirmation]:
    """Draw a study, and fresh trainings of the two designs that its validation chooses."""
    rows = draw.integers(pool.test.shape[1], size=setting.rows)
    order = draw.permutation(len(pool.test))
    gifts = [draw.random(size) for size in (pool.validation.shape[1], setting.rows)]

    def make(number: int, unimodal: bool) -> DesignScores:
        mine = order[number * setting.seeds : (number + 1) * setting.seeds]
        parts = [pool.validation[mine].astype(float), pool.test[mine][:, rows].astype(float)]
        if setting.gain and not unimodal and number:
            share = setting.gain / (1 - pool.test.mean())
            parts = [np.maximum(part, gift < share) for part, gift in zip(parts, gifts, strict=True)]
        return DesignScores(parts[1], parts[0], np.arange(setting.rows), False, unimodal)

    names = ["base", "text_only", "image_only", *(f"f{n}" for n in range(setting.designs - 3))]
    scores = {name: make(number, name.endswith("_only")) for number, name in enumerate(names)}
    chosen = [best_on_validation(scores, side) for side in list_rivals(scores, "base")]
    numbers = setting.designs, setting.designs + 1
    plain = replace(setting, gain=setting.gain if chosen[0] != "base" else 0.0)
    fresh = [
        _fresh(pool, plain, order, number, rows, gifts[1], name.endswith("_only"))
        for number, name in zip(numbers, chosen, strict=True)
    ]
    return scores, Confirmation(*fresh)


def _fresh(pool, setting, order, number, rows, gift, unimodal) -> DesignScores:
    mine = order[number * setting.seeds : (number + 1) * setting.seeds]
    test = pool.test[mine][:, rows].astype(float)
    if setting.gain and not unimodal:
        test = np.maximum(test, gift < setting.gain / (1 - pool.test.mean()))
    return DesignScores(test, np.zeros((setting.seeds, 0)), np.arange(setting.rows), False, unimodal)


def measure(pool: Pool, setting: Setting, studies: int, seed: int = 0) -> dict[str, float]:
    """Count what is declared: by the other seeds, by fresh seeds, by all seeds (as it must not be done), of a pair."""
    draw, counts = np.random.default_rng(seed), dict.fromkeys(COLUMNS, 0.0)
    for _ in range(studies):
        scores, confirmation = draw_study(pool, setting, draw)
        comparison = compare_designs(scores, "base")
        rules = comparison.rules
        counts["others"] += comparison.verdict.startswith(WON)
        fresh = rules.contrast(confirmation.fusion, confirmation.control)
        counts["fresh"] += rules.judge(fresh).endswith("wins")
        fusions, controls = list_rivals(scores, "base")
        best = [scores[best_on_validation(scores, names)] for names in (fusions, controls)]
        counts["same"] += rules.judge(rules.contrast(*best)).endswith("wins")
        last = scores[f"f{setting.designs - 4}"] if setting.designs > 3 else scores["base"]
        word = rules.judge(rules.contrast(last, scores["text_only"]))
        counts["equal"] += word == "equal"
        counts["fixed"] += word.endswith("wins")
        words = [result.verdict for result in comparison.results]
        counts["table"] += any(word.endswith(("wins", "loses")) for word in words)
        counts["bias"] += comparison.contrast.mean if comparison.contrast else 0.0
    return {name: count / studies for name, count in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trainings", type=int, default=300)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--pool", type=Path, default=Path("null-pool"))
    options = parser.parse_args()
    print(f"| task | seeds | designs | gain | {' | '.join(COLUMNS.values())} |")
    print("|---|" + "---:|" * (3 + len(COLUMNS)), flush=True)
    for task in TASKS:
        pool = make_pool(task, options.trainings, options.pool)
        means = pool.test.mean(1)
        luck = np.corrcoef(pool.validation.mean(1), means)[0, 1]
        print(
            f"{task}: accuracy {means.mean():.3f} ± {means.std():.3f}, luck on validation and test {luck:.2f}",
            flush=True,
        )
        settings = [Setting(*size, gain=gain) for gain in (0.0, 0.01, 0.03) for size in SIZES]
        with ProcessPoolExecutor() as workers:
            counts = workers.map(measure, repeat(pool), settings, repeat(options.studies))
            for one, shares in zip(settings, counts, strict=True):
                cells = [f"{100 * shares[name]:.1f}" for name in COLUMNS]
                print(
                    f"| {task} | {one.seeds} | {one.designs} | {100 * one.gain:.0f} | {' | '.join(cells)} |", flush=True
                )


if __name__ == "__main__":
    main()
