"""Whether the memory holds a training whose encoders learn too: bytes needed, bytes there, what to lower."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from interfuse.core.errors import ConfigError
from interfuse.data import Features, make_batch
from interfuse.training.costs import ADAMW, step_peak
from interfuse.training.distributed import world
from interfuse.training.network import Network, count_parameters

CGROUP = Path("/sys/fs/cgroup")
AHEAD = 2
"""Steps whose batches lie in memory beside the one that is computed: being gathered, and waiting."""


@dataclass(frozen=True)
class Need:
    """Bytes that a training takes beyond what is loaded already."""

    fixed: int
    """Gradients, the optimiser's two moments, the weights of the best epoch, and what any batch takes."""
    a_row: int
    """Activations and inputs of each row of a batch."""

    def of(self, rows: int) -> int:
        """Return the bytes with so many rows a batch."""
        return self.fixed + rows * self.a_row


def measure_need(network: Network, features: Features, rows: Tensor, accumulate: int) -> Need:
    """Measure a step on one row and on two, in float32, without the gradients, and take the rest in proportion.

    The gradients come on top: from the second of several batches on they are there while activations are made.

    Args:
        network: with its towers, ready to learn.
        features: the rows, as the towers take them.
        rows: train rows; those with the longest texts are measured.
        accumulate: batches a step, which are gathered together.
    """
    lengths = features.text.lengths(features.text_items[rows])
    longest = rows[lengths.argsort(descending=True, stable=True)]
    shapes = {tuple(p.shape) for p in network.parameters() if p.requires_grad}
    gradients = frozenset(shapes | {shape[::-1] for shape in shapes})  # some are made transposed
    one, two = (step_peak(network, make_batch(features, longest.repeat(2)[:count]), gradients) for count in (1, 2))
    growth = max(0, two - one)
    weights = sum(int(tensor.nbytes) for tensor in network.state_dict().values())  # there; and once more for the best
    learning = 4 * count_parameters(network)
    buckets = learning if world().size > 1 else 0  # what the processes exchange
    inputs = sum(
        int(part.tokens.nbytes)
        for table, items in zip(features.tables, features.items, strict=True)
        for part in (table.gather(items[longest[:1]]),)
    )
    constant = max(0, one - growth)
    return Need(weights + (1 + ADAMW) * learning + buckets + constant, growth + inputs * (1 + accumulate * AHEAD))


def available_bytes(device: str) -> int:
    """Return the bytes that may still be taken: of the device, or of this machine within the limit of its container."""
    if device != "cpu" and torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    import psutil

    free = int(psutil.virtual_memory().available)
    try:
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        facts = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such limit
        return free
    return min(free, limit - used + int(facts.get("inactive_file", 0)))


def check_memory(need: Need, available: int, batch_size: int, accumulate: int, checkpointing: bool) -> None:
    """Refuse a training that the memory cannot hold.

    Args:
        need: of each process.
        available: bytes for each process.
        batch_size: rows a batch.
        accumulate: batches a step.
        checkpointing: whether activations are computed again already.

    Raises:
        ConfigError: it needs more; the message says how much, and what to lower.
    """
    if need.of(batch_size) <= available:
        return
    fits = (available - need.fixed) // need.a_row if need.a_row else 0
    fixes = []
    if fits >= 1:
        times = accumulate * -(-batch_size // fits)
        smaller = -(-batch_size * accumulate // times)
        fixes.append(f"finetune_batch={smaller}, accumulate={times} (the same rows a step, {_gb(need.of(smaller))})")
    if not checkpointing:
        fixes.append("gradient_checkpointing=True")
    fixes += ["fewer blocks, as unfreeze=last-1", "a smaller image_size=…"]
    raise ConfigError(
        f"Fine-tuning needs {_gb(need.of(batch_size))} and {_gb(available)} are available: {_gb(need.fixed)} for "
        f"gradients, moments and the best weights, {_gb(batch_size * need.a_row)} for the activations of a batch of "
        f"{batch_size} rows. Fix: {'; '.join(fixes)}."
    )


def _gb(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
