"""How often intervals of AUC, macro F1, mAP and R² cover the truth, where the truth is known: we made it up.

    python benchmarks/coverage_metrics.py [--repeats 300]

Four equal designs of three trainings; the truth is the mean over many large draws.
"""

import argparse
import os
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("JAXTYPING_DISABLE", "1")

import numpy as np
from scipy.special import expit, softmax

from interfuse.evaluation import (
    DesignScores,
    Resampling,
    Rules,
    compare_designs,
    draw_metric,
    draw_weights,
    example_scores,
    make_metric,
    spread_explained,
    spread_of,
)

DESIGNS, SEEDS, LUCK = 4, 3, 0.1


@dataclass(frozen=True)
class World:
    """Rows of a task, and predictions of a given skill."""

    task: str
    metric: str
    rows: int
    skill: float
    classes: int = 2
    tails: int = 0
    """Degrees of freedom of a regression's numbers and errors; 0: normal."""

    def noise(self, draw: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return draw.standard_t(self.tails, shape) if self.tails else draw.normal(size=shape)

    def draw_labels(self, draw: np.random.Generator, count: int) -> np.ndarray:
        """Draw labels; classes are as unequal as words (1, ½, ⅓, …)."""
        if self.task == "regression":
            return self.noise(draw, (count,))
        if self.task == "multilabel":
            return (draw.random((count, self.classes)) < np.linspace(0.02, 0.4, self.classes)).astype(int)
        if self.task == "matching":
            return (draw.random(count) < 0.3).astype(int)
        shares = 1 / np.arange(1, self.classes + 1)
        return draw.choice(self.classes, count, p=shares / shares.sum())

    def predict(self, draw: np.random.Generator, labels: np.ndarray, hard: np.ndarray) -> np.ndarray:
        """Predict; `hard` is what a design finds hard in every training."""
        skill = self.skill * (1 + LUCK * draw.normal())
        own = hard + 0.5 * self.noise(draw, hard.shape)
        if self.task == "regression":
            return labels[:, None] + 0.4 * own / skill
        if self.task == "multilabel":
            return expit(own + skill * (2 * labels - 1) - 0.7)
        right = np.eye(self.classes)[labels]
        return softmax(own + skill * right, axis=1)

    def hard(self, draw: np.random.Generator, labels: np.ndarray) -> np.ndarray:
        width = 1 if self.task == "regression" else self.classes
        return 0.6 * self.noise(draw, (len(labels), width))

    def value(self, labels: np.ndarray, predictions: np.ndarray) -> float:
        """Return the metric of all rows."""
        if self.task == "regression":
            return float(1 - np.square(predictions[:, 0] - labels).mean() / labels.var())
        return make_metric(self.metric, predictions, labels, self.task)(np.ones(len(labels)))

    def truth(self, draw: np.random.Generator) -> float:
        values = []
        for _ in range(30):
            labels = self.draw_labels(draw, 20_000)
            values.append(self.value(labels, self.predict(draw, labels, self.hard(draw, labels))))
        return float(np.mean(values))

    def study(self, draw: np.random.Generator) -> dict[str, DesignScores]:
        """Draw a study."""
        labels, groups = self.draw_labels(draw, self.rows), np.arange(self.rows)
        weights = draw_weights(groups, Resampling(200, int(draw.integers(1 << 30))))
        none, scores = np.empty((SEEDS, 0)), {}
        for design in range(DESIGNS):
            hard = self.hard(draw, labels)
            every = [self.predict(draw, labels, hard) for _ in range(SEEDS)]
            test, drawn = np.zeros((SEEDS, self.rows)), None
            if self.task == "regression":
                rows = np.stack([example_scores(one, labels, self.task) for one in every])
                test = spread_explained(rows, spread_of(labels))
            else:
                drawn = draw_metric([make_metric(self.metric, p, labels, self.task) for p in every], weights, self.rows)
            scores[f"d{design}"] = DesignScores(test, none, groups, False, False, drawn)
        return scores


WORLDS = (
    World("matching", "AUC", 150, 1.5),
    World("matching", "AUC", 500, 0.7),
    World("multiclass", "macro F1", 300, 2.0, classes=8),
    World("multiclass", "macro F1", 600, 2.0, classes=41),
    World("multilabel", "macro F1", 300, 1.2, classes=10),
    World("multilabel", "mAP", 300, 1.2, classes=10),
    World("regression", "R²", 300, 1.0),
    World("regression", "R²", 300, 1.0, tails=4),
    World("regression", "R²", 3000, 1.0, tails=4),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=300)
    options = parser.parse_args()
    print(
        "| metric | rows | truth | bias, points | own score | difference |\n|---|---:|---:|---:|---:|---:|", flush=True
    )
    for world in WORLDS:
        draw = np.random.default_rng(0)
        truth, own, differences, errors = world.truth(draw), [], [], []
        for _ in range(options.repeats):
            for result in compare_designs(world.study(draw), "d0", Rules(task=world.task)).results:
                own.append(result.mean.low <= truth <= result.mean.high)
                errors.append(result.mean.mean - truth)
                if result.delta:
                    differences.append(result.delta.interval.low <= 0 <= result.delta.interval.high)
        name = f"{world.metric}, {world.task}" + (f", {world.classes} classes" if world.classes > 2 else "")
        name += f", Student's t of {world.tails}" if world.tails else ""
        print(
            f"| {name} | {world.rows:,} | {truth:.3f} | {100 * np.mean(errors):+.1f} | {100 * np.mean(own):.1f} | "
            f"{100 * np.mean(differences):.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
