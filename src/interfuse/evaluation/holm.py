"""Adjusting p values where several questions are asked of the same rows."""

from collections.abc import Sequence

from interfuse.core.errors import ConfigError


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values for their number, step down.

    The i-th smallest of m becomes the largest so far of `(m − i + 1) p_(i)`, at most 1.

    Raises:
        ConfigError: a value is no probability.

    Reference:
        Holm 1979, https://www.jstor.org/stable/4615733.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    for p in p_values:
        if not 0 <= p <= 1:  # written so that NaN fails too
            raise ConfigError(f"A p value is from 0 to 1, got {p}.")
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted
