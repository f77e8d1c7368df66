"""Slow references of the bilinear family."""

import math
from typing import Any

import numpy as np

from tests.references.basics import Params, linear, mean, reference


def power_norm(z: np.ndarray, eps: float) -> np.ndarray:
    """Root each channel's size, keep its sign, then divide by the root mean square."""
    rooted = [value / math.sqrt(abs(value) + eps) for value in z]
    size = math.sqrt(math.fsum(value * value for value in rooted) / len(rooted) + eps)
    return np.array([value / size for value in rooted])


@reference({"hidden": 19})
def sum(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    v, t = linear(p, "image", mean(image)), linear(p, "text", mean(text))
    return linear(p, "project", np.array([max(a, 0) + max(b, 0) for a, b in zip(v, t, strict=True)]))


@reference({"hidden": 0}, {"hidden": 5})
def multiplicative(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    v, t = mean(image), mean(text)
    a, b = (linear(p, "image", v), linear(p, "text", t)) if config.hidden else (v, t)
    fused = []
    for k in range(config.fused_dim):
        form = p["bilinear.weight"][k].reshape(len(a), len(b))
        fused.append(a @ form @ b + p["image_linear.weight"][k] @ v + p["text_linear.weight"][k] @ t)
    return np.array(fused) + p["bilinear.bias"]


@reference({"sketch_dim": 24}, {"sketch_dim": 9, "eps": 0.1})
def mcb(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    width = config.sketch_dim or 256  # the power of two that holds 11 * 13
    z = np.zeros(width)
    for i, a in enumerate(mean(image)):
        for j, b in enumerate(mean(text)):
            place = (p["image_places"][i] + p["text_places"][j]) % width
            z[place] += p["image_signs"][i] * p["text_signs"][j] * a * b
    return linear(p, "project", power_norm(z, config.eps))


@reference({"hidden": 7, "core_dim": 6, "rank": 3})
def mutan(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    v, t = linear(p, "image", mean(image)), linear(p, "text", mean(text))
    z = np.zeros(config.core_dim)
    for r in range(config.rank):
        rows = slice(r * config.core_dim, (r + 1) * config.core_dim)
        left = p["image_core.weight"][rows] @ v + p["image_core.bias"][rows]
        z += left * (p["text_core.weight"][rows] @ t + p["text_core.bias"][rows])
    return linear(p, "project", z)


@reference({"factor": 2, "eps": 0.1})
def mfb(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    products = linear(p, "image", mean(image)) * linear(p, "text", mean(text))
    k = config.factor
    return power_norm(np.array([products[o * k : o * k + k].sum() for o in range(config.fused_dim)]), config.eps)


@reference({"num_blocks": 3, "hidden": 7, "factor": 2, "eps": 0.1}, {"num_blocks": 1})
def mfh(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    k, width = config.factor, config.hidden or config.fused_dim
    expanded, blocks = np.ones(width * k), []
    for i in range(config.num_blocks):
        expanded = expanded * linear(p, f"image.{i}", mean(image)) * linear(p, f"text.{i}", mean(text))
        blocks.append(power_norm(np.array([expanded[o * k : o * k + k].sum() for o in range(width)]), config.eps))
    return linear(p, "project", np.concatenate(blocks))


@reference({"hidden": 12, "chunks": 3, "rank": 2, "eps": 0.1})
def block(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    v, t = linear(p, "image", mean(image)), linear(p, "text", mean(text))
    size, parts = config.hidden // config.chunks, []
    for c in range(config.chunks):
        part = slice(c * size, (c + 1) * size)
        z = np.zeros(size)
        for r in range(config.rank):
            out = slice(r * size, (r + 1) * size)
            z += (p["image_core"][c][:, out].T @ v[part]) * (p["text_core"][c][:, out].T @ t[part])
        parts.append(power_norm(z, config.eps))
    return linear(p, "project", np.concatenate(parts))


@reference({"hidden": 0}, {"hidden": 5})
def tensor_fusion(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    v, t = mean(image), mean(text)
    if config.hidden:
        v, t = linear(p, "image", v), linear(p, "text", t)
    products = [a * b for a in [1.0, *v] for b in [1.0, *t]]
    return linear(p, "project", np.array(products))


@reference({"rank": 1})
def low_rank(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    v, t = np.array([1.0, *mean(image)]), np.array([1.0, *mean(text)])
    fused = p["bias"].copy()
    for r in range(config.rank):
        for k in range(config.fused_dim):
            fused[k] += p["rank_weight"][r] * (v @ p["image_factor"][r][:, k]) * (t @ p["text_factor"][r][:, k])
    return fused


@reference({"num_glimpses": 1, "hidden": 9})
def bilinear_attention(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    x = [linear(p, "text", token) for token in text]
    if not x:
        return np.zeros(config.fused_dim)
    left = [np.maximum(linear(p, "attention.image", token), 0) for token in image]
    right = [np.maximum(linear(p, "attention.text", token), 0) for token in x]
    for g in range(config.num_glimpses):
        raised = {
            (i, j): math.exp((p["attention.glimpses"][g] * a * b).sum())
            for i, a in enumerate(left)
            for j, b in enumerate(right)
        }
        total = np.array(list(raised.values())).sum()
        joint = np.zeros(config.hidden or config.fused_dim)
        for (i, j), weight in raised.items():
            a = np.maximum(linear(p, f"glimpses.{g}.image", image[i]), 0)
            joint += weight / total * a * np.maximum(linear(p, f"glimpses.{g}.text", x[j]), 0)
        step = linear(p, f"glimpses.{g}.project", joint)
        x = [token + step for token in x]
    return mean(np.array(x))
