"""Slow references of the multimodality measures: loops and searches that share no code with the library."""

import itertools
import math

import numpy as np


def additive_by_least_squares(table: np.ndarray) -> np.ndarray:
    """Fit a(text) + b(image) by least squares, class by class."""
    texts, images, classes = table.shape
    design = np.zeros((texts * images, texts + images))
    for i in range(texts):
        for j in range(images):
            design[i * images + j, i] = design[i * images + j, texts + j] = 1.0
    out = np.zeros_like(table)
    for c in range(classes):
        solution, *_ = np.linalg.lstsq(design, table[:, :, c].reshape(-1), rcond=None)
        out[:, :, c] = (design @ solution).reshape(texts, images)
    return out


def permuted_accuracy(table: np.ndarray, labels: np.ndarray, modality: str) -> float:
    """Average the accuracy over every permutation of one modality's rows."""
    rows, total, count = len(table), 0.0, 0
    for order in itertools.permutations(range(rows)):
        for i in range(rows):
            logits = table[i, order[i]] if modality == "image" else table[order[i], i]
            total += float(int(np.argmax(logits)) == labels[i])
            count += 1
    return total / count


def bits(joint: np.ndarray) -> float:
    """I(first, second; label) by its definition."""
    total = 0.0
    for i, j, y in itertools.product(*map(range, joint.shape)):
        p = joint[i, j, y]
        if p > 0:
            total += p * math.log2(p / (joint[i, j].sum() * joint[:, :, y].sum()))
    return total


def pair_bits(joint: np.ndarray) -> float:
    """Mutual information of two variables."""
    return bits(joint[:, None, :])


def decompose_two_by_two(joint: np.ndarray, steps: int = 150) -> dict[str, float]:
    """Search the two free numbers of a 2 × 2 × 2 distribution on a grid for the least I_Q."""
    assert joint.shape == (2, 2, 2)
    ranges = []
    for y in range(2):
        row, column, mass = joint[0, :, y].sum(), joint[:, 0, y].sum(), joint[:, :, y].sum()
        ranges.append(np.linspace(max(0.0, row + column - mass), min(row, column), steps))
    least = math.inf
    one, two = np.meshgrid(*ranges, indexing="ij")
    q = np.zeros((2, 2, 2, *one.shape))
    for y, t in enumerate((one, two)):
        row, column, mass = joint[0, :, y].sum(), joint[:, 0, y].sum(), joint[:, :, y].sum()
        q[0, 0, y], q[0, 1, y], q[1, 0, y], q[1, 1, y] = t, row - t, column - t, mass - row - column + t
    q = np.clip(q, 0, None)
    pair = q.sum(2)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(q > 0, q * np.log2(q / pair[:, :, None]), 0.0)
    label = joint.sum((0, 1))
    entropy = -sum(p * math.log2(p) for p in label if p > 0)
    least = float(terms.sum((0, 1, 2)).min()) + entropy
    first, second, whole = pair_bits(joint.sum(1)), pair_bits(joint.sum(0)), bits(joint)
    return {
        "redundancy": first + second - least,
        "unique_first": least - second,
        "unique_second": least - first,
        "synergy": whole - least,
    }


def expected_maximum_by_listing(scores: list[float]) -> list[float]:
    """Average the best over every choice of n tries."""
    return [
        sum(max(choice) for choice in itertools.combinations(scores, n)) / math.comb(len(scores), n)
        for n in range(1, len(scores) + 1)
    ]


def calibration_by_loops(probs: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """ECE with 15 bins, negative log-likelihood, Brier score."""
    bins: dict[int, list[tuple[float, float]]] = {}
    nll = brier = 0.0
    for p, y in zip(probs, labels, strict=True):
        confidence = max(p)
        number = next(m for m in range(15) if confidence <= (m + 1) / 15 + 1e-12)
        bins.setdefault(number, []).append((confidence, float(int(np.argmax(p)) == y)))
        nll -= math.log(p[y])
        brier += sum((p[c] - (c == y)) ** 2 for c in range(len(p)))
    ece = sum(abs(sum(r for _, r in b) - sum(c for c, _ in b)) for b in bins.values()) / len(probs)
    return ece, nll / len(probs), brier / len(probs)
