"""Chefer's bi-modal rules for one row, token by token, as loops over lists."""

import numpy as np


def bimodal_relevance(calls: list[tuple[str, np.ndarray]], images: int, texts: int) -> dict[str, np.ndarray]:
    """Follow (kind, Ā) calls; two cross calls of opposite direction in a row are one layer."""
    size = {"i": images, "t": texts}
    r = {a + b: np.eye(size[a]) if a == b else np.zeros((size[a], size[b])) for a in "it" for b in "it"}
    number = 0
    while number < len(calls):
        kind, moved = calls[number]
        layer = [(kind, moved)]
        if kind in ("it", "ti") and number + 1 < len(calls) and calls[number + 1][0] == kind[::-1]:
            layer.append(calls[number + 1])
        number += len(layer)
        new = {name: value.copy() for name, value in r.items()}
        for kind, moved in layer:
            s, q = kind[0], kind[1] if kind[0] != kind[1] else {"i": "t", "t": "i"}[kind[0]]
            if kind in ("ii", "tt"):
                new[s + s] += product(moved, r[s + s])
                new[s + q] += product(moved, r[s + q])
            else:
                new[s + q] += product(product(scaled(r[s + s]).T, moved), scaled(r[q + q]))
                new[s + s] += product(moved, r[q + s])
        r = new
    image = [(r["ii"][:, j].sum() - 1) / images + r["ti"][:, j].sum() / texts for j in range(images)]
    text = [(r["tt"][:, j].sum() - 1) / texts + r["it"][:, j].sum() / images for j in range(texts)]
    return {"image": np.array(image), "text": np.array(text)}


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    out = np.zeros((a.shape[0], b.shape[1]))
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            out[i, j] = sum(a[i, k] * b[k, j] for k in range(a.shape[1]))
    return out


def scaled(square: np.ndarray) -> np.ndarray:
    out = np.eye(len(square))
    for i, row in enumerate(square - np.eye(len(square))):
        if row.sum() > 0:
            out[i] += row / row.sum()
    return out
