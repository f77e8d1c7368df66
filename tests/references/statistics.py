"""Slow loops for the statistics, written from the formulas."""

import math


def components(table: list[list[float]]) -> tuple[float, float, float]:
    """Mean squares of the seeds, the items and what is left."""
    k, n = len(table), len(table[0])
    mean = sum(sum(row) for row in table) / (k * n)
    seed_means = [sum(row) / n for row in table]
    item_means = [sum(table[s][i] for s in range(k)) / k for i in range(n)]
    ms_s = n * sum((m - mean) ** 2 for m in seed_means) / (k - 1)
    ms_i = k * sum((m - mean) ** 2 for m in item_means) / (n - 1)
    ms_e = 0.0
    for s in range(k):
        for i in range(n):
            ms_e += (table[s][i] - seed_means[s] - item_means[i] + mean) ** 2
    return ms_s, ms_i, ms_e / ((k - 1) * (n - 1))


def interval(table: list[list[float]]) -> tuple[float, float, float]:
    """Mean, standard error and degrees of freedom; where the variance is not positive, of the larger mean square."""
    k, n = len(table), len(table[0])
    mean = sum(sum(row) for row in table) / (k * n)
    ms_s, ms_i, ms_e = components(table)
    total = ms_s + ms_i - ms_e
    if total <= 1e-9 * max(ms_s, ms_i, ms_e):
        total, df = (ms_s, k - 1) if ms_s >= ms_i else (ms_i, n - 1)
    else:
        df = max(total**2 / (ms_s**2 / (k - 1) + ms_i**2 / (n - 1) + ms_e**2 / ((k - 1) * (n - 1))), min(k, n) - 1)
    variance = total / (k * n)
    return mean, math.sqrt(variance), df


def grouped(table: list[list[float]], groups: list[int]) -> tuple[float, float, float]:
    """Spread over seeds, part of the rows and part of both, with groups: centred row by row, then added up."""
    k, n = len(table), len(table[0])
    mean = sum(sum(row) for row in table) / (k * n)
    seed_means = [sum(row) / n for row in table]
    row_means = [sum(table[s][i] for s in range(k)) / k for i in range(n)]
    by_item = rest = 0.0
    for name in sorted(set(groups)):
        members = [i for i in range(n) if groups[i] == name]
        room = 1 - len(members) / n
        by_item += sum(row_means[i] - mean for i in members) ** 2 / room / n**2
        for s in range(k):
            total = sum(table[s][i] - seed_means[s] - row_means[i] + mean for i in members)
            rest += total**2 / room / n**2 / (k * (k - 1))
    return sum((m - mean) ** 2 for m in seed_means) / (k - 1), by_item, rest


def holm(values: list[float]) -> list[float]:
    """Adjust by the definition: the largest scaled p among all that stand no later in the ranking."""
    ranking = sorted(range(len(values)), key=lambda place: values[place])
    adjusted = {}
    for position, place in enumerate(ranking):
        scaled = [(len(values) - j) * values[other] for j, other in enumerate(ranking) if j <= position]
        adjusted[place] = min(1.0, max(scaled))
    return [adjusted[place] for place in range(len(values))]


def calibration_error(confidence: list[float], right: list[bool], bins: int) -> float:
    """Go through the bins ((m−1)/M, m/M] one by one."""
    error = 0.0
    for m in range(1, bins + 1):
        inside = [(c, r) for c, r in zip(confidence, right, strict=True) if (m - 1) / bins < c <= m / bins]
        if inside:
            accuracy = sum(r for _, r in inside) / len(inside)
            mean_confidence = sum(c for c, _ in inside) / len(inside)
            error += len(inside) / len(right) * abs(accuracy - mean_confidence)
    return error


def macro_f1(labels: list[int], answers: list[int]) -> float:
    """Average F1 over the classes that occur among labels or answers."""
    values = []
    for c in sorted(set(labels) | set(answers)):
        hits = sum(y == c and a == c for y, a in zip(labels, answers, strict=True))
        values.append(2 * hits / (labels.count(c) + answers.count(c)))
    return sum(values) / len(values)


def average_precision(relevant: list[bool], scores: list[float]) -> float:
    """Average the precision at the rank of each relevant row; scores are distinct."""
    ranked = [r for _, r in sorted(zip(scores, relevant, strict=True), reverse=True)]
    precisions = [sum(ranked[: place + 1]) / (place + 1) for place, hit in enumerate(ranked) if hit]
    return sum(precisions) / len(precisions)
