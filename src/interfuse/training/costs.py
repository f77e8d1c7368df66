"""What one network costs: matrix work of a row, time of a row alone, memory of a training step."""

import copy
import statistics
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from interfuse.core.tokens import Tokens
from interfuse.data import Batch, Features, eval_batches
from interfuse.training.network import Network, NetworkOutput

COUNTED = 64
"""Rows that the FLOPs are averaged over, since texts differ in length."""
CALLS = 15
"""Rows that are timed one by one, after three that warm up."""
ADAMW = 2
"""Numbers that the optimiser keeps of each weight."""


def _attention_flops(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any) -> int:
    """Count the two products of an attention: queries by keys, weights by values."""
    batch, heads, queries, width = query
    return 2 * batch * heads * queries * key[2] * (width + value[3])


ON_CPU = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}
"""What torch's counter knows on other devices only, and counts as nothing here."""


def measure_costs(network: Network, features: Features, rows: Tensor, batch_size: int) -> dict[str, float]:
    """Measure a trained network's cost on the CPU, beside nothing but the encoders'.

    `flops`: multiplications and additions of one row's matrix products, forward, mean over rows padded together; each
    row pays for its own picture and text, though in a batch rows that share them share their adapters' work.
    `latency_ms`: median time of a row predicted alone, adapters to logits. `memory_mb`: 10⁶ bytes of tensors alive at
    the peak of a training step in float32: activations, weights, gradients and AdamW's moments, the batch left out.

    Args:
        network: left as it is.
        features: its rows.
        rows: which of them to measure on.
        batch_size: rows of the training step.
    """
    own = copy.deepcopy(network).eval()
    memory = measure_memory(own, features, rows, batch_size)
    own.requires_grad_(False)  # the counter follows gradients through modules, which inference mode has none of
    with torch.inference_mode():
        batches = [*eval_batches(features, rows[:COUNTED], COUNTED)]
        with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
            for batch in batches:
                own(_each(batch.image, batch.image_index), _each(batch.text, batch.text_index))
        flops = counter.get_total_flops() / len(rows[:COUNTED])
        times = []
        for batch in eval_batches(features, rows[: CALLS + 3], 1):
            start = time.perf_counter()
            _forward(own, batch)
            times.append(time.perf_counter() - start)
    return {
        "flops": flops,
        "latency_ms": 1e3 * statistics.median(times[3:] or times),
        "memory_mb": memory / 1e6,
    }


def measure_memory(network: Network, features: Features, rows: Tensor, batch_size: int) -> int:
    """Measure the bytes alive at the peak of one training step; the network's gradients are gone afterwards."""
    weights = [p for p in network.parameters() if p.requires_grad]
    fixed = sum(int(t.nbytes) for t in [*network.state_dict().values(), *(weights * ADAMW)])
    batch = next(iter(eval_batches(features, rows.repeat(-(-batch_size // len(rows)))[:batch_size], batch_size)))
    return fixed + step_peak(network, batch)


def step_peak(network: Network, batch: Batch, besides: frozenset[tuple[int, ...]] = frozenset()) -> int:
    """Measure the bytes of new tensors at the peak of a step, those of some shapes left out; gradients are gone after.

    Args:
        network: left in eval mode.
        batch: of the step.
        besides: shapes that are not counted, such as those of the gradients.
    """
    with torch.random.fork_rng(devices=[]):
        network.train()
        with Tally(besides) as tally:
            _forward(network, batch).square().mean().backward()
        network.zero_grad(set_to_none=True)
        network.eval()
    peak: int = tally.peak
    return peak


class Tally(TorchDispatchMode):
    """Count the bytes of the tensors made while it is entered: how many are alive, and the most there were.

    >>> with Tally() as tally:
    ...     values = torch.zeros(1000) + torch.zeros(1000)
    >>> tally.alive, tally.peak
    (4000, 12000)
    """

    def __init__(self, besides: frozenset[tuple[int, ...]] = frozenset()) -> None:
        """Begin at zero.

        Args:
            besides: shapes of tensors that are not counted.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive, self.peak, self.besides = 0, 0, besides
        self._storages: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation and count what is new in its result."""
        before = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and tuple(leaf.shape) not in self.besides:
                self._count(leaf.untyped_storage(), before)
        return result

    def _count(self, storage: torch.UntypedStorage, before: set[int]) -> None:
        place = storage._cdata
        if place in before or place in self._storages:
            return
        size = storage.nbytes()
        self._storages.add(place)
        self.alive += size
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._free, place, size)

    def _free(self, place: int, size: int) -> None:
        self._storages.discard(place)
        self.alive -= size


def _each(items: Tokens, index: Tensor) -> Tokens:
    """Return every row's own copy of its item."""
    return Tokens(items.tokens[index], items.mask[index])


def _forward(network: Network, batch: Batch) -> Tensor:
    output: NetworkOutput = network(batch.image, batch.text, batch.image_index, batch.text_index)
    return output.logits
