"""What a fusion computes of one modality alone, computed once an item instead of once a pair."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from interfuse.core.modalities import MODALITIES, Modalities
from interfuse.core.tokens import Tokens
from interfuse.nn import Attention
from interfuse.training import Network

PROBED = 6
"""Items of either modality that tell which layers see one modality alone."""
ITEMS = 128
"""Items a pass."""
Site = tuple[tuple[str, int], ...]
"""A block's name, and which of its calls it is, within the calls of the blocks around it, outermost first."""
Call = Callable[[Site, Callable[[], Any]], Any]
"""Called instead of a block, with what the block would do."""


@dataclass
class Shared:
    """Answers of blocks by item: of the calls that see the image alone, or the text alone."""

    kinds: dict[Site, str] = field(default_factory=dict)
    answers: dict[Site, tuple[Tensor, ...]] = field(default_factory=dict)
    places: dict[Site, tuple[int, ...]] = field(default_factory=dict)
    """Axis of the text's places in each answer about texts; 0 where there is none."""

    @contextmanager
    def instead(self, network: Network, items: Modalities[Tensor], width: int) -> Iterator[None]:
        """Let these blocks give their answers for the items of each pair; texts are cut to `width` places."""

        def call(site: Site, compute: Callable[[], Any]) -> Any:
            if site not in self.answers:
                return compute()
            kind = self.kinds[site]
            axes = self.places.get(site, (0,) * len(self.answers[site]))
            found = tuple(
                self._take(part, items.of(kind), axis, width)
                for part, axis in zip(self.answers[site], axes, strict=True)
            )
            return found if len(found) > 1 else found[0]

        with intercepted(network.fusion, call):
            yield

    def _take(self, answer: Tensor, items: Tensor, axis: int, width: int) -> Tensor:
        return (answer.narrow(axis, 0, width) if axis else answer)[items]


@contextmanager
def intercepted(fusion: nn.Module, call: Call) -> Iterator[None]:
    """Put `call` in the place of every block that has parameters, and of every joint projection of an attention."""
    around: list[tuple[Site, dict[str, int]]] = [((), {})]
    taken: list[tuple[nn.Module, str]] = []

    def wrap(name: str, own: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*given: Any, **named: Any) -> Any:
            outer, counts = around[-1]
            counts[name] = counts.get(name, -1) + 1
            site = (*outer, (name, counts[name]))

            def compute() -> Any:
                around.append((site, {}))
                try:
                    return own(*given, **named)
                finally:
                    around.pop()

            return call(site, compute)

        return instead

    for name, module in fusion.named_modules():
        if module is fusion or next(module.parameters(), None) is None:
            continue
        for method in ("forward", "project") if isinstance(module, Attention) else ("forward",):
            setattr(module, method, wrap(f"{name}.{method}", getattr(module, method)))
            taken.append((module, method))
    try:
        yield
    finally:
        for module, method in taken:
            delattr(module, method)


def share(network: Network, images: Tokens, texts: Tokens) -> Shared:
    """Find the outermost calls that see one modality alone, and answer them for every item.

    A call sees the image alone where its answer stays the same, bit for bit, when every row is given other texts, and
    changes when it is given other images. Few items are probed, so what is found is to be checked on whole pairs.

    Args:
        network: in eval mode.
        images: adapted tokens of the distinct pictures.
        texts: adapted tokens of the distinct texts.
    """
    few, read = (_pick(tokens, torch.arange(min(PROBED, len(tokens.tokens)))) for tokens in (images, texts))
    shared = Shared()
    if len(few.tokens) < 2 or len(read.tokens) < 2:
        return shared
    rows = torch.arange(PROBED)
    first, second = rows % len(few.tokens), rows % len(read.tokens)
    base = _record(network, _pick(few, first), _pick(read, second))
    others = {
        "image": _record(network, _pick(few, first), _pick(read, (second + 1) % len(read.tokens))),
        "text": _record(network, _pick(few, (first + 1) % len(few.tokens)), _pick(read, second)),
    }
    longer = _record(network, _pick(few, first), _pad(_pick(read, second)))
    for site in sorted(base, key=len):
        answer = base[site]
        if any(site[:depth] in shared.kinds for depth in range(1, len(site))):
            continue  # within a block that is answered as a whole
        same = [kind for kind, other in others.items() if _equal(answer, other.get(site), PROBED)]
        if same == ["image"]:
            shared.kinds[site] = "image"
        elif same == ["text"] and (axes := _places(answer, longer.get(site), texts.mask.shape[1])) is not None:
            shared.kinds[site], shared.places[site] = "text", axes
    for kind in MODALITIES:
        shared.answers |= _answer(network, shared.kinds, kind, Modalities(images, texts))
    return shared


