"""Batches: each distinct picture and text of a batch once, and which of them each row uses."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from interfuse.core.modalities import Modalities
from interfuse.core.tokens import Tokens
from interfuse.data.features import Features

B = TypeVar("B")
SORTED_BATCHES = 32
"""Batches whose rows are sorted by length together."""


@dataclass(frozen=True)
class Batch:
    """Some rows, ready for the network."""

    image: Tokens
    """Of the distinct pictures; a missing one is a row whose mask is all False."""
    text: Tokens
    image_index: Int64[Tensor, " batch"]
    """Row of the batch to row of `image`."""
    text_index: Int64[Tensor, " batch"]
    labels: Tensor
    rows: Int64[Tensor, " batch"]
    """Row numbers in the features."""

    @property
    def tokens(self) -> Modalities[Tokens]:
        """Tokens of the distinct pictures and texts."""
        return Modalities(self.image, self.text)

    @property
    def index(self) -> Modalities[Int64[Tensor, " batch"]]:
        """Row of the batch to row of either tokens."""
        return Modalities(self.image_index, self.text_index)

    def to(self, device: torch.device) -> "Batch":
        """Move what the network needs to a device; the row numbers stay."""
        image, text = (Tokens(t.tokens.to(device), t.mask.to(device)) for t in (self.image, self.text))
        indices = self.image_index.to(device), self.text_index.to(device)
        return Batch(image, text, *indices, self.labels.to(device), self.rows)


def make_batch(
    features: Features, rows: Int64[Tensor, " batch"], dropped: Bool[Tensor, "batch 2"] | None = None
) -> Batch:
    """Collate some rows into a batch.

    Args:
        features: the rows.
        rows: their numbers.
        dropped: True where a row shall go without its picture (first column) or text (second).
    """
    image_items, text_items = features.image_items[rows], features.text_items[rows]
    if dropped is not None:
        image_items = image_items.masked_fill(dropped[:, 0], -1)
        text_items = text_items.masked_fill(dropped[:, 1], -1)
    images, image_index = image_items.unique(return_inverse=True)
    texts, text_index = text_items.unique(return_inverse=True)
    image, text = features.image.gather(images), features.text.gather(texts)
    return Batch(image, text, image_index, text_index, features.labels[rows], rows)


def epoch_batches(
    features: Features,
    rows: Int64[Tensor, " rows"],
    batch_size: int,
    order: torch.Generator,
    modality_dropout: float = 0.0,
) -> Iterator[Batch]:
    """Return the batches of an epoch: every row once, in an order that the generator draws anew, as `plan_epoch` says.

    Args:
        features: the rows.
        rows: numbers of the rows of this epoch.
        batch_size: rows a batch; the last may be smaller.
        order: decides the order and what is dropped, alike for every design with the same seed.
        modality_dropout: fraction of the rows that have both modalities and lose one of them, either as likely.
    """
    for numbers, dropped in plan_epoch(features, rows, batch_size, order, modality_dropout):
        yield make_batch(features, numbers, dropped)


def plan_epoch(
    features: Features,
    rows: Int64[Tensor, " rows"],
    batch_size: int,
    order: torch.Generator,
    modality_dropout: float = 0.0,
) -> Iterator[tuple[Int64[Tensor, " batch"], Bool[Tensor, "batch 2"] | None]]:
    """Return the row numbers of each batch of an epoch, and which rows go without picture or text; no token is touched.

    Within each run of 32 batches the shuffled rows are sorted by the length of their text before they are cut into
    batches, and these are shuffled again: rows of like length share a batch, so that little padding is computed.
    Arguments are those of `epoch_batches`.
    """
    shuffled = rows[torch.randperm(len(rows), generator=order)]
    loses, which = torch.rand(2, len(rows), generator=order)  # drawn always, so that the order stays paired
    items = features.text_items[shuffled]
    lengths = features.text.lengths(items) if len(features.text) else torch.zeros_like(items)
    parts: list[Tensor] = []
    for run in torch.arange(len(rows)).split(batch_size * SORTED_BATCHES):
        parts += run[lengths[run].argsort(stable=True)].split(batch_size)
    for number in torch.randperm(len(parts), generator=order).tolist():
        part = parts[number]
        numbers = shuffled[part]
        if modality_dropout == 0:
            yield numbers, None
            continue
        both = (features.image_items[numbers] >= 0) & (features.text_items[numbers] >= 0)
        drop = both & (loses[part] < modality_dropout)
        image = drop & (which[part] < 0.5)
        yield numbers, torch.stack([image, drop & ~image], 1)


def eval_batches(features: Features, rows: Int64[Tensor, " rows"], batch_size: int) -> Iterator[Batch]:
    """Return the rows in order, in batches, as an evaluation dataloader does."""
    for numbers in rows.split(batch_size):
        if len(numbers):
            yield make_batch(features, numbers)


def ahead(batches: Iterator[B]) -> Iterator[B]:
    """Return the same batches in the same order, each gathered by a thread while the one before it is being used."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, batches, None)
        while (batch := following.result()) is not None:
            following = pool.submit(next, batches, None)
            yield batch
