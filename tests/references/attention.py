"""Slow references of the mechanisms that attend."""

from typing import Any

import numpy as np

from tests.references.basics import Params, attend, each, feed_forward, linear, norm, readout, reference


@reference()
def shared_cross_attention(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    width = config.fused_dim
    projected_image = each(lambda x: linear(p, "image", x), image, width)
    projected_text = each(lambda x: linear(p, "text", x), text, width)
    to_text = attend(p, "attention", projected_text, projected_image, config.num_heads)
    to_image = attend(p, "attention", projected_image, projected_text, config.num_heads)
    plain = config.image_dim == config.text_dim == width
    old_image, old_text = (image, text) if plain else (projected_image, projected_text)
    new_image = each(norm, old_image + to_image, width)
    new_text = each(norm, old_text + to_text, width)
    return readout(p, new_image, new_text)


@reference({"num_layers": 2}, {"norm_first": False, "num_layers": 2})
def cross_attention(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    width, heads = config.fused_dim, config.num_heads
    v = each(lambda x: linear(p, "image", x), image, width)
    t = each(lambda x: linear(p, "text", x), text, width)
    for layer in range(config.num_layers):
        a, b = f"layers.{layer}.image", f"layers.{layer}.text"
        if config.norm_first:
            v_hat = each(lambda x, a=a: norm(x, p, f"{a}.attention_norm"), v, width)
            t_hat = each(lambda x, b=b: norm(x, p, f"{b}.attention_norm"), t, width)
            v = v + attend(p, f"{a}.attention", v_hat, t_hat, heads)
            t = t + attend(p, f"{b}.attention", t_hat, v_hat, heads)
            v = v + each(lambda x, a=a: feed_forward(p, f"{a}.feed_forward", norm(x, p, f"{a}.forward_norm")), v, width)
            t = t + each(lambda x, b=b: feed_forward(p, f"{b}.feed_forward", norm(x, p, f"{b}.forward_norm")), t, width)
            continue
        new_v, new_t = (
            v + attend(p, f"{a}.attention", v, t, heads),
            t + attend(p, f"{b}.attention", t, v, heads),
        )
        v = each(lambda x, a=a: norm(x, p, f"{a}.attention_norm"), new_v, width)
        t = each(lambda x, b=b: norm(x, p, f"{b}.attention_norm"), new_t, width)
        v = each(lambda x, a=a: norm(x + feed_forward(p, f"{a}.feed_forward", x), p, f"{a}.forward_norm"), v, width)
        t = each(lambda x, b=b: norm(x + feed_forward(p, f"{b}.feed_forward", x), p, f"{b}.forward_norm"), t, width)
    if config.norm_first:
        v = each(lambda x: norm(x, p, "image_norm"), v, width)
        t = each(lambda x: norm(x, p, "text_norm"), t, width)
    return readout(p, v, t)


@reference()
def merged_attention(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    width = config.fused_dim
    v = each(lambda x: linear(p, "image", x) + p["types"][0], image, width)
    t = each(lambda x: linear(p, "text", x) + p["types"][1], text, width)
    x = np.concatenate([v, t])
    for layer in range(config.num_layers):
        name = f"layers.{layer}"
        hat = each(lambda y, n=name: norm(y, p, f"{n}.attention_norm"), x, width)
        x = x + attend(p, f"{name}.attention", hat, hat, config.num_heads)
        x = x + each(lambda y, n=name: feed_forward(p, f"{n}.feed_forward", norm(y, p, f"{n}.forward_norm")), x, width)
    x = each(lambda y: norm(y, p, "norm"), x, width)
    return readout(p, x[: len(v)], x[len(v) :])
