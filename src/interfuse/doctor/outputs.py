"""What a module gave back: its float tensors by name, what their axes mean, and which values are of real tokens."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

Leaves = dict[str, Tensor]
Labels = tuple[str | None, ...]
"""For each axis of a tensor: batch, image, text, merged:FRONT:FIRST, pair (the batch again), loose or None (fixed).

`image:FRONT` and `text:FRONT` are tokens with a few more of the module's own, FRONT of them before, the others behind.
"""
MOST_OWN = 8
"""More tokens of its own than this a module does not put beside those given."""


def leaves(output: Any) -> Leaves:
    """Collect the float tensors of nested tuples, lists, mappings and dataclasses."""
    return {name or "output": value for name, value in _walk(output, "") if value.is_floating_point()}


def _walk(output: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    children: list[tuple[str, Any]] = []
    if isinstance(output, Tensor):
        yield name, output
    elif isinstance(output, Mapping):
        children = [(str(key), value) for key, value in output.items()]
    elif isinstance(output, tuple) and hasattr(output, "_fields"):
        children = list(zip(output._fields, output, strict=True))
    elif isinstance(output, tuple | list):
        children = [(str(i), value) for i, value in enumerate(output)]
    elif dataclasses.is_dataclass(output) and not isinstance(output, type):
        children = [(f.name, getattr(output, f.name)) for f in dataclasses.fields(output)]
    elif hasattr(output, "__dict__") and not isinstance(output, type | torch.nn.Module):
        children = list(vars(output).items())
    for key, value in children:
        yield from _walk(value, f"{name}.{key}" if name else key)


def label(first: Tensor, second: Tensor, sizes: tuple[int, int, int], others: tuple[int, int, int]) -> Labels:
    """Return what each axis is from one tensor at two sizes (batch, image tokens, text tokens)."""
    if first.dim() != second.dim():
        return (None,) * first.dim()
    labels: list[str | None] = []
    for a, b in zip(first.shape, second.shape, strict=True):
        own = [a - size if a - size == b - other and a != b else 0 for size, other in zip(sizes, others, strict=True)]
        front = a - sizes[1] - sizes[2]
        if (a, b) == (sizes[0], others[0]) and "batch" not in labels:
            labels.append("batch")
        elif (a, b) == (sizes[1], others[1]) and sizes[1] != others[1]:
            labels.append("image")
        elif (a, b) == (sizes[2], others[2]) and sizes[2] != others[2]:
            labels.append("text")
        elif 0 <= front <= 4 and b - others[1] - others[2] == front and a != b:
            labels.append(f"merged:{front}:image")
        elif (a, b) == (sizes[0], others[0]) and first.dim() == 2:
            labels.append("pair")
        elif 0 < own[1] <= MOST_OWN or 0 < own[2] <= MOST_OWN:
            labels.append(f"image:{own[1]}" if 0 < own[1] <= MOST_OWN else f"text:{own[2]}")
        else:
            labels.append(None if a == b else "loose")
    return tuple(labels)


def visible(leaf: Tensor, labels: Labels, image_mask: Tensor, text_mask: Tensor) -> list[Tensor]:
    """Take each row's values at real tokens, flat; masks (batch, tokens), True = real."""
    rows = leaf.movedim(labels.index("batch"), 0)
    rest = [mark for mark in labels if mark != "batch"]
    values_by_row: list[Tensor] = []
    for number, (row, image, text) in enumerate(zip(rows, image_mask, text_mask, strict=True)):
        values = row
        for axis, mark in enumerate(rest):
            if mark == "pair":  # image i against text j: a sample's own is i = j
                values = values.narrow(axis, number, 1)
            keep = _keep(mark, row.shape[axis], image, text)
            if keep is not None and len(keep) == row.shape[axis]:
                values = values.index_select(axis, keep.nonzero().flatten())
        values_by_row.append(values.flatten())
    return values_by_row


def _keep(mark: str | None, size: int, image: Tensor, text: Tensor) -> Tensor | None:
    if mark == "image":
        return image
    if mark == "text":
        return text
    if mark in (None, "pair", "loose"):
        return None
    assert mark is not None
    kind, front, *first = mark.split(":")
    parts = [image if kind == "image" else text]
    if kind == "merged":
        parts = [image, text] if first == ["image"] else [text, image]
    own = torch.ones(max(0, size - sum(map(len, parts))), dtype=torch.bool, device=image.device)
    return torch.cat([own[: int(front)], *parts, own[int(front) :]])


def change(first: Tensor, second: Tensor) -> float:
    """Largest difference between two tensors, relative to 1 + their size; inf where one alone is not a number."""
    if first.shape != second.shape:
        return float("inf")
    if not first.numel():
        return 0.0
    a, b = first.detach().double(), second.detach().double()
    same = (a == b) | (a.isnan() & b.isnan())
    gap = ((a - b).abs() / (1 + b.abs())).masked_fill(same, 0.0)
    return float(gap.nan_to_num(nan=torch.inf).max())
