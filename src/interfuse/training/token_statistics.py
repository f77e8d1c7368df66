"""What is known of the train tokens before training: their mean, their spread, their pooled form."""

import torch
from jaxtyping import Int64
from torch import Tensor

from interfuse.core.tokens import MemoryTable, TokenTable
from interfuse.nn import masked_mean
from interfuse.training.network import ModalitySpec

MAX_ITEMS = 10_000
"""Distinct items that the statistics are taken from at most, evenly spaced among those used in training."""
_CHUNK = 256
_COMPARED = 32
"""Distinct items that are compared at most, evenly spaced."""


def measure(table: TokenTable, items: Int64[Tensor, " rows"]) -> ModalitySpec:
    """Measure mean and standard deviation of each channel over the real tokens of the distinct train items.

    Args:
        table: where the tokens lie.
        items: item of each train row, -1 = missing.
    """
    distinct = items[items >= 0].unique()
    if len(distinct) > MAX_ITEMS:
        distinct = distinct[torch.linspace(0, len(distinct) - 1, MAX_ITEMS).long()]
    count, total, square = (
        0,
        torch.zeros(table.dim, dtype=torch.float64),
        torch.zeros(table.dim, dtype=torch.float64),
    )
    for chunk in distinct.split(_CHUNK):
        tokens, mask = table.gather(chunk)
        values = tokens[mask].double()
        count += len(values)
        total += values.sum(0)
        square += values.square().sum(0)
    mean = total / max(count, 1)
    spread = (square / max(count, 1) - mean.square()).clamp_min(0).sqrt()
    constant = spread <= 1e-6 * mean.abs().clamp_min(1)
    return ModalitySpec(table.dim, table.grid, mean.float(), spread.masked_fill(constant, 1.0).float())


def is_constant(table: TokenTable, items: Int64[Tensor, " rows"]) -> bool:
    """Whether these rows all have the same tokens, but for rounding (1e-5 of the largest), or none.

    Args:
        table: where the tokens lie.
        items: item of each row, -1 = missing; of many distinct ones 32 are compared.
    """
    distinct = items.unique()
    distinct = distinct[torch.linspace(0, len(distinct) - 1, min(len(distinct), _COMPARED)).long()]
    if len(distinct) <= 1 or int(distinct[0]) < 0:  # one item, or some rows with and some without
        return len(distinct) <= 1
    tokens, mask = table.gather(distinct)
    tokens = tokens.where(mask.unsqueeze(-1), tokens.new_zeros(()))
    close = (tokens - tokens[:1]).abs().max() <= 1e-5 * tokens.abs().max()
    return bool(close) and bool((mask == mask[:1]).all())


def pool_table(table: TokenTable) -> MemoryTable:
    """Return every item's mean token, so that pooled designs need not touch the tokens again."""
    parts = [masked_mean(*table.gather(chunk)) for chunk in torch.arange(len(table)).split(_CHUNK)]
    pooled = torch.cat(parts) if parts else torch.zeros(0, table.dim)
    return MemoryTable(pooled.unsqueeze(1), torch.ones(len(pooled), 1, dtype=torch.bool))
