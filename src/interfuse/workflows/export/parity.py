"""Inputs that an exported model is held to: full, padded, one modality missing or both, at several sizes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from interfuse.training import Network

Case = tuple[str, Mapping[str, Tensor]]
"""What kind of input it is, and the input by name."""
INPUT_KINDS = ("full", "padded", "no image", "no text", "neither")
SIZES = ((1, 9, 4), (5, 2, 19), (4, 16, 3))
"""Rows, image tokens (or pictures) and text tokens; none is the size that is traced."""


def largest_difference(answers: Tensor, expected: Tensor) -> float:
    """Return the largest difference, relative where the expected exceeds 1; another shape is infinitely far."""
    if answers.shape != expected.shape:
        return float("inf")
    return float((answers - expected).abs().max() / expected.abs().max().clamp_min(1))


def head_cases(network: Network) -> list[Case]:
    """Draw tokens that spread as the train tokens did."""
    draw = torch.Generator().manual_seed(0)
    cases: list[Case] = []
    for rows, pictures, words in SIZES:
        for kind in INPUT_KINDS:
            feed: dict[str, Tensor] = {}
            for (name, adapter), count in zip(network.adapters.named(), (pictures, words), strict=True):
                values = torch.randn(rows, count, len(adapter.mean), generator=draw)
                feed[name] = values * adapter.std + adapter.mean
                feed[f"{name}_mask"] = _mask(kind, name, rows, count, draw)
            cases.append((kind, feed))
    return cases


def whole_cases(graph: Any, config: Mapping[str, Any]) -> list[Case]:
    """Draw pixels and token numbers."""
    draw = torch.Generator().manual_seed(0)
    cases: list[Case] = []
    size, limit = config["image"]["size"], config["text"]["max_length"]
    words_known = graph.text_encoder.network.get_input_embeddings().num_embeddings
    mean, std = (torch.tensor(config["image"][name]).view(3, 1, 1) for name in ("mean", "std"))
    for rows, pictures, words in ((1, 1, 4), (5, 3, min(19, limit)), (4, 4, 3)):
        pixels = (torch.rand(pictures, 3, size, size, generator=draw) * 255 * config["image"]["factor"] - mean) / std
        for kind in INPUT_KINDS:
            picture = torch.randint(pictures, (rows,), generator=draw)
            mask = _mask(kind, "image", rows, 1, draw)[:, 0]
            feed = {
                "pixels": pixels,
                "picture": picture.masked_fill(~mask, -1),
                "ids": torch.randint(words_known, (rows, words), generator=draw),
                "ids_mask": _mask(kind, "text", rows, words, draw),
            }
            cases.append((kind, feed))
    return cases


def _mask(kind: str, name: str, rows: int, count: int, draw: torch.Generator) -> Tensor:
    """Return which tokens are real; where a modality is missing, it is in every other row and the first."""
    mask = torch.ones(rows, count, dtype=torch.bool)
    if kind == "padded":
        lengths = torch.randint(1, count + 1, (rows, 1), generator=draw)
        return torch.arange(count) < lengths
    if kind in (f"no {name}", "neither"):
        mask[::2] = False
    return mask
