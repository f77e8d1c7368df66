"""What the slow references are built of: NumPy loops that share no code with the library.

A reference takes the module's parameters and buffers as arrays, one row's real tokens (tokens, dim) of each modality,
possibly none, and the config, and gives the fused vector of that row.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Params = dict[str, np.ndarray]
Reference = Callable[[Params, np.ndarray, np.ndarray, Any], np.ndarray]
REFERENCES: dict[str, Reference] = {}
VARIANTS: dict[str, list[dict[str, Any]]] = {}


def reference(*variants: dict[str, Any]) -> Callable[[Reference], Reference]:
    """File a function as the reference of the mechanism of its name; the tests also run these settings of it."""

    def file(function: Reference) -> Reference:
        REFERENCES[function.__name__] = function
        VARIANTS[function.__name__] = [{}, *variants]
        return function

    return file


def linear(p: Params, name: str, x: np.ndarray) -> np.ndarray:
    return (
        np.array([sum(w * v for w, v in zip(row, x, strict=True)) for row in p[f"{name}.weight"]]) + p[f"{name}.bias"]
    )


def mean(tokens: np.ndarray) -> np.ndarray:
    total = np.zeros(tokens.shape[1])
    for token in tokens:
        total += token
    return total / max(len(tokens), 1)


def gelu(x: np.ndarray) -> np.ndarray:
    return np.array([0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def norm(x: np.ndarray, p: Params | None = None, name: str = "") -> np.ndarray:
    centred = x - x.sum() / len(x)
    scaled = centred / math.sqrt((centred * centred).sum() / len(x) + 1e-5)
    return scaled if p is None else scaled * p[f"{name}.weight"] + p[f"{name}.bias"]


def attend(p: Params, name: str, queries: np.ndarray, keys: np.ndarray, heads: int) -> np.ndarray:
    """Attention of each query over the keys, head by head."""
    width = queries.shape[1]
    size = width // heads
    w_k, w_v = p[f"{name}.key_value.weight"][:width], p[f"{name}.key_value.weight"][width:]
    rows = []
    for x in queries:
        q = linear(p, f"{name}.query", x)
        answer = np.zeros(width)
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            scores = [float(q[part] @ (w_k @ y)[part]) / math.sqrt(size) for y in keys]
            top = max(scores, default=0.0)
            raised = [math.exp(score - top) for score in scores]
            for weight, y in zip(raised, keys, strict=True):
                answer[part] += weight / sum(raised) * (w_v @ y + p[f"{name}.value_bias"])[part]
        rows.append(linear(p, f"{name}.out", answer))
    return np.array(rows).reshape(len(queries), width)


def feed_forward(p: Params, name: str, x: np.ndarray) -> np.ndarray:
    return linear(p, f"{name}.2", gelu(linear(p, f"{name}.0", x)))


def readout(p: Params, image: np.ndarray, text: np.ndarray) -> np.ndarray:
    return linear(p, "readout", np.concatenate([mean(image), mean(text)]))


def each(function, tokens: np.ndarray, width: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    return np.array([function(token) for token in tokens]).reshape(len(tokens), width)
