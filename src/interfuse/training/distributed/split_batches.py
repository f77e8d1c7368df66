"""Which rows of a step are whose: several processes, and several small batches a step, teach what one batch would."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.core.processes import World
from interfuse.data import Batch, Features, make_batch, plan_epoch


@dataclass(frozen=True)
class Share:
    """What one process computes of a step."""

    batches: tuple[Batch, ...]
    """One after another; their gradients add up."""
    weights: tuple[float, ...]
    """What each batch's mean loss counts: its rows over the step's, times the processes: gradients are averaged."""
    rows: int
    """Of the whole step, over all processes."""


def share_epoch(
    features: Features, design: Design, order: torch.Generator, accumulate: int, world: World
) -> Iterator[Share]:
    """Return this process's share of each step of an epoch; every train row is in one share of one process.

    A step has `batch_size · accumulate · processes` rows, those that one process would take with such a batch size, and
    they are dealt out in turn: rows of like length go to all processes. Where the last step has fewer rows than there
    are processes, a process without a row computes one that counts nothing.

    Args:
        features: the rows.
        design: its batch size and modality dropout.
        order: decides the order, alike in every process.
        accumulate: batches of a process in a step.
        world: which process this is.
    """
    parts = accumulate * world.size
    plan = plan_epoch(
        features, features.splits["train"], design.batch_size * parts, order, modality_dropout=design.modality_dropout
    )
    for rows, dropout in plan:
        places = torch.arange(len(rows))
        slices = [places[part * world.size + world.rank :: parts] for part in range(accumulate)]
        mine = [part for part in slices if len(part)]
        weights = [len(part) * world.size / len(rows) for part in mine]
        if not mine:
            mine, weights = [places[:1]], [0.0]
        batches = [make_batch(features, rows[part], None if dropout is None else dropout[part]) for part in mine]
        yield Share(tuple(batches), tuple(weights), len(rows))


def check_shares(design: Design, accumulate: int, world: World) -> None:
    """Refuse methods that need the whole batch of a step in one place, where it is not.

    Raises:
        ConfigError: the design asks for such a method.
    """
    split = f"accumulate={accumulate} and {world.size} processes split each step's batch"
    if design.contrastive and accumulate * world.size > 1:
        raise ConfigError(
            f"design {design.name!r}: contrastive compares the pairs of a whole batch, and {split}. "
            "Fix: one process with a larger batch_size, or contrastive=0."
        )
    if design.balance == "ogm_ge" and world.size > 1:
        raise ConfigError(
            f"design {design.name!r}: balance=ogm_ge draws noise that must be alike everywhere, and {split}. "
            "Fix: one process, or balance=gradient_blending."
        )
