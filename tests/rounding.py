"""Another processor's kernels, imitated: every linear, matmul, convolution and attention output moved by one step.

A pytest plugin: `pytest -p tests.rounding --rounding-seed 0`. A kernel of another processor adds up in another order,
so each number may come out one representable step higher or lower. Which way is a fixed draw from the seed, the shape
and the place in the output: the same call gives the same bytes twice, and another batch gives other last bits, as with
a real kernel. What arithmetic makes exact everywhere stays exact: a zero, a number that is not finite, and a sum of
one product. Child processes compute with the machine's own kernels: a test that asks for a child's very bytes is marked
`processes` and skipped.
"""

import threading
from functools import lru_cache
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
_CONTRACTED = {  # operation -> (argument, axis) whose length is the number of products that are added up
    _aten.mm: (0, -1),
    _aten.bmm: (0, -1),
    _aten.mv: (0, -1),
    _aten.dot: (0, -1),
    _aten.addmm: (1, -1),
    _aten.addmv: (1, -1),
    _aten.baddbmm: (1, -1),
    _aten.linear: (0, -1),
}
_OTHERS = (
    _aten.addbmm,
    _aten.convolution,
    _aten.convolution_backward,
    _aten.mkldnn_linear,
    _aten._scaled_dot_product_flash_attention_for_cpu,
    _aten._scaled_dot_product_flash_attention_for_cpu_backward,
    _aten._native_multi_head_attention,
    _aten._transformer_encoder_layer_fwd,
)


class RoundingSteps(TorchDispatchMode):
    """Moves each output of the named operations by one step up, one down, or not at all."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        operation = func.overloadpacket
        if operation in _CONTRACTED:
            place, axis = _CONTRACTED[operation]
            if args[place].shape[axis] < 2:  # one product is rounded once, the same everywhere
                return result
        elif operation not in _OTHERS:
            return result
        if isinstance(result, Tensor):
            return self._move(result)
        return type(result)(self._move(one) if isinstance(one, Tensor) else one for one in result)

    def _move(self, output: Tensor) -> Tensor:
        if type(output) is not Tensor or not output.is_floating_point() or output.is_meta or output.is_nested:
            return output  # traced, not computed; or of rows of unlike lengths
        steps = _steps(self.seed, tuple(output.shape))
        towards = torch.where(steps > 0, torch.inf, -torch.inf).to(output.dtype)
        still = (steps == 0) | (output == 0) | ~output.isfinite()
        with torch.no_grad():
            output.copy_(torch.where(still, output, torch.nextafter(output, towards)))
        return output


@lru_cache(maxsize=256)
def _steps(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Draw -1, 0 or 1 for each place of an output."""
    draw = torch.Generator().manual_seed(hash((seed, shape)) % 2**63)
    return torch.randint(-1, 2, shape, generator=draw, dtype=torch.int8)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounding-seed", type=int, default=None, help="Move matmul and attention outputs by one step.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what compares this process bit for bit with others, whose outputs are not moved."""
    if config.getoption("--rounding-seed") is not None:
        for item in items:
            if item.get_closest_marker("processes"):
                item.add_marker(pytest.mark.skip(reason="the other processes' outputs are not moved"))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Move in this thread, and in every thread that a test starts."""
    seed = session.config.getoption("--rounding-seed")
    if seed is None:
        return
    RoundingSteps(seed).__enter__()
    run = threading.Thread.run

    def moved(thread: threading.Thread) -> None:
        with RoundingSteps(seed):
            run(thread)

    threading.Thread.run = moved  # type: ignore[method-assign]