def _answer(
    network: Network, kinds: dict[Site, str], kind: str, items: Modalities[Tokens]
) -> dict[Site, tuple[Tensor, ...]]:
    """Answer the calls of one kind for every item of it, beside any item of the other modality."""
    wanted = {site for site, own in kinds.items() if own == kind}
    parts: dict[Site, list[tuple[Tensor, ...]]] = {site: [] for site in wanted}
    if not wanted:
        return {}
    for rows in torch.arange(len(items.of(kind).tokens)).split(ITEMS):
        image, text = (_pick(tokens, rows % len(tokens.tokens)) for tokens in items)
        found = _record(network, image, text, wanted)
        for site in wanted:
            parts[site].append(found[site])
    return {site: tuple(torch.cat(group) for group in zip(*found, strict=True)) for site, found in parts.items()}


def _record(
    network: Network, image: Tokens, text: Tokens, wanted: set[Site] | None = None
) -> dict[Site, tuple[Tensor, ...]]:
    """Run the fusion and keep what its blocks answer: a tensor, or a tuple of them."""
    found: dict[Site, tuple[Tensor, ...]] = {}

    def call(site: Site, compute: Callable[[], Any]) -> Any:
        answer = compute()
        parts = answer if type(answer) is tuple else (answer,)
        if (wanted is None or site in wanted) and all(isinstance(part, Tensor) for part in parts):
            found[site] = parts
        return answer

    with intercepted(network.fusion, call):
        network.fusion(image.tokens, text.tokens, image.mask, text.mask)
    return found


def _equal(first: tuple[Tensor, ...], second: tuple[Tensor, ...] | None, rows: int) -> bool:
    """Whether both are the same, and have a row an item."""
    if second is None or len(first) != len(second):
        return False
    return all(a.shape == b.shape and len(a) == rows and a.equal(b) for a, b in zip(first, second, strict=True))


def _places(answer: tuple[Tensor, ...], longer: tuple[Tensor, ...] | None, width: int) -> tuple[int, ...] | None:
    """Find the axis of the text's places in each part: the one that grew with a padded place, 0 where none did.

    None where it holds more than them, or another thing grew too: the answer then cannot be had without the padding.
    """
    if longer is None or len(longer) != len(answer):
        return None
    found = []
    for part, grown in zip(answer, longer, strict=True):
        if part.dim() != grown.dim():
            return None
        axes = [axis for axis in range(part.dim()) if part.shape[axis] != grown.shape[axis]]
        if axes and (len(axes) > 1 or axes[0] == 0 or part.shape[axes[0]] != width):
            return None
        found.append(axes[0] if axes else 0)
    return tuple(found)


def _pad(tokens: Tokens) -> Tokens:
    """Add a place of padding."""
    return Tokens(
        torch.nn.functional.pad(tokens.tokens, (0, 0, 0, 1)), torch.nn.functional.pad(tokens.mask, (0, 1), value=False)
    )


def _pick(tokens: Tokens, rows: Tensor) -> Tokens:
    rows = rows.to(tokens.mask.device)
    return Tokens(tokens.tokens[rows], tokens.mask[rows])
