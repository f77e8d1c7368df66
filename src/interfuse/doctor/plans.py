"""Ways of calling a foreign module: which argument is which modality, in what layout, with which kind of mask."""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from interfuse.doctor.masks import PRESENT, key_of, takes_mask
from interfuse.doctor.names import is_mask, role, stream
from interfuse.doctor.source import arguments, keys_read, words_held

Convention = Callable[[Tensor, torch.dtype], Tensor]
CONVENTIONS: dict[str, Convention] = {
    "True = real": lambda mask, _: mask,
    "True = ignore": lambda mask, _: ~mask,
    "1 = real": lambda mask, _: mask.long(),
    "1.0 = real": lambda mask, dtype: mask.to(dtype),
    "additive (batch, 1, 1, tokens)": lambda mask, dtype: _additive(mask, dtype)[:, None, None, :],
    "True = real (batch, 1, 1, tokens)": lambda mask, _: mask[:, None, None, :],
    "additive": lambda mask, dtype: _additive(mask, dtype),
    "True = real (batch, 1, tokens)": lambda mask, _: mask[:, None, :],
    "True = real (batch, tokens, 1)": lambda mask, _: mask[:, :, None],
    "1.0 = ignore": lambda mask, dtype: (~mask).to(dtype),
    "lengths (batch)": lambda mask, _: mask.sum(1),
}
LAYOUTS = (
    ("tokens", "tokens"),
    ("tokens", "pooled"),
    ("pooled", "tokens"),
    ("pooled", "pooled"),
    ("map", "tokens"),
    ("map", "pooled"),
)
PAIRS = ("inputs", "modalities", "features", "feats", "xs", "x", "batch", "data", "embeddings", "tokens", "input")


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)


@dataclass(frozen=True)
class Plan:
    """One way to call a module."""

    arguments: dict[str, str]
    """Argument -> image, text, or both: merged, list, tuple, dict:IMAGE_KEY:TEXT_KEY, star; or none."""
    masks: dict[str, str] = field(default_factory=dict)
    """Mask argument -> image, text, image+text, text+image, or a container of both."""
    conventions: dict[str, str] = field(default_factory=dict)
    """Mask argument -> key of `CONVENTIONS`."""
    layout: tuple[str, str] = ("tokens", "tokens")
    tokens_first: bool = False
    equal: bool = False

    def call(self, module: nn.Module, image: Tensor, text: Tensor, image_mask: Tensor, text_mask: Tensor) -> Any:
        """Call the module this way."""
        values = {
            "image": self._lay(image, self.layout[0]),
            "text": self._lay(text, self.layout[1]),
        }
        keywords = {name: _pack(source, values) for name, source in self.arguments.items()}
        masks = {"image": image_mask, "text": text_mask}
        for name, source in self.masks.items():
            if name in self.conventions:
                turn = CONVENTIONS[self.conventions[name]]
                _put(keywords, name, _pack_masks(source, masks, turn, image.dtype))
        star = [keywords.pop(name) for name, source in self.arguments.items() if source == "star"]
        if star:
            return module(*star[0])
        first = [n for n, p in arguments(module).items() if p.kind is p.POSITIONAL_ONLY and n in keywords]
        before = [keywords.pop(name) for name in first]
        return module(*before, **keywords)

    def _lay(self, values: Tensor, layout: str) -> Tensor:
        if layout == "pooled":
            return values[:, 0]
        if layout == "map":
            grid: Tensor = values.transpose(1, 2).unflatten(2, (2, -1))
            return grid
        return values.transpose(0, 1) if self.tokens_first else values

    def __str__(self) -> str:
        """Write it as the call that it is."""
        parts = []
        for name, source in self.arguments.items():
            shape = ""
            if source in ("image", "text"):
                layout = self.layout[0 if source == "image" else 1]
                first = "tokens, batch, dim" if self.tokens_first else "batch, tokens, dim"
                shape = {"tokens": f" ({first})", "pooled": " (batch, dim)", "map": " (batch, dim, h, w)"}[layout]
            parts.append(f"{name}={source}{shape}")
        parts += [f"{name}={self.masks[name]} mask, {how}" for name, how in self.conventions.items()]
        return f"forward({', '.join(parts)})"


def _pack(source: str, values: dict[str, Tensor]) -> Any:
    if source == "none":
        return None
    if source in values:
        return values[source]
    pair = [values["image"], values["text"]]
    if source == "list":
        return pair
    if source in ("tuple", "star"):
        return tuple(pair)
    if source == "merged":
        return torch.cat(pair, 1)
    _, image, text = source.split(":")
    return {image: pair[0], text: pair[1]}


