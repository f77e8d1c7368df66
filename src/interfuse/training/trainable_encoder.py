"""Encoders inside the network, so that they learn too: what of them learns, and at which rate."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from interfuse.core.errors import ConfigError
from interfuse.core.tokens import Tokens


class TrainableEncoder(nn.Module):
    """One encoder: what was prepared for it comes in, tokens go out.

    It is always in eval mode, whatever the network's: batch norms keep the statistics that they came with, and the
    encoder's own dropout stays off, so that the tokens are those that it gives later.

    Shape:
        pictures (batch, size, 3 · size), row by row of the pixels; texts (batch, tokens, 1), token numbers
        -> (batch, tokens, dim). A missing one has a mask that is all False, in and out.
    """

    def __init__(self, encoder: Any, learning_rate: int | float) -> None:
        """Wrap an encoder, whose parameters are all still frozen.

        Args:
            encoder: gives `compute` and `network`; a text encoder has a `tokenizer`.
            learning_rate: peak of the schedule for its parameters.
        """
        super().__init__()
        self.encoder, self.learning_rate = encoder, learning_rate
        self.is_text = hasattr(encoder, "tokenizer")
        self.network: nn.Module = encoder.network

    def train(self, mode: bool = True) -> "TrainableEncoder":  # noqa: ARG002  (it stays in eval mode)
        """Stay in eval mode."""
        return super().train(False)

    def forward(self, raw: Tokens) -> Tokens:
        """Encode; a missing item is computed on zeros and counts nothing, so that every parameter is used."""
        if self.is_text:
            missing = ~raw.mask.any(1, keepdim=True)
            first = torch.arange(raw.mask.shape[1], device=raw.mask.device) == 0
            attended = raw.mask | (missing & first)  # attention over nothing is NaN, and so is its gradient
            return Tokens(self.encoder.compute(raw.tokens[:, :, 0].long(), attended).float(), raw.mask)
        pixels = raw.tokens.unflatten(2, (3, -1)).transpose(1, 2).contiguous(memory_format=torch.channels_last)
        tokens: Tensor = self.encoder.compute(pixels).float()
        return Tokens(tokens, raw.mask[:, :1].expand(tokens.shape[:2]))


def unfreeze(tower: TrainableEncoder, last: int | None, example: Tokens) -> None:
    """Let an encoder learn: all of it that its tokens depend on, or its last blocks and whatever runs after them.

    Args:
        tower: frozen as yet.
        last: number of blocks, of the list of blocks that holds most of the parameters; none: everything.
        example: something to encode.

    Raises:
        ConfigError: it has fewer blocks.
    """
    if last is None:
        tower.requires_grad_(True)
    else:
        blocks = find_blocks(tower.network)
        if not 1 <= last <= len(blocks):
            raise ConfigError(
                f"unfreeze=last-{last}: {tower.encoder.name} has {len(blocks)} blocks. "
                f"Give last-1 to last-{len(blocks)}, or both."
            )
        after = _run_after(tower, blocks[-1], example)
        for block in blocks[-last:]:
            block.requires_grad_(True)
        for module in after:
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(True)
    _freeze_unused(tower, example)


def find_blocks(network: nn.Module) -> list[nn.Module]:
    """Return the blocks that an encoder is stacked of: the outermost list of modules that holds most parameters."""
    lists = sorted(_outermost(network), key=lambda blocks: -sum(p.numel() for p in blocks.parameters()))
    return list(lists[0]) if lists else []


def checkpoint_blocks(tower: TrainableEncoder) -> Callable[[], None]:
    """Keep no activation inside the blocks (gradient checkpointing): the backward pass computes them again.

    Returns:
        What undoes this.
    """
    blocks = find_blocks(tower.network)
    for block in blocks:
        block.forward = partial(_recomputed, block.forward)

    def undo() -> None:
        for block in blocks:
            del block.forward

    return undo


def _recomputed(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, use_reentrant=False, **kwargs)


def _outermost(module: nn.Module) -> Iterator[nn.ModuleList]:
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            yield child
        else:
            yield from _outermost(child)


def _run_after(tower: TrainableEncoder, block: nn.Module, example: Tokens) -> list[nn.Module]:
    """Return the modules with parameters of their own that begin after this block has ended."""
    ended: list[bool] = []
    after: list[nn.Module] = []
    handles = [block.register_forward_hook(lambda *_: ended.append(True))]
    for module in tower.network.modules():
        if any(True for _ in module.parameters(recurse=False)):
            handles.append(module.register_forward_pre_hook(lambda m, _: after.append(m) if ended else None))
    try:
        with torch.no_grad():
            tower(example)
    finally:
        for handle in handles:
            handle.remove()
    return after


def _freeze_unused(tower: TrainableEncoder, example: Tokens) -> None:
    """Freeze again what no token depends on, such as a pooler: it would get no gradient."""
    tokens = tower(example).tokens
    (tokens * torch.rand_like(tokens)).sum().backward()
    for parameter in tower.parameters():
        if parameter.grad is None:
            parameter.requires_grad_(False)
        parameter.grad = None
