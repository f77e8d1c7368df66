"""Known-answer tasks: tokens made so that the best design is known beforehand. No pictures, seconds on one core."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from interfuse.core.errors import DataError, unknown
from interfuse.core.seeds import generator
from interfuse.core.tokens import MemoryTable
from interfuse.data.features import Features

IMAGE_DIM, TEXT_DIM, NOISE = 32, 24, 0.05
COLOURS, SHAPES, OBJECTS, GRID = 8, 4, 5, (4, 4)
CEILING = 0.4961
"""Best accuracy on `binding` of a predictor that knows only which colours and which shapes a picture has."""
PREFIX = "known:"


@dataclass(frozen=True)
class _RawTokens:
    """Raw tokens before projection: image (rows, tokens, channels), text likewise, labels (rows,)."""

    image: Tensor
    text: Tensor
    labels: Tensor
    classes: int
    grid: tuple[int, int] | None = None


def make_known(name: str, seed: int = 0, rows: tuple[int, int, int] | None = None) -> Features:
    """Make a known-answer task.

    Args:
        name: `known:binding`, `known:xor`, `known:additive`, `known:unique_text`, `known:unique_image` or
            `known:redundant`.
        seed: of the rows.
        rows: how many to train, validate and test on; none: 6,000, 1,000, 4,000 for binding, 2,000, 1,000, 4,000 else.

    Raises:
        DataError: the task is not known.
    """
    task = name.removeprefix(PREFIX)
    if task not in TASKS:
        raise DataError(unknown("known-answer task", name, [f"{PREFIX}{known}" for known in TASKS]))
    counts = rows or ((6_000 if task == "binding" else 2_000), 1_000, 4_000)
    total = sum(counts)
    draw = generator(seed, "known", task)
    raw = TASKS[task](total, draw)
    world = generator(0, "known world", task)  # what a colour or a word looks like does not depend on the seed
    image, text = _project(raw.image, IMAGE_DIM, world, draw), _project(raw.text, TEXT_DIM, world, draw)
    items = torch.arange(total)
    bounds = [0, counts[0], counts[0] + counts[1], total]
    return Features(
        MemoryTable(image, torch.ones(image.shape[:2], dtype=torch.bool), raw.grid),
        MemoryTable(text, torch.ones(text.shape[:2], dtype=torch.bool)),
        items,
        items,
        raw.labels,
        "multiclass",
        tuple(str(number) for number in range(raw.classes)),
        items,
        tuple(str(number) for number in range(total)),
        items,
        {part: items[bounds[i] : bounds[i + 1]] for i, part in enumerate(("train", "validation", "test"))},
    )


def _project(values: Tensor, dim: int, world: torch.Generator, draw: torch.Generator) -> Tensor:
    """Return channels in a random orthonormal frame, with a little noise."""
    frame, _ = torch.linalg.qr(torch.randn(dim, dim, generator=world))
    tokens: Tensor = values @ frame[: values.shape[-1]]
    return tokens + NOISE * torch.randn(tokens.shape, generator=draw)


def _binding(rows: int, draw: torch.Generator) -> _RawTokens:
    """Which shape is the <colour> object? Five objects of distinct colours on a 4 × 4 grid; chance 25 %."""
    cells = torch.rand(rows, GRID[0] * GRID[1], generator=draw).argsort(1)[:, :OBJECTS]
    colours = torch.rand(rows, COLOURS, generator=draw).argsort(1)[:, :OBJECTS]
    shapes = torch.randint(SHAPES, (rows, OBJECTS), generator=draw)
    image = torch.zeros(rows, GRID[0] * GRID[1], COLOURS + SHAPES + 1)
    image[:, :, -1] = 1.0  # empty
    row = torch.arange(rows)[:, None]
    image[row, cells, -1] = 0.0
    image[row, cells, colours] = 1.0
    image[row, cells, COLOURS + shapes] = 1.0
    target = torch.randint(OBJECTS, (rows,), generator=draw)
    words = torch.zeros(rows, 6, 5 + COLOURS)  # which, shape, is, the, <colour>, object
    words[:, torch.arange(4), torch.arange(4)] = 1.0
    words[torch.arange(rows), 4, 5 + colours[torch.arange(rows), target]] = 1.0
    words[:, 5, 4] = 1.0
    return _RawTokens(image, words, shapes[torch.arange(rows), target], SHAPES, GRID)


def _bits(rows: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two bits a row; each of the four pairs in exactly a quarter of every four consecutive rows."""
    cells = torch.stack([torch.randperm(4, generator=draw) for _ in range(-(-rows // 4))]).flatten()[:rows]
    return cells // 2, cells % 2


def _one_hot(values: Tensor, classes: int) -> Tensor:
    """Two tokens: the value, and one that is the same in every row, so that attention has something to choose."""
    start = torch.full_like(values, classes)
    return torch.nn.functional.one_hot(torch.stack([start, values], 1), classes + 1).float()


def _xor(rows: int, draw: torch.Generator) -> _RawTokens:
    image, text = _bits(rows, draw)
    return _RawTokens(_one_hot(image, 2), _one_hot(text, 2), image ^ text, 2)


def _additive(rows: int, draw: torch.Generator) -> _RawTokens:
    """Labels drawn from softmax(a(v) + b(t)): a linear head on the concatenation is the best there is."""
    image, text = (torch.randint(8, (rows,), generator=draw) for _ in range(2))
    world = generator(0, "known additive")
    logits = 2.0 * (torch.randn(8, 4, generator=world)[image] + torch.randn(8, 4, generator=world)[text])
    labels = torch.multinomial(logits.softmax(-1), 1, generator=draw).squeeze(1)
    return _RawTokens(_one_hot(image, 8), _one_hot(text, 8), labels, 4)


def _unique(which: str) -> Callable[[int, torch.Generator], _RawTokens]:
    def make(rows: int, draw: torch.Generator) -> _RawTokens:
        """One modality holds the label, blurred for a tenth of the rows; the other is noise."""
        labels, noise = (torch.randint(4, (rows,), generator=draw) for _ in range(2))
        signal = _blur(labels, draw)
        image, text = (noise, signal) if which == "text" else (signal, noise)
        return _RawTokens(_one_hot(image, 4), _one_hot(text, 4), labels, 4)

    return make


def _redundant(rows: int, draw: torch.Generator) -> _RawTokens:
    """Both modalities show the same blurred label, so that either alone tells all."""
    labels = torch.randint(4, (rows,), generator=draw)
    signal = _blur(labels, draw)
    return _RawTokens(_one_hot(signal, 4), _one_hot(signal, 4), labels, 4)


def _blur(labels: Tensor, draw: torch.Generator) -> Tensor:
    other = torch.randint(4, labels.shape, generator=draw)
    return torch.where(torch.rand(labels.shape, generator=draw) < 0.1, other, labels)


TASKS: dict[str, Callable[[int, torch.Generator], _RawTokens]] = {
    "binding": _binding,
    "xor": _xor,
    "additive": _additive,
    "unique_text": _unique("text"),
    "unique_image": _unique("image"),
    "redundant": _redundant,
}
