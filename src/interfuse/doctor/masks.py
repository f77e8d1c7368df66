"""Which arguments are masks, and whose: from their names where those tell, else guesses to be tried."""

import inspect
from collections.abc import Mapping

from torch import nn

from interfuse.doctor.names import ATTENTION_ONLY, is_mask, role, says_ignore, says_real, stream
from interfuse.doctor.source import arguments, keys_read

SCALARS = (int, float, bool, str)
PRESENT = "one"
"""Part of a joint mask: one token in front that is always real."""


def takes_mask(name: str, parameter: inspect.Parameter) -> bool:
    """Return whether an argument is named like a mask and may hold a tensor."""
    return is_mask(name) and may_be_tensor(parameter)


def may_be_tensor(parameter: inspect.Parameter) -> bool:
    """Return whether neither default nor annotation says that an argument is a number, a word or a flag."""
    if isinstance(parameter.default, SCALARS):
        return False
    annotation = parameter.annotation
    if isinstance(annotation, str):
        parts = {part.strip() for part in annotation.split("|")}
        return bool(parts - {"int", "float", "bool", "str", "None"})
    kinds = set(getattr(annotation, "__args__", (annotation,))) - {type(None)}
    return not kinds <= set(SCALARS)


def mask_sources(module: nn.Module, assignment: dict[str, str]) -> list[dict[str, str]]:
    """Guess whose each mask is; several guesses where one mask may be anyone's, the likeliest first.

    A mask inside a container is named `argument[key]`, or `argument[place]`.
    """
    container = next((s for s in assignment.values() if s in ("list", "tuple") or s.startswith("dict:")), None)
    names = [*_named(module), *_inside(module, assignment)]
    owners: dict[str, str] = {}
    for name in names:
        owner = (container if "[" not in name else None) or role(key_of(name)) or _of_stream(name, assignment)
        if owner:
            owners[name] = owner
    guesses = _complete(owners, [name for name in names if name not in owners], assignment)
    return [*guesses, *_unnamed(module, assignment, guesses[0])]


def key_of(name: str) -> str:
    """Take the key out of `argument[key]`; a plain name is its own key."""
    return name.partition("[")[2].rstrip("]") or name


def contradictions(conventions: dict[str, str]) -> list[str]:
    """List the masks that act against what their name says, or against a sibling that is named alike."""
    senses = {name: "ignore" if "ignore" in how else "real" for name, how in conventions.items()}
    names = []
    for name, sense in senses.items():
        against = says_ignore(key_of(name)) if sense == "real" else says_real(key_of(name))
        twins = [other for other in senses if other != name and _stem(other) == _stem(name)]
        if against or ("pad" in name and sense == "real" and any(senses[twin] == "ignore" for twin in twins)):
            names.append(name)
    return names


def spare_arguments(module: nn.Module, assignment: dict[str, str], masks: dict[str, str]) -> list[dict[str, str]]:
    """List the optional arguments that nothing is known of, taken for masks: all of them, then each alone."""
    parameters = arguments(module)
    spares = [
        name
        for name, p in parameters.items()
        if name not in assignment and name not in masks and p.default is None and may_be_tensor(p) and not is_mask(name)
    ][:4]
    each = [{name: modality} for name in spares for modality in ("image", "text") if role(name) in (None, modality)]
    pairs = [_by_order(spares, order) for order in (("image", "text"), ("text", "image"))] if len(spares) == 2 else []
    return [*[pair for i, pair in enumerate(pairs) if pair not in pairs[:i]], *each]


def _named(module: nn.Module) -> list[str]:
    """List the arguments that are named like masks."""
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    names = [name for name, p in arguments(module).items() if p.kind not in variable and takes_mask(name, p)]
    return [n for n in names if n not in ATTENTION_ONLY or (n == "attn_mask" and "key_padding_mask" not in names)]


def _inside(module: nn.Module, assignment: dict[str, str]) -> list[str]:
    """List the masks that forward takes out of a container of keys, or of its own keywords."""
    keys = list(dict.fromkeys(key for key in keys_read(getattr(type(module), "forward", None)) if is_mask(key)))
    container = next((name for name, source in assignment.items() if source.startswith("dict:")), None)
    if container is not None:
        return [f"{container}[{key}]" for key in keys]
    return [key for key in keys if not set(assignment) & set(arguments(module))]


def _complete(owners: dict[str, str], rest: list[str], assignment: dict[str, str]) -> list[dict[str, str]]:
    """Guess whose the masks are whose name does not tell."""
    if len(rest) == 2 and not owners:
        return [_by_order(rest, order) for order in (("image", "text"), ("text", "image"))]
    if len(rest) == 1:
        if "merged" in assignment.values():
            return [{**owners, rest[0]: f"{front}image+text"} for front in ("", f"{PRESENT}+")]
        alone = [m for m in ("text", "image") if m not in owners.values()]
        joint = [] if owners else ["image+text", "text+image"]
        return [{**owners, rest[0]: owner} for owner in (*alone, *joint)] or [owners]
    return [owners]


def _unnamed(module: nn.Module, assignment: dict[str, str], owners: Mapping[str, str]) -> list[dict[str, str]]:
    """Guess that what is left over are masks: needed arguments, places of `*args`, the second of a pair."""
    parameters = arguments(module)
    spares = [
        n for n, source in assignment.items() if source == "none" and n in parameters and may_be_tensor(parameters[n])
    ]
    if spares and len(spares) <= 2:
        roles = {name: role(name) for name in spares}
        if len(spares) == 1 or None in roles.values() or len(set(roles.values())) < len(spares):
            orders = (("image", "text"), ("text", "image"))
            return [{**owners, **_by_order(spares, order)} for order in orders]
        return [{**owners, **{name: str(owner) for name, owner in roles.items()}}]
    star = next((name for name, source in assignment.items() if source == "star"), None)
    if star is not None:
        return [{f"{star}[2]": "image", f"{star}[3]": "text"}]
    if not owners and sorted(assignment.values()) == ["image", "text"]:
        return [{f"{name}[1]": source for name, source in assignment.items()}]
    return []


def _by_order(names: list[str], order: tuple[str, str]) -> dict[str, str]:
    return {name: role(name) or modality for name, modality in zip(names, order, strict=False)}


def _stem(name: str) -> str:
    """Take the modality out of a name: what is left of `image_padding_mask` and `text_padding_mask` is alike."""
    return "_".join(part for part in key_of(name).split("_") if role(part) is None)


def _of_stream(name: str, assignment: dict[str, str]) -> str | None:
    """Find whose the mask is from the stream that its name belongs to."""
    sources = {stream(argument): source for argument, source in assignment.items() if stream(argument)}
    if len(sources) < 2:
        return None
    for prefix, which in (("key", "context"), ("encoder", "context"), ("memory", "context"), ("context", "context"),
                          ("media", "context"), ("kv", "context"), ("tgt", "query"), ("query", "query"),
                          ("q_", "query"), ("attention_mask", "query")):  # fmt: skip
        if name.startswith(prefix):
            return sources[which]
    return None
