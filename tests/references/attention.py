"""Slow references of the mechanisms that attend."""

from typing import Any

import numpy as np

from tests.references.basics import Params, attend, each, feed_forward, linear, mean, norm, readout, reference, sigmoid


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
    p = inside(p)
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


def inside(p: Params) -> Params:
    return {name.removeprefix("streams."): value for name, value in p.items()}


def project(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> tuple[np.ndarray, np.ndarray]:
    width = config.fused_dim
    return each(lambda x: linear(p, "image", x), image, width), each(lambda x: linear(p, "text", x), text, width)


def normed(p: Params, name: str, x: np.ndarray) -> np.ndarray:
    return each(lambda y: norm(y, p, name), x, x.shape[1])


def forwarded(p: Params, name: str, x: np.ndarray) -> np.ndarray:
    return each(lambda y: feed_forward(p, name, y), x, x.shape[1])


def pre_layer(p: Params, name: str, x: np.ndarray, heads: int) -> np.ndarray:
    hat = normed(p, f"{name}.attention_norm", x)
    x = x + attend(p, f"{name}.attention", hat, hat, heads)
    return x + forwarded(p, f"{name}.feed_forward", normed(p, f"{name}.forward_norm", x))


def post_layer(p: Params, name: str, x: np.ndarray, heads: int) -> np.ndarray:
    x = normed(p, f"{name}.attention_norm", x + attend(p, f"{name}.attention", x, x, heads))
    return normed(p, f"{name}.forward_norm", x + forwarded(p, f"{name}.feed_forward", x))


def cross_layer(p: Params, name: str, x: np.ndarray, y: np.ndarray, heads: int) -> np.ndarray:
    hat, memory = normed(p, f"{name}.query_norm", x), normed(p, f"{name}.memory_norm", y)
    x = x + attend(p, f"{name}.attention", hat, memory, heads)
    return x + forwarded(p, f"{name}.feed_forward", normed(p, f"{name}.forward_norm", x))


def decoder_layer(p: Params, name: str, x: np.ndarray, y: np.ndarray, heads: int) -> np.ndarray:
    x = normed(p, f"{name}.attention_norm", x + attend(p, f"{name}.attention", x, x, heads))
    x = normed(p, f"{name}.cross_norm", x + attend(p, f"{name}.cross", x, y, heads))
    return normed(p, f"{name}.forward_norm", x + forwarded(p, f"{name}.feed_forward", x))


@reference({"num_layers": 2})
def lxmert(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    p = inside(p)
    (v, t), heads = project(p, image, text, config), config.num_heads
    for n in range(config.num_layers):
        to_v, to_t = (
            attend(p, f"layers.{n}.cross", v, t, heads),
            attend(p, f"layers.{n}.cross", t, v, heads),
        )
        v, t = (
            normed(p, f"layers.{n}.cross_norm", v + to_v),
            normed(p, f"layers.{n}.cross_norm", t + to_t),
        )
        v, t = post_layer(p, f"layers.{n}.image", v, heads), post_layer(p, f"layers.{n}.text", t, heads)
    return readout(p, v, t)


@reference({"num_layers": 1})
def mcan(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    (v, t), heads = project(p, image, text, config), config.num_heads
    for n in range(config.num_layers):
        t = post_layer(p, f"text_layers.{n}", t, heads)
    for n in range(config.num_layers):
        v = decoder_layer(p, f"image_layers.{n}", v, t, heads)
    pooled = []
    for name, stream in (("image", v), ("text", t)):
        raised = []
        for x in stream:
            hidden = np.maximum(linear(p, f"{name}_reduction.score.0", x), 0)
            raised.append(np.exp(float(p[f"{name}_reduction.score.2.weight"][0] @ hidden)))
        total = np.zeros(config.fused_dim)
        for weight, x in zip(raised, stream, strict=True):
            total += weight / sum(raised) * x
        pooled.append(total)
    return norm(p["image_out.weight"] @ pooled[0] + linear(p, "text_out", pooled[1]), p, "norm")


@reference({"num_layers": 2})
def dfaf(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    p = inside(p)
    (v, t), heads, width = project(p, image, text, config), config.num_heads, config.fused_dim

    def between(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        found = attend(p, f"{name}.inter", x, y, heads)
        return np.array([linear(p, f"{name}.merge", np.array([*a, *b])) for a, b in zip(x, found, strict=True)])

    def within(name: str, x: np.ndarray, other: np.ndarray) -> np.ndarray:
        gate = 1 + sigmoid(linear(p, f"{name}.gate", mean(other)))
        scaled = dict(p)  # a diagonal gate on queries and keys is a scaled projection
        scaled[f"{name}.intra.query.weight"] = np.diag(gate) @ p[f"{name}.intra.query.weight"]
        scaled[f"{name}.intra.query.bias"] = gate * p[f"{name}.intra.query.bias"]
        key, value = np.split(p[f"{name}.intra.key_value.weight"], 2)
        scaled[f"{name}.intra.key_value.weight"] = np.concatenate([np.diag(gate) @ key, value])
        return each(lambda y: linear(p, f"{name}.output", y), x + attend(scaled, f"{name}.intra", x, x, heads), width)

    for n in range(config.num_layers):
        a, b = f"layers.{n}.image", f"layers.{n}.text"
        v, t = between(a, v, t).reshape(-1, width), between(b, t, v).reshape(-1, width)
        v, t = within(a, v, t), within(b, t, v)
    return readout(p, v, t)


@reference({"num_layers": 1, "self_layers": 0}, {"image_kernel": 3, "text_kernel": 5, "self_layers": 2})
def mult(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    width, heads = config.fused_dim, config.num_heads

    def convolve(name: str, x: np.ndarray, kernel: int) -> np.ndarray:
        rows = np.zeros((len(x), width))
        for place in range(len(x)):
            for step in range(kernel):
                seen = place + step - kernel // 2
                if 0 <= seen < len(x):
                    rows[place] += p[f"{name}_convolution.weight"][:, :, step] @ x[seen]
        return rows

    sources = {
        "image": convolve("image", image, config.image_kernel),
        "text": convolve("text", text, config.text_kernel),
    }
    ended = []
    for name, other in (("image", "text"), ("text", "image")):
        x = sources[name]
        for n in range(config.num_layers):
            x = cross_layer(p, f"{name}.cross.{n}", x, sources[other], heads)
        x = normed(p, f"{name}.cross_norm", x)
        for n in range(config.self_layers):
            x = pre_layer(p, f"{name}.layers.{n}", x, heads)
        ended.append(normed(p, f"{name}.norm", x) if config.self_layers else x)
    return readout(p, *ended)


@reference({"num_layers": 2})
def gated_cross_attention(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    (v, t), heads = project(p, image, text, config), config.num_heads
    for n in range(config.num_layers):
        name = f"layers.{n}"
        hat = normed(p, f"{name}.attention_norm", t)
        t = t + np.tanh(p[f"{name}.attention_gate"]) * attend(p, f"{name}.attention", hat, v, heads)
        hat = normed(p, f"{name}.forward_norm", t)
        t = t + np.tanh(p[f"{name}.forward_gate"]) * forwarded(p, f"{name}.feed_forward", hat)
    return readout(p, v, t)


@reference({"num_layers": 2, "layer_scale": 1e-4})
def bidirectional(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    p = inside(p)
    (v, t), heads, width = project(p, image, text, config), config.num_heads, config.fused_dim
    size = width // heads
    for n in range(config.num_layers):
        name = f"layers.{n}"
        v, t = normed(p, f"{name}.image_norm", v), normed(p, f"{name}.text_norm", t)
        to_v, to_t = np.zeros((len(v), width)), np.zeros((len(t), width))
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            score = np.zeros((len(v), len(t)))
            for i, x in enumerate(v):
                for j, y in enumerate(t):
                    asked, answered = linear(p, f"{name}.image_query", x), linear(p, f"{name}.text_query", y)
                    score[i, j] = asked[part] @ answered[part] / np.sqrt(size)
            raised = np.exp(score)
            for i in range(len(v)):
                for j in range(len(t)):
                    to_v[i, part] += raised[i, j] / raised[i].sum() * linear(p, f"{name}.text_value", t[j])[part]
                    to_t[j, part] += raised[i, j] / raised[:, j].sum() * linear(p, f"{name}.image_value", v[i])[part]
        v = v + p[f"{name}.image_scale"] * each(lambda x, n=name: linear(p, f"{n}.image_out", x), to_v, width)
        t = t + p[f"{name}.text_scale"] * each(lambda x, n=name: linear(p, f"{n}.text_out", x), to_t, width)
    return readout(p, v, t)


@reference({"num_layers": 2})
def two_way(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    p = inside(p)
    (v, t), heads = project(p, image, text, config), config.num_heads
    for n in range(config.num_layers):
        t = decoder_layer(p, f"layers.{n}.text", t, v, heads)
        v = normed(p, f"layers.{n}.image_norm", v + attend(p, f"layers.{n}.image", v, t, heads))
    return readout(p, v, t)


@reference({"num_layers": 3, "num_bottlenecks": 1})
def bottleneck(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    (v, t), heads = project(p, image, text, config), config.num_heads
    shared = p["bottlenecks"]
    for n in range(config.num_layers):
        a = pre_layer(p, f"image_layers.{n}", np.concatenate([v, shared]), heads)
        b = pre_layer(p, f"text_layers.{n}", np.concatenate([t, shared]), heads)
        v, t = a[: len(v)], b[: len(t)]
        shared = np.array([(x + y) / 2 for x, y in zip(a[len(v) :], b[len(t) :], strict=True)])
    return readout(p, normed(p, "image_norm", v), normed(p, "text_norm", t))


def merge(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    v, t = project(p, image, text, config)
    return np.array([*(x + p["types"][0] for x in v), *(y + p["types"][1] for y in t)]).reshape(-1, config.fused_dim)


@reference({"num_latents": 3, "num_layers": 0})
def perceiver(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    z = cross_layer(p, "read", p["latents"], merge(p, image, text, config), config.num_heads)
    for n in range(config.num_layers):
        z = pre_layer(p, f"layers.{n}", z, config.num_heads)
    return linear(p, "project", mean(normed(p, "norm", z)))


@reference({"num_latents": 3, "num_layers": 1})
def resampler(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    x, z = merge(p, image, text, config), p["latents"]
    for n in range(config.num_layers):
        name = f"layers.{n}"
        hat = normed(p, f"{name}.latent_norm", z)
        memory = np.concatenate([normed(p, f"{name}.token_norm", x), hat])
        z = z + attend(p, f"{name}.attention", hat, memory, config.num_heads)
        z = z + forwarded(p, f"{name}.feed_forward", normed(p, f"{name}.forward_norm", z))
    return linear(p, "project", mean(normed(p, "norm", z)))


@reference({"num_queries": 3, "num_layers": 1}, {"num_layers": 3})
def q_former(p: Params, image: np.ndarray, text: np.ndarray, config: Any) -> np.ndarray:
    heads, count = config.num_heads, config.num_queries
    t = each(lambda x: linear(p, "text", x), text, config.fused_dim)
    x = normed(p, "norm", np.concatenate([p["queries"], t]))
    for n in range(config.num_layers):
        name = f"layers.{n}"
        x = normed(p, f"{name}.attention_norm", x + attend(p, f"{name}.attention", x, x, heads))
        q, t = x[:count], x[count:]
        q = normed(p, f"{name}.cross_norm", q + attend(p, f"{name}.cross", q, image, heads))
        q = normed(p, f"{name}.query_norm", q + forwarded(p, f"{name}.query_forward", q))
        if n < config.num_layers - 1:
            t = normed(p, f"{name}.text_norm", t + forwarded(p, f"{name}.text_forward", t))
        x = np.concatenate([q, t])
    return linear(p, "project", mean(x[:count]))
