"""Slow references of the late mechanisms: probabilities first, logarithms last."""

import math
from typing import Any

import numpy as np

from tests.references.basics import Params, gelu, linear, mean, reference, sigmoid


def heads(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> list[np.ndarray]:
    """The logits of the modalities that are there."""
    logits = []
    for name, tokens in (("image", image), ("text", text)):
        if len(tokens):
            answer = linear(p, f"{name}.0", mean(tokens))
            logits.append(linear(p, f"{name}.2", gelu(answer)) if config.hidden else answer)
    return logits


def probabilities(logits: np.ndarray) -> np.ndarray:
    raised = [math.exp(value) for value in logits]
    return np.array([value / sum(raised) for value in raised])


@reference({"hidden": 0}, {"hidden": 19, "link": "sigmoid"}, {"hidden": 19, "link": "identity"})
def late_mean(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    logits = heads(p, image, text, config)
    if not logits:
        return np.zeros(config.fused_dim)
    if config.link == "identity":
        return np.array([sum(column) / len(logits) for column in zip(*logits, strict=True)])
    if config.link == "sigmoid":
        share = sum(sigmoid(x) for x in logits) / len(logits)
        return np.log(share / (1 - share))
    return np.log(sum(probabilities(x) for x in logits) / len(logits))


@reference({"hidden": 0}, {"hidden": 19, "link": "sigmoid"})
def late_logit(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    return sum(heads(p, image, text, config), np.zeros(config.fused_dim))


@reference({"hidden": 0}, {"hidden": 19, "link": "sigmoid"})
def late_product(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    logits = heads(p, image, text, config)
    if config.link == "sigmoid":  # odds multiply
        prior = np.exp(p["prior"])
        odds = prior ** (1 - len(logits))
        for x in logits:
            odds = odds * (sigmoid(x) / (1 - sigmoid(x)))
        return np.log(odds)
    product = np.exp(p["prior"]) ** (1 - len(logits))
    for x in logits:
        product = product * probabilities(x)
    return np.log(product)


@reference({"hidden": 0}, {"hidden": 19, "evidence": "exp"})
def evidential(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    """Beliefs and uncertainties as the paper writes them."""
    classes = config.fused_dim
    belief, doubt = np.zeros(classes), 1.0  # the vacuous opinion
    for logits in heads(p, image, text, config):
        evidence = [math.exp(min(x, 10.0)) if config.evidence == "exp" else math.log(1 + math.exp(x)) for x in logits]
        strength = sum(evidence) + classes
        other, other_doubt = np.array([e / strength for e in evidence]), classes / strength
        conflict = sum(belief[i] * other[j] for i in range(classes) for j in range(classes) if i != j)
        combined = [belief[k] * other[k] + belief[k] * other_doubt + other[k] * doubt for k in range(classes)]
        belief = np.array(combined) / (1 - conflict)
        doubt = doubt * other_doubt / (1 - conflict)
    strength = classes / doubt
    alpha = belief * strength + 1
    return np.log(alpha / alpha.sum())
