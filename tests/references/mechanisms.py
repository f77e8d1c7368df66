"""Slow NumPy references of the mechanisms: loops over rows and tokens that share no code with the library.

Each takes the module's parameters as arrays and one row's real tokens, and gives the fused vector of that row.
"""

import math

import numpy as np

Params = dict[str, np.ndarray]


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


def image_only(p: Params, image: np.ndarray, text: np.ndarray, config) -> np.ndarray:  # type: ignore[no-untyped-def]
    return linear(p, "project", mean(image))


def text_only(p: Params, image: np.ndarray, text: np.ndarray, config) -> np.ndarray:  # type: ignore[no-untyped-def]
    return linear(p, "project", mean(text))


def concat(p: Params, image: np.ndarray, text: np.ndarray, config) -> np.ndarray:  # type: ignore[no-untyped-def]
    both = np.array([*mean(image), *mean(text)])
    if not config.hidden:
        return linear(p, "project.0", both)
    return linear(p, "project.3", gelu(linear(p, "project.0", both)))


def product(p: Params, image: np.ndarray, text: np.ndarray, config) -> np.ndarray:  # type: ignore[no-untyped-def]
    v, t = np.tanh(linear(p, "image", mean(image))), np.tanh(linear(p, "text", mean(text)))
    return linear(p, "project", np.array([a * b for a, b in zip(v, t, strict=True)]))


def glu(p: Params, image: np.ndarray, text: np.ndarray, config) -> np.ndarray:  # type: ignore[no-untyped-def]
    v, t = mean(image), mean(text)
    first = sigmoid(linear(p, "image_gate", v)) * linear(p, "text_value", t)
    second = sigmoid(linear(p, "text_gate", t)) * linear(p, "image_value", v)
    return linear(p, "project", np.concatenate([first, second]))


def shared_cross_attention(p: Params, image: np.ndarray, text: np.ndarray, config) -> np.ndarray:  # type: ignore[no-untyped-def]
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


def cross_attention(p: Params, image: np.ndarray, text: np.ndarray, config) -> np.ndarray:  # type: ignore[no-untyped-def]
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


def merged_attention(p: Params, image: np.ndarray, text: np.ndarray, config) -> np.ndarray:  # type: ignore[no-untyped-def]
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


REFERENCES = {
    function.__name__: function
    for function in (
        image_only,
        text_only,
        concat,
        product,
        glu,
        shared_cross_attention,
        cross_attention,
        merged_attention,
    )
}
