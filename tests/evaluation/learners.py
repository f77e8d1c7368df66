"""Cheap learners that are trained in truth: their luck with the training set is real, and the truth is known."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm


@dataclass(frozen=True)
class Task:
    """Two classes, normal around opposite means; two designs see features of their own, equally good: a true null."""

    rows: int
    features: int
    distance: float
    """Of each class's mean from the middle."""
    seeds: int = 3
    luck: float = 0.5
    """How unequally a training weighs its rows, 0 to 1: what its seed decides."""


@dataclass(frozen=True)
class Study:
    """Test scores of both designs, and the accuracy that their networks have on all rows there could be."""

    right: np.ndarray
    """(designs, seeds, rows): 1 where right."""
    accuracy: float
    """Mean over all networks of the first design: averaged over many studies, the truth of its own score."""


def draw_rows(task: Task, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels of ±1 and features (designs, rows, features), half of whose variance the designs share."""
    labels = random.choice([-1.0, 1.0], task.rows)
    own, shared = (random.normal(size=(count, task.rows, task.features), scale=np.sqrt(0.5)) for count in (2, 1))
    return labels, own + shared + labels[:, None] * task.distance / np.sqrt(task.features)


def fit(task: Task, inputs: np.ndarray, labels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Fit a ridge regression for each seed, on rows of unequal weight."""
    weights = (1 - task.luck) + task.luck * random.exponential(size=(task.seeds, len(labels)))
    heavy = inputs.T * weights[:, None]
    return np.linalg.solve(heavy @ inputs + np.eye(task.features), heavy @ labels[:, None])[..., 0]


def train(task: Task, inputs: np.ndarray, labels: np.ndarray, test: np.ndarray, random: np.random.Generator) -> Study:
    """Train both designs on the rows that are not tested, and score the others."""
    scores, accuracies = [], []
    for design in inputs:
        networks = fit(task, design[~test], labels[~test], random)
        scores.append((networks @ design[test].T * labels[test] > 0).astype(float))
        margins = networks.sum(1) * task.distance / np.sqrt(task.features)
        accuracies.append(norm.cdf(margins / np.linalg.norm(networks, axis=1)).mean())
    return Study(np.array(scores), float(accuracies[0]))
