"""Slow loops for the statistics, written from the formulas."""

import math


def interval(table: list[list[float]], t_quantile) -> tuple[float, float, float]:  # type: ignore[no-untyped-def]
    """Mean, standard error and degrees of freedom, times the quantile: low and high come from these."""
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
    ms_e /= (k - 1) * (n - 1)
    total = ms_s + ms_i - ms_e
    df = total**2 / (ms_s**2 / (k - 1) + ms_i**2 / (n - 1) + ms_e**2 / ((k - 1) * (n - 1)))
    half = t_quantile(df) * math.sqrt(total / (k * n))
    return mean, mean - half, mean + half


def holm(values: list[float]) -> list[float]:
    """Adjust by the definition: the largest scaled p among all that are not larger."""
    m = len(values)
    ranked = sorted(values)
    out = []
    for p in values:
        scaled = [(m - j) * q for j, q in enumerate(ranked) if q <= p and (q < p or j <= ranked.index(p))]
        out.append(min(1.0, max(scaled)))
    return out
