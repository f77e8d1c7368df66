"""Logits of every text with every picture, each adapted once."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from interfuse.core.tokens import Tokens
from interfuse.training.network import Adapter, Network

TOKENS = 4096
"""Tokens a pass of fusion and head: few enough that what lies between its layers stays in the processor's cache."""
ADAPTED = 256
"""Items a pass of an adapter."""


@torch.inference_mode()
def pair_logits(
    network: Network,
    image: Tokens,
    text: Tokens,
    tell: Callable[[int], None] | None = None,
    pairs: int | None = None,
) -> Float[Tensor, "texts images classes"]:
    """Compute `L[i, j]`, the logits of text i with image j, in eval mode, in the precision of the tokens.

    The adapters run once an item; fusion and head run once a pair, in blocks of texts of one length, so that no
    padding is computed.

    Args:
        network: trained.
        image: tokens of the distinct pictures; a row without any is a missing picture.
        text: tokens of the distinct texts, likewise.
        tell: called with the number of pairs done since the last call.
        pairs: at most so many at once; none: as many as make 4,096 tokens.
    """
    network.eval()
    images, texts = adapt(network.image_adapter, image), adapt(network.text_adapter, text)
    table: Tensor | None = None
    pairs = pairs or max(1, TOKENS // (images.mask.shape[1] + texts.mask.shape[1]))
    for rows, columns in _blocks(_lengths(texts), len(images.tokens), pairs):
        width = int(_lengths(texts)[rows[0]])
        one = Tokens(*(_repeat(part[rows, :width], len(columns)) for part in texts))
        other = Tokens(*(_tile(part[columns], len(rows)) for part in images))
        logits = network.interact(other, one).unflatten(0, (len(rows), len(columns)))
        if table is None:
            table = logits.new_empty(len(texts.tokens), len(images.tokens), logits.shape[-1])
        table[rows[:, None], columns[None]] = logits
        if tell is not None:
            tell(len(rows) * len(columns))
    assert table is not None
    return table


def adapt(adapter: Adapter, tokens: Tokens) -> Tokens:
    """Run an adapter over items, some at a time."""
    parts = [adapter(*pair) for pair in zip(tokens.tokens.split(ADAPTED), tokens.mask.split(ADAPTED), strict=True)]
    return Tokens(torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts]))


def _lengths(texts: Tokens) -> Tensor:
    """Places up to each text's last real token."""
    places = torch.arange(1, texts.mask.shape[1] + 1, device=texts.mask.device)
    return (texts.mask * places).amax(1).clamp_min(1)


def _blocks(lengths: Tensor, images: int, pairs: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Cut the table into blocks of texts of one length and some pictures."""
    across = min(images, pairs)
    for length in lengths.unique():
        for rows in (lengths == length).nonzero()[:, 0].split(max(1, pairs // across)):
            for columns in torch.arange(images, device=lengths.device).split(across):
                yield rows, columns


def _repeat(values: Tensor, times: int) -> Tensor:
    """Each row `times` over, one after the other."""
    return values.repeat_interleave(times, 0)


def _tile(values: Tensor, times: int) -> Tensor:
    """All rows, then all again."""
    return values.repeat(times, *(1 for _ in values.shape[1:]))
