"""What the name of an argument tells: image or text, a mask, and whose."""

import re

IMAGE = frozenset(
    (
        *("image", "images", "img", "imgs", "im", "i", "visual", "visuals", "vision", "vis", "visn", "v"),
        *(
            "picture",
            "pictures",
            "pixel",
            "pixels",
            "video",
            "frame",
            "frames",
            "region",
            "regions",
            "patch",
            "patches",
        ),
        *("grid", "x1", "a1", "m1", "f1", "input1", "modality1", "feat1", "feats1", "left"),
    )
)
TEXT = frozenset(
    (
        *(
            "text",
            "texts",
            "txt",
            "t",
            "language",
            "languages",
            "lang",
            "l",
            "linguistic",
            "s",
            "sentence",
            "sentences",
        ),
        *("caption", "captions", "textual", "question", "questions", "word", "words"),
        *("x2", "a2", "m2", "f2", "input2", "modality2", "feat2", "feats2", "right"),
    )
)
MASK = re.compile(
    r"mask|padding|(^|_)pads?($|_)|valid|lengths?$|(^|_)lens?$|(^|_)(ignored?|keep|kept|real|present|presence|avail\w*)($|_)"
)
ATTENTION_ONLY = ("attn_mask", "tgt_mask", "memory_mask", "src_mask", "head_mask", "causal_mask", "is_causal")
QUERY = ("query", "queries", "q", "tgt", "target", "hidden_states", "x", "inputs_embeds")
CONTEXT = (
    "key", "keys", "k", "value", "values", "kv", "key_value", "context", "ctx", "memory", "mem",
    "encoder_hidden_states", "cond", "condition", "guide", "source", "src", "y", "media", "other",
)  # fmt: skip


def words_of(name: str) -> list[str]:
    """Split a name at underscores, humps and before trailing digits."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")
    split: list[str] = []
    for part in parts:
        stem = re.fullmatch(r"([a-z]{2,})(\d+)", part)
        split += [part, *([stem.group(1)] if stem else [])]
    return [part for part in split if part]


def role(name: str) -> str | None:
    """Return "image" or "text" from a name, or None.

    >>> [role(name) for name in ("visual_feats", "langMask", "x2", "v_dim", "query")]
    ['image', 'text', 'text', 'image', None]
    """
    words = words_of(name)
    image, text = any(word in IMAGE for word in words), any(word in TEXT for word in words)
    if image == text:
        return None
    return "image" if image else "text"


def is_mask(name: str) -> bool:
    """Return whether an argument is a mask over tokens."""
    return bool(MASK.search(name.lower()))


def says_ignore(name: str) -> bool:
    """Return whether a mask's name says that True = ignore, as PyTorch's own `key_padding_mask` does."""
    return bool(re.search(r"key_padding|(^|_)ignored?($|_)", name.lower()))


def says_real(name: str) -> bool:
    """Return whether a mask's name says that True = real."""
    return bool(re.search(r"valid|(^|_)(keep|kept|real|present|presence)($|_)", name.lower()))


def stream(name: str) -> str | None:
    """Return "query" or "context" from a name of attention, or None."""
    if name in CONTEXT or any(name.startswith(f"{word}_") for word in ("encoder", "context", "memory", "key", "media")):
        return "context"
    if name in QUERY or any(name.startswith(f"{word}_") for word in ("query", "tgt", "target")):
        return "query"
    return None
