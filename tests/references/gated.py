"""Slow references of the gated mechanisms and of those that pool by attention."""

import math
from typing import Any

import numpy as np

from tests.references.basics import (
    Params,
    attend,
    gelu,
    linear,
    mean,
    norm,
    readout,
    reference,
    sigmoid,
)


def relu(x: np.ndarray) -> np.ndarray:
    return np.array([max(0.0, value) for value in x])


def softmax(scores: list[float]) -> list[float]:
    raised = [math.exp(score - max(scores)) for score in scores]
    return [value / sum(raised) for value in raised]


def pure(p: Params, name: str, x: np.ndarray) -> np.ndarray:
    """A linear map without bias."""
    return np.array([sum(w * v for w, v in zip(row, x, strict=True)) for row in p[f"{name}.weight"]])


def gated_tanh(p: Params, name: str, x: np.ndarray) -> np.ndarray:
    both = linear(p, f"{name}.value_gate", x)
    half = len(both) // 2
    return np.array([math.tanh(both[i]) / (1 + math.exp(-both[half + i])) for i in range(half)])


@reference({"num_layers": 1})
def film(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    width, t = config.fused_dim, mean(text)
    if not len(image):
        image = np.zeros((1, config.image_dim))
    tokens = []
    for token in image:
        x = linear(p, "image", token)
        for layer in range(config.num_layers):
            both = linear(p, f"generators.{layer}", t)
            inner = linear(p, f"layers.{layer}", x)
            x = np.array([x[c] + max(0.0, (1 + both[c]) * inner[c] + both[width + c]) for c in range(width)])
        tokens.append(x)
    return linear(p, "project", mean(np.array(tokens)))


@reference()
def gmu(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    v, t = mean(image), mean(text)
    z = sigmoid(linear(p, "gate", np.array([*v, *t])))
    seen, read = np.tanh(linear(p, "image", v)), np.tanh(linear(p, "text", t))
    return np.array([z[c] * seen[c] + (1 - z[c]) * read[c] for c in range(config.fused_dim)])


@reference({"beta": 0.1})
def mag(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    v = mean(image)
    value = linear(p, "image", v)
    shifted = []
    for token in text:
        gate = relu(linear(p, "gate", np.array([*v, *token])))
        shift = np.array([g * x for g, x in zip(gate, value, strict=True)])
        length, own = (math.sqrt(sum(x * x for x in vector)) for vector in (shift, token))
        alpha = min(config.beta * own / (length + 1e-6), 1.0)
        shifted.append(norm(token + alpha * shift, p, "norm"))
    return readout(p, image, np.array(shifted).reshape(len(text), config.text_dim))


@reference({"factor": 1.0, "reduction": 2}, {"reduction": 1000})
def mmtm(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    code = relu(linear(p, "squeeze", np.array([*mean(image), *mean(text)])))
    image_gate = config.factor * sigmoid(linear(p, "image", code))
    text_gate = config.factor * sigmoid(linear(p, "text", code))
    new_image = np.array([[x * g for x, g in zip(token, image_gate, strict=True)] for token in image])
    new_text = np.array([[x * g for x, g in zip(token, text_gate, strict=True)] for token in text])
    return readout(p, new_image.reshape(image.shape), new_text.reshape(text.shape))


@reference()
def softmax_weights(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    scores = linear(p, "score", np.array([*mean(image), *mean(text)]))
    there = [(s, name, x) for s, name, x in zip(scores, ("image", "text"), (image, text), strict=True) if len(x)]
    fused = np.zeros(config.fused_dim)
    if there:
        for weight, (_, name, x) in zip(softmax([s for s, _, _ in there]), there, strict=True):
            fused += weight * linear(p, name, mean(x))
    return fused


@reference({"num_experts": 3, "hidden": 0}, {"num_experts": 2, "hidden": 19})
def mixture_of_experts(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    both = np.array([*mean(image), *mean(text)])
    fused = np.zeros(config.fused_dim)
    for expert, weight in enumerate(softmax(list(linear(p, "gate", both)))):
        answer = linear(p, f"experts.{expert}.0", both)
        if config.hidden != 0:
            answer = linear(p, f"experts.{expert}.2", gelu(answer))
        fused += weight * answer
    return fused


@reference({"num_hops": 1}, {"num_hops": 3, "hidden": 19})
def stacked_attention(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    tokens = [np.tanh(linear(p, "image", token)) for token in image]
    query = linear(p, "text", mean(text))
    for hop in range(config.num_hops):
        asked = linear(p, f"hops.{hop}.query", query)
        joint = [np.tanh(pure(p, f"hops.{hop}.tokens", token) + asked) for token in tokens]
        weights = softmax([float(pure(p, f"hops.{hop}.score", x)[0]) for x in joint]) if tokens else []
        for weight, token in zip(weights, tokens, strict=True):
            query = query + weight * token
    return linear(p, "project", query)


@reference({"hidden": 19})
def top_down(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    t = mean(text)
    scores = [float(pure(p, "score", gated_tanh(p, "attend", np.array([*token, *t])))[0]) for token in image]
    attended = np.zeros(config.image_dim)
    for weight, token in zip(softmax(scores) if scores else [], image, strict=True):
        attended += weight * token
    read, seen = gated_tanh(p, "text", t), gated_tanh(p, "image", attended)
    return linear(p, "project", np.array([a * b for a, b in zip(read, seen, strict=True)]))


@reference({"num_queries": 3})
def attention_pooling(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    width = config.fused_dim
    tokens = [norm(linear(p, "image", x) + p["types"][0], p, "norm") for x in image]
    tokens += [norm(linear(p, "text", x) + p["types"][1], p, "norm") for x in text]
    pooled = attend(p, "attention", p["queries"], np.array(tokens).reshape(len(tokens), width), config.num_heads)
    return linear(p, "project", np.concatenate(list(pooled)))


@reference({"num_layers": 1}, {"num_layers": 3})
def central(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    v, t = relu(linear(p, "image", mean(image))), relu(linear(p, "text", mean(text)))
    a, b = p["modality_weights"][0]
    middle = a * v + b * t
    for layer in range(config.num_layers):
        v, t = relu(linear(p, f"image_layers.{layer}", v)), relu(linear(p, f"text_layers.{layer}", t))
        a, b = p["modality_weights"][layer + 1]
        middle = p["central_weights"][layer] * relu(linear(p, f"central_layers.{layer}", middle)) + a * v + b * t
    return linear(p, "project", middle)


@reference({"image_share": 0.2})
def embrace(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    seen, read = relu(linear(p, "image", mean(image))), relu(linear(p, "text", mean(text)))
    if len(image) and len(text):
        embraced = config.image_share * seen + (1 - config.image_share) * read
    else:
        embraced = seen if len(image) else read if len(text) else np.zeros(config.fused_dim)
    return linear(p, "terminal.2", gelu(linear(p, "terminal.0", embraced)))
