"""Logits of every text with every picture; what depends on one of them alone is computed once an item."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from interfuse.core.modalities import Modalities
from interfuse.core.tokens import Tokens
from interfuse.explain.unimodal_cache import UnimodalCache, fill_cache
from interfuse.training import Adapter, LinearAdapter, Network

TOKENS = 4096
"""Tokens a pass of fusion and head: few enough that what lies between its layers stays in the processor's cache."""
CHECKED = 24
"""Pairs that are computed whole and compared."""
ADAPTED = 256
"""Items a pass of an adapter."""


@torch.inference_mode()
def pair_logits(
    network: Network,
    image: Tokens,
    text: Tokens,
    on_step: Callable[[int], None] | None = None,
    pairs: int | None = None,
) -> Float[Tensor, "texts images classes"]:
    """Compute `L[i, j]`, the logits of text i with image j, in eval mode, in the precision of the tokens.

    The adapters and whatever blocks of the fusion see one modality alone run once an item; the rest of fusion and head
    runs once a pair, in blocks of texts of one length, so that no padding is computed. Some pairs are computed
    whole and compared; where they differ, nothing of the fusion is cached.

    Args:
        network: trained.
        image: tokens of the distinct pictures; a row without any is a missing picture.
        text: tokens of the distinct texts, likewise.
        on_step: callback, called with the number of pairs done since the last call.
        pairs: at most so many at once; none: as many as make 4,096 tokens.
    """
    network.eval()
    images, texts = adapt(network.image_adapter, image), adapt(network.text_adapter, text)
    if network.linear:
        return _add(network, images, texts, on_step)
    cache = fill_cache(network, images, texts)
    table = _fill(network, images, texts, cache, on_step, pairs)
    if cache.answers and not _agrees(network, images, texts, table):
        return _fill(network, images, texts, UnimodalCache(), None, pairs)
    return table


def _add(
    network: Network, images: Tokens, texts: Tokens, on_step: Callable[[int], None] | None
) -> Float[Tensor, "texts images classes"]:
    """Compute the table of a linear model, whose logits are a sum: a bag's rows are too wide to pair them."""
    no_image, no_text = (Tokens(t.tokens.new_zeros(1, 1, t.tokens.shape[2]), t.mask[:1]) for t in (images, texts))
    blank = network.interact(no_image, no_text)
    of_texts = network.interact(Tokens(*(_tile(part, len(texts.tokens)) for part in no_image)), texts)
    of_images = network.interact(images, Tokens(*(_tile(part, len(images.tokens)) for part in no_text)))
    if on_step is not None:
        on_step(len(texts.tokens) * len(images.tokens))
    return of_texts[:, None] + (of_images - blank)[None]


def _fill(
    network: Network,
    images: Tokens,
    texts: Tokens,
    cache: UnimodalCache,
    on_step: Callable[[int], None] | None,
    pairs: int | None,
) -> Float[Tensor, "texts images classes"]:
    """Compute the table block by block."""
    table: Tensor | None = None
    pairs = pairs or max(1, TOKENS // (images.mask.shape[1] + texts.mask.shape[1]))
    for rows, columns in _blocks(_lengths(texts), len(images.tokens), pairs):
        width = int(_lengths(texts)[rows[0]])
        one = Tokens(*(_repeat(part[rows, :width], len(columns)) for part in texts))
        other = Tokens(*(_tile(part[columns], len(rows)) for part in images))
        items = Modalities(image=_tile(columns, len(rows)), text=_repeat(rows, len(columns)))
        with cache.instead(network, items, width):
            logits = network.interact(other, one).unflatten(0, (len(rows), len(columns)))
        if table is None:
            table = logits.new_empty(len(texts.tokens), len(images.tokens), logits.shape[-1])
        table[rows[:, None], columns[None]] = logits
        if on_step is not None:
            on_step(len(rows) * len(columns))
    assert table is not None
    return table


def _agrees(network: Network, images: Tokens, texts: Tokens, table: Tensor) -> bool:
    """Whether pairs spread over the table are what the network gives for them as a whole, but for rounding."""
    rows = torch.linspace(0, len(texts.tokens) - 1, CHECKED, device=table.device).round().long()
    columns = torch.linspace(0, len(images.tokens) - 1, CHECKED, device=table.device).round().long().roll(CHECKED // 3)
    one, other = (Tokens(t.tokens[at], t.mask[at]) for t, at in ((texts, rows), (images, columns)))
    error = (network.interact(other, one) - table[rows, columns]).abs().max()
    precision = torch.finfo(table.dtype).eps ** 0.65  # float32: 3e-5, float64: 7e-11; deep networks round more
    return bool(error <= precision * table.abs().max().clamp_min(1.0))


def adapt(adapter: Adapter | LinearAdapter, tokens: Tokens) -> Tokens:
    """Run an adapter over items, some at a time."""
    parts = [adapter(*pair) for pair in zip(tokens.tokens.split(ADAPTED), tokens.mask.split(ADAPTED), strict=True)]
    return Tokens(torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts]))


def _lengths(texts: Tokens) -> Tensor:
    """Return the places up to each text's last real token."""
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
    """Return each row `times` over, one after the other."""
    return values.repeat_interleave(times, 0)


def _tile(values: Tensor, times: int) -> Tensor:
    """Return all rows, then all again."""
    return values.repeat(times, *(1 for _ in values.shape[1:]))
