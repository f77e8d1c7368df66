"""Encoders whose tokens are projected, and where their projections come from: train items alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from interfuse.core.outside import make_folder
from interfuse.core.progress import Progress
from interfuse.core.settings import fingerprint
from interfuse.core.tokens import Tokens, TokenTable
from interfuse.encoders import ImageEncoder, TextEncoder
from interfuse.store import (
    SAMPLE_TOKENS,
    Projection,
    TokenStore,
    fit_projection,
    load_projections,
    locked,
    save_projections,
)

FOLDER = "projections"
SAMPLE_ITEMS = {"image": 4_096, "text": 16_384}
"""Train items that a projection is fitted on at most: those whose content hashes sort first, which is a fair draw."""
_CHUNK = 64


class Projected:
    """An encoder whose tokens are projected; everything else is the encoder's own."""

    def __init__(self, encoder: Any, projection: Projection) -> None:
        """Wrap an image or a text encoder."""
        self.encoder, self.projection = encoder, projection
        self.dim = projection.dim
        self.signature: Mapping[str, Any] = {
            **encoder.signature,
            "projection": {"dim": projection.dim, "digest": projection.digest},
        }

    def __getattr__(self, name: str) -> Any:
        """Return what the encoder has."""
        if name == "encoder":  # an instance that is only being made
            raise AttributeError(name)
        return getattr(self.encoder, name)

    def encode(self, prepared: Any) -> Any:
        """Encode and project."""
        tokens = self.encoder.encode(prepared)
        if isinstance(tokens, Tokens):
            return Tokens(self.projection.apply(tokens.tokens), tokens.mask)
        return self.projection.apply(tokens)

    def compute(self, *inputs: Tensor) -> Tensor:
        """Encode and project, as `export` traces it."""
        return self.projection.apply(self.encoder.compute(*inputs))


def project(encoder: Any, projection: Projection | None) -> Any:
    """Wrap an encoder, unless its tokens stay as they are."""
    return encoder if projection is None else Projected(encoder, projection)


@dataclass(frozen=True)
class Sample:
    """What a projection of one modality is fitted on."""

    modality: str
    encoder: ImageEncoder | TextEncoder
    keys: Sequence[str]
    """Of the distinct train items."""
    fill: Callable[[TokenStore, Sequence[str]], Sequence[str]]
    """Encodes these items into a store, and gives those that are there."""


def find_projection(base: TokenStore, sample: Sample, dim: int, progress: Progress) -> Projection | None:
    """Find the projection of these train items in the store, or fit it and keep it there.

    It is named by what decides it: encoder, train items drawn, width. So a study that is started again finds its own,
    and encodes nothing; and rows that are not train rows have no part in it.

    Returns:
        None where the tokens are no wider than `dim`, or there is no train item.
    """
    keys = sorted(sample.keys)[: SAMPLE_ITEMS[sample.modality]]
    if dim >= base.dim or not keys:
        progress.say(f"The {sample.modality} tokens stay {base.dim} wide: store_dim={dim} does not apply to them.")
        return None
    recipe = fingerprint({"encoder": dict(sample.encoder.signature), "keys": keys, "dim": dim, "tokens": SAMPLE_TOKENS})
    path = base.folder.parent / FOLDER / f"{recipe}.safetensors"
    if path.is_file():
        return load_projections(path)[sample.modality]
    there = sample.fill(base, keys)
    if not there:
        return None
    fit = fit_projection(_chunks(base.table(there)), dim)
    make_folder(path.parent)
    with locked(path.parent / ".lock"):  # of several processes all go on with the first one's
        if not path.is_file():
            save_projections(path, {sample.modality: fit})
    projection = load_projections(path)[sample.modality]
    progress.say(
        f"The {sample.modality} tokens are kept {dim} instead of {base.dim} wide: principal components of "
        f"{projection.tokens:,} train tokens, {projection.explained:.1%} of their variance."
    )
    return projection


def _chunks(table: TokenTable) -> Iterator[Tensor]:
    for items in torch.arange(len(table)).split(_CHUNK):
        tokens, mask = table.gather(items)
        yield tokens[mask]
