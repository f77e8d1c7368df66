"""Changes to a file that a fault or a stranger could make: to its values, its names, its bytes."""

import json
import random
import struct
from copy import deepcopy
from typing import Any

DEEP = "[" * 20_000
JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.5, 1e308, -1e308, 10**6, 10**7, 10**12, 2**31, 2**63, 10**400),
    *("", "x", " ", "x" * 100_000, "../../../etc/passwd", "/etc/passwd", "~", "known:xor", "none", "nan", "\x1b[31m"),
    *("evil/model", "https://example.org/x.png", "cuda", "text", "image", "multiclass", "regression", "concat", "\0"),
    *([], {}, [[]], [{}], {"": None}, [None] * 1000, [0] * 100_000, ["a"] * 1000, {"a": {"b": {"c": []}}}),
)
SETTINGS: dict[str, Any] = {
    "allow_outside": True,
    "unpack_to": "/tmp/elsewhere",
    "join": "/etc/passwd:root",
    "image_folder": "/etc",
    "validation": "/etc/passwd",
    "store": "/tmp/elsewhere",
    "finetuned": {"image": "/etc/passwd"},
    "folds": 3,
    "strict": True,
    "device": "cuda",
}
"""What a file may ask for and never gets."""
WORDS = ("NaN", "Infinity", "-Infinity", '"\\ud800"', "1e999", "-0.0", "9" * 5000, "'x'", "undefined", DEEP)


def change_json(draw: random.Random, value: Any) -> bytes:
    """Return the text of a JSON value with one to three changes."""
    text = json.dumps(value)
    value = json.loads(text)
    way = draw.random()
    if way < 0.12:
        return change_bytes(draw, text.encode())
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        parent, key = _pick(draw, value)
        if parent is None:
            value = deepcopy(draw.choice(JUNK))
            break
        _change(draw, parent, key)
    text = json.dumps(value, ensure_ascii=draw.random() < 0.5)
    if way > 0.9:  # a value that JSON may spell and Python cannot
        text = text.replace(draw.choice(("1", "null", "true", "0.")), draw.choice(WORDS), 1)
    return text.encode("utf-8", "surrogatepass")


def _pick(draw: random.Random, value: Any) -> tuple[Any, Any]:
    """Draw a place in a JSON value: what holds it, and its key; no holder is the value itself."""
    places: list[tuple[Any, Any]] = [(None, None)]
    stack = [value]
    while stack:
        one = stack.pop()
        pairs = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        for key, inner in list(pairs)[:50]:
            places.append((one, key))
            stack.append(inner)
    return draw.choice(places[1:] if len(places) > 1 and draw.random() < 0.98 else places[:1])


def _change(draw: random.Random, parent: Any, key: Any) -> None:
    way = draw.random()
    if way < 0.5:
        parent[key] = deepcopy(draw.choice(JUNK))
    elif way < 0.65:
        del parent[key]
    elif way < 0.8 and isinstance(parent, dict):
        name = draw.choice(list(SETTINGS))
        parent[name] = deepcopy(SETTINGS[name])
    elif way < 0.88 and isinstance(parent[key], int | float):
        parent[key] = parent[key] * draw.choice((-1, 2, 1000, 10**6)) + draw.choice((0, 1))
    elif way < 0.94 and isinstance(parent, list):
        parent += deepcopy([parent[key]]) * draw.choice((1, 3, 1000))
    elif isinstance(parent, dict):
        parent[str(draw.choice(("x", "Format", key)))] = parent.pop(key)
    else:
        parent[key] = [parent[key]]


def change_bytes(draw: random.Random, content: bytes) -> bytes:
    """Return bytes with a flipped bit, a piece cut out, doubled, moved or overwritten, or the end missing."""
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        if not changed:
            break
        start = draw.randrange(len(changed))
        stop = min(len(changed), start + draw.choice((1, 2, 4, 16, 256)))
        way = draw.randrange(7)
        if way < 2:
            changed[start] ^= 1 << draw.randrange(8)
        elif way == 2:
            changed[start:stop] = draw.randbytes(stop - start)
        elif way == 3:
            del changed[start:stop]
        elif way == 4:
            changed[start:start] = changed[start:stop] * draw.choice((1, 2, 50))
        elif way == 5:
            changed[start : start + 4] = draw.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
        else:
            del changed[start:]
    return bytes(changed)


def change_header(draw: random.Random, content: bytes) -> bytes:
    """Return a safetensors file whose header says something else, or whose bytes are others."""
    if draw.random() < 0.25:
        return change_bytes(draw, content)
    (size,) = struct.unpack("<Q", content[:8])
    header, rest = content[8 : 8 + size], content[8 + size :]
    changed = change_json(draw, json.loads(header))
    length = len(changed) if draw.random() < 0.9 else draw.choice((0, 1, 2**63, 2**40, 100_000_000, len(content)))
    return struct.pack("<Q", length) + changed + rest
