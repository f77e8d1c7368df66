"""Slow references of the controls and of the pooled mechanisms."""

import math
from typing import Any

import numpy as np

from tests.references.basics import Params, gelu, linear, mean, reference, sigmoid


@reference()
def image_only(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    return linear(p, "project", mean(image))


@reference()
def text_only(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    return linear(p, "project", mean(text))


@reference({"hidden": 19})
def concat(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    both = np.array([*mean(image), *mean(text)])
    if not config.hidden:
        return linear(p, "project.0", both)
    return linear(p, "project.3", gelu(linear(p, "project.0", both)))


@reference({"hidden": 19})
def product(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    v, t = np.tanh(linear(p, "image", mean(image))), np.tanh(linear(p, "text", mean(text)))
    return linear(p, "project", np.array([a * b for a, b in zip(v, t, strict=True)]))


@reference({"hidden": 0}, {"hidden": 19})
def two_tower(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    units = []
    for name, tokens in (("image", image), ("text", text)):
        x = mean(tokens)
        x = linear(p, f"{name}.0", x)
        if config.hidden != 0:
            x = linear(p, f"{name}.2", gelu(x))
        units.append(x / math.sqrt(sum(value * value for value in x)))
    return np.array([len(units[0]) * a * b for a, b in zip(*units, strict=True)])


@reference()
def glu(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    v, t = mean(image), mean(text)
    first = sigmoid(linear(p, "image_gate", v)) * linear(p, "text_value", t)
    second = sigmoid(linear(p, "text_gate", t)) * linear(p, "image_value", v)
    return linear(p, "project", np.concatenate([first, second]))