def _put(keywords: dict[str, Any], name: str, mask: Any) -> None:
    """Put a mask in its place: an argument of its own, a key of a container, or behind what it belongs to."""
    argument, inside, _ = name.partition("[")
    if not inside:
        keywords[name] = mask
    elif isinstance(keywords[argument], dict):
        keywords[argument][key_of(name)] = mask
    else:
        value = keywords[argument]
        keywords[argument] = (*value, mask) if isinstance(value, tuple) else (value, mask)


def _pack_masks(source: str, masks: dict[str, Tensor], turn: Convention, dtype: torch.dtype) -> Any:
    if "+" in source:
        known = {**masks, PRESENT: torch.ones_like(masks["image"][:, :1])}
        return turn(torch.cat([known[name] for name in source.split("+")], 1), dtype)
    return _pack(source, {name: turn(mask, dtype) for name, mask in masks.items()})


def assignments(module: nn.Module) -> Iterator[dict[str, str]]:
    """Guess which arguments are image and text, the likeliest first; a required unknown one is given None."""
    parameters = arguments(module)
    yield from _starred(module)
    plain = [
        n for n, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and not takes_mask(n, p)
    ]
    needed = [name for name in plain if parameters[name].default is inspect.Parameter.empty]

    def complete(sources: dict[str, str]) -> dict[str, str]:
        return {name: sources.get(name, "none") for name in plain if name in sources or name in needed}

    roles: dict[str, str] = {}
    for name in plain:
        modality = role(name)
        if modality and modality not in roles.values():
            roles[name] = modality
    if len(roles) == 2:
        yield complete(roles)
    yield from _one_named(needed, roles, complete)
    queries = [name for name in plain if stream(name) == "query" and (name in needed or len(needed) < 2)]
    contexts = [name for name in plain if stream(name) == "context" and (name in needed or len(needed) < 2)]
    if queries and contexts:
        for query, context in (("text", "image"), ("image", "text")):
            yield complete({queries[0]: query, **dict.fromkeys(contexts, context)})
    pool = needed if len(needed) >= 2 else plain
    if len(pool) >= 2:
        yield complete({pool[0]: "image", pool[1]: "text"})
        yield complete({pool[0]: "text", pool[1]: "image"})
    if len(needed) == 1 or (needed and needed[0] in PAIRS):
        for source in (*_containers(module), *(["merged"] if len(needed) == 1 else [])):
            yield complete({needed[0]: source})


def _starred(module: nn.Module) -> Iterator[dict[str, str]]:
    """Both as `*args`, or as the keys that forward takes from `**kwargs`."""
    for name, parameter in arguments(module).items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            yield {name: "star"}
        if parameter.kind is parameter.VAR_KEYWORD and len(_keys(module)) == 2:
            yield {key: modality for modality, key in _keys(module).items()}


def _one_named(
    needed: list[str], roles: dict[str, str], complete: Callable[[dict[str, str]], dict[str, str]]
) -> Iterator[dict[str, str]]:
    """One argument says image or text and another required one says nothing: that is the other modality."""
    rest = [name for name in needed if name not in roles]
    if len(roles) == 1 and rest:
        ((name, modality),) = roles.items()
        yield complete({name: modality, rest[0]: "text" if modality == "image" else "image"})


def _keys(module: nn.Module) -> dict[str, str]:
    """Read which constant keys forward takes image and text from."""
    roles = [(role(key), key) for key in keys_read(getattr(type(module), "forward", None)) if not is_mask(key)]
    return {modality: key for modality, key in roles if modality is not None}


def _containers(module: nn.Module) -> Iterator[str]:
    keys = _keys(module)
    if len(keys) == 2:
        yield f"dict:{keys['image']}:{keys['text']}"
    for first, second in words_held(module):
        yield f"dict:{second}:{first}" if role(first) == "text" or role(second) == "image" else f"dict:{first}:{second}"
    yield from ("list", "tuple", "dict:image:text")


def says_tokens(module: nn.Module) -> bool:
    """Return whether the arguments' names say that they are tokens."""
    return bool(re.search(r"token|seq|region|patch|word|length|grid|mask", " ".join(arguments(module)).lower()))


def says_tokens_first(module: nn.Module) -> bool:
    """Return whether the source says (tokens, batch, dim)."""
    try:
        text = inspect.getsource(type(module))
    except (OSError, TypeError):
        return False
    return bool(re.search(r"\((seq\w*|len\w*|num_\w+|tokens|[LTSN]\w{0,2}),\s*(batch\w*|bs|bsz|[BN])\b", text))
