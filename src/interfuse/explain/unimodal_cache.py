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
class UnimodalCache:
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
            answers = tuple(
                self._take(part, items.of(kind), axis, width)
                for part, axis in zip(self.answers[site], axes, strict=True)
            )
            return answers if len(answers) > 1 else answers[0]

        with intercepted(network.fusion, call):
            yield

    def _take(self, answer: Tensor, items: Tensor, axis: int, width: int) -> Tensor:
        return (answer.narrow(axis, 0, width) if axis else answer)[items]


@contextmanager
def intercepted(fusion: nn.Module, call: Call) -> Iterator[None]:
    """Put `call` in the place of every block that has parameters, and of every joint projection of an attention."""
    around: list[tuple[Site, dict[str, int]]] = [((), {})]
    methods: list[tuple[nn.Module, str]] = []

    def wrap(name: str, own: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **kwargs: Any) -> Any:
            outer, counts = around[-1]
            counts[name] = counts.get(name, -1) + 1
            site = (*outer, (name, counts[name]))

            def compute() -> Any:
                around.append((site, {}))
                try:
                    return own(*args, **kwargs)
                finally:
                    around.pop()

            return call(site, compute)

        return instead

    for name, module in fusion.named_modules():
        if module is fusion or next(module.parameters(), None) is None:
            continue
        for method in ("forward", "project") if isinstance(module, Attention) else ("forward",):
            setattr(module, method, wrap(f"{name}.{method}", getattr(module, method)))
            methods.append((module, method))
    try:
        yield
    finally:
        for module, method in methods:
            delattr(module, method)


def fill_cache(network: Network, images: Tokens, texts: Tokens) -> UnimodalCache:
    """Find the outermost calls that see one modality alone, and return their answers for every item.

    A call sees the image alone where its answer stays the same, bit for bit, when every row is given other texts, and
    changes when it is given other images. Few items are probed, so what is found is to be checked on whole pairs.

    Args:
        network: in eval mode.
        images: adapted tokens of the distinct pictures.
        texts: adapted tokens of the distinct texts.
    """
    image, text = (_pick(tokens, torch.arange(min(PROBED, len(tokens.tokens)))) for tokens in (images, texts))
    cache = UnimodalCache()
    if len(image.tokens) < 2 or len(text.tokens) < 2:
        return cache
    rows = torch.arange(PROBED)
    first, second = rows % len(image.tokens), rows % len(text.tokens)
    base = _record(network, _pick(image, first), _pick(text, second))
    others = {
        "image": _record(network, _pick(image, first), _pick(text, (second + 1) % len(text.tokens))),
        "text": _record(network, _pick(image, (first + 1) % len(image.tokens)), _pick(text, second)),
    }
    longer = _record(network, _pick(image, first), _pad(_pick(text, second)))
    for site in sorted(base, key=len):
        answer = base[site]
        if any(site[:depth] in cache.kinds for depth in range(1, len(site))):
            continue  # within a block that is answered as a whole
        same = [kind for kind, other in others.items() if _equal(answer, other.get(site), PROBED)]
        if same == ["image"]:
            cache.kinds[site] = "image"
        elif same == ["text"] and (axes := _places(answer, longer.get(site), texts.mask.shape[1])) is not None:
            cache.kinds[site], cache.places[site] = "text", axes
    for kind in MODALITIES:
        cache.answers |= _answer(network, cache.kinds, kind, Modalities(images, texts))
    return cache


def _answer(
    network: Network, kinds: dict[Site, str], kind: str, items: Modalities[Tokens]
) -> dict[Site, tuple[Tensor, ...]]:
    """Return the answers of the calls of one kind for every item of it, beside any item of the other modality."""
    sites = {site for site, own in kinds.items() if own == kind}
    parts: dict[Site, list[tuple[Tensor, ...]]] = {site: [] for site in sites}
    if not sites:
        return {}
    for rows in torch.arange(len(items.of(kind).tokens)).split(ITEMS):
        image, text = (_pick(tokens, rows % len(tokens.tokens)) for tokens in items)
        answers = _record(network, image, text, sites)
        for site in sites:
            parts[site].append(answers[site])
    return {site: tuple(torch.cat(group) for group in zip(*calls, strict=True)) for site, calls in parts.items()}


def _record(
    network: Network, image: Tokens, text: Tokens, sites: set[Site] | None = None
) -> dict[Site, tuple[Tensor, ...]]:
    """Run the fusion and return what its blocks answer: a tensor, or a tuple of them."""
    answers: dict[Site, tuple[Tensor, ...]] = {}

    def call(site: Site, compute: Callable[[], Any]) -> Any:
        answer = compute()
        parts = answer if type(answer) is tuple else (answer,)
        if (sites is None or site in sites) and all(isinstance(part, Tensor) for part in parts):
            answers[site] = parts
        return answer

    with intercepted(network.fusion, call):
        network.fusion(image.tokens, text.tokens, image.mask, text.mask)
    return answers


def _equal(first: tuple[Tensor, ...], second: tuple[Tensor, ...] | None, rows: int) -> bool:
    """Whether both are the same, and have a row an item."""
    if second is None or len(first) != len(second):
        return False
    return all(a.shape == b.shape and len(a) == rows and a.equal(b) for a, b in zip(first, second, strict=True))


def _places(answer: tuple[Tensor, ...], longer: tuple[Tensor, ...] | None, width: int) -> tuple[int, ...] | None:
    """Return the axis of the text's places in each part: the one that grew with a padded place, 0 where none did.

    None where it holds more than them, or another thing grew too: the answer then cannot be had without the padding.
    """
    if longer is None or len(longer) != len(answer):
        return None
    places = []
    for part, other in zip(answer, longer, strict=True):
        if part.dim() != other.dim():
            return None
        axes = [axis for axis in range(part.dim()) if part.shape[axis] != other.shape[axis]]
        if axes and (len(axes) > 1 or axes[0] == 0 or part.shape[axes[0]] != width):
            return None
        places.append(axes[0] if axes else 0)
    return tuple(places)


def _pad(tokens: Tokens) -> Tokens:
    """Add a place of padding."""
    return Tokens(
        torch.nn.functional.pad(tokens.tokens, (0, 0, 0, 1)), torch.nn.functional.pad(tokens.mask, (0, 1), value=False)
    )


def _pick(tokens: Tokens, rows: Tensor) -> Tokens:
    rows = rows.to(tokens.mask.device)
    return Tokens(tokens.tokens[rows], tokens.mask[rows])
