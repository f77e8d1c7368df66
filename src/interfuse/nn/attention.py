"""Multi-head attention on PyTorch's fused kernel, with masks and without the dead key bias."""

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from interfuse.core.errors import ConfigError
from interfuse.nn.masked import full_mask, masked_softmax


def check_heads(owner: str, dim: int, num_heads: int) -> None:
    """Refuse a width that the heads cannot share, and name the next one that they can.

    Raises:
        ConfigError: `dim` is not a multiple of `num_heads`.
    """
    if num_heads < 1 or dim % num_heads:
        fitting = -(-dim // max(num_heads, 1)) * max(num_heads, 1)
        raise ConfigError(
            f"{owner}: fused_dim must be a multiple of num_heads, got fused_dim={dim}, num_heads={num_heads}. "
            f"Try fused_dim={fitting}."
        )


def dot_product_attention(
    query: Float[Tensor, "batch heads queries head_dim"],
    key: Float[Tensor, "batch heads keys head_dim"],
    value: Float[Tensor, "batch heads keys head_dim"],
    mask: Bool[Tensor, "batch #heads #queries keys"] | None = None,  # noqa: F821
) -> Float[Tensor, "batch heads queries head_dim"]:
    """Attend with the fastest exact kernel for where the tensors lie: `softmax(q kᵀ / √head_dim) v`.

    On a CPU in bfloat16 the backward pass of PyTorch's fused kernel is 3 to 10 times slower than plain products
    (`benchmarks/attention_kernels.py`), so plain products it is; everywhere else the fused kernel.
    """
    if query.device.type != "cpu" or query.dtype != torch.bfloat16:
        answer = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        if mask is not None and torch.onnx.is_in_onnx_export():  # ONNX averages all values where no key is real
            answer = answer.where(mask.any(-1, keepdim=True), answer.new_zeros(()))
        return answer
    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5  # scaled last: spares a copy of the query
    weights = scores.softmax(-1) if mask is None else masked_softmax(scores, mask)
    return weights.to(value.dtype) @ value


class AttentionWeights(nn.Module):
    """The weights of an attention that is no `Attention`: a masked softmax, as a module so that it can be heard.

    `capture_attention` takes the answer of every module that has `weighs`: what one softmax is over.
    """

    weighs: ClassVar[Literal["keys", "pairs"]] = "keys"

    def forward(
        self, scores: Float[Tensor, "*axes keys"], mask: Bool[Tensor, "... keys"]
    ) -> Float[Tensor, "*axes keys"]:
        """Weigh the keys.

        Args:
            scores: (batch, keys) of one query, or (batch, heads, queries, keys), before softmax.
            mask: True = a real key; the others weigh nothing.
        """
        return masked_softmax(scores, mask)


class Attention(nn.Module):
    """Multi-head scaled dot-product attention of a query stream over a memory stream.

    `Att(x, y) = W_o [softmax(q_h k_hᵀ / √(dim/heads)) v_h]_h + b_o`, `q = W_q x + b_q`, `k = W_k y`, `v = W_v y + b_v`.
    The key has no bias: softmax is shift-invariant, so a key bias would have exactly zero gradient.
    A row without any real key attends to nothing: its heads give zero.

    Shape:
        query (batch, queries, dim), memory (batch, keys, memory_dim), mask (batch, keys) -> (batch, queries, dim).

    Reference:
        Vaswani et al. 2017, https://arxiv.org/abs/1706.03762. Ours drops the key bias.
    """

    def __init__(self, dim: int, num_heads: int, memory_dim: int | None = None) -> None:
        """Make the four projections; Xavier-uniform as in the paper's reference code."""
        super().__init__()
        check_heads("attention", dim, num_heads)
        memory_dim = dim if memory_dim is None else memory_dim
        self.num_heads = num_heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(memory_dim, 2 * dim, bias=False)
        self.value_bias = nn.Parameter(torch.zeros(dim))
        self.out = nn.Linear(dim, dim)
        for weight in (self.query.weight, *self.key_value.weight.chunk(2), self.out.weight):
            nn.init.xavier_uniform_(weight)
        nn.init.zeros_(self.query.bias)
        nn.init.zeros_(self.out.bias)

    def forward(
        self,
        query: Float[Tensor, "batch queries dim"],
        memory: Float[Tensor, "batch keys memory_dim"],
        mask: Bool[Tensor, "batch keys"] | None = None,
    ) -> Float[Tensor, "batch queries dim"]:
        """Attend; `mask` True = a key that may be attended to."""
        return self.attend(self.query(query), *self.remember(memory), mask)

    def project(self, stream: Float[Tensor, "batch tokens dim"]) -> tuple[Tensor, Tensor, Tensor]:
        """Project one stream to query, key and value."""
        return self.query(stream), *self.remember(stream)

    def remember(self, memory: Float[Tensor, "batch keys memory_dim"]) -> tuple[Tensor, Tensor]:
        """Project a memory to key and value."""
        key, value = self.key_value(memory).chunk(2, -1)
        return key, value + self.value_bias

    def attend(
        self,
        query: Float[Tensor, "batch queries dim"],
        key: Float[Tensor, "batch keys dim"],
        value: Float[Tensor, "batch keys dim"],
        mask: Bool[Tensor, "batch keys"] | None = None,
    ) -> Float[Tensor, "batch queries dim"]:
        """Attend with projected query, key and value, then project the heads' answer."""
        q, k, v = (x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for x in (query, key, value))
        keys = None if mask is None else mask[:, None, None, :]
        answer = dot_product_attention(q, k, v, keys)
        output: Tensor = self.out(answer.transpose(1, 2).flatten(2))
        return output

    def weights(
        self,
        query: Float[Tensor, "batch queries dim"],
        memory: Float[Tensor, "batch keys memory_dim"],
        mask: Bool[Tensor, "batch keys"] | None = None,
    ) -> Float[Tensor, "batch heads queries keys"]:
        """Compute the attention weights that `forward` uses inside; rows sum to 1 or to 0."""
        q = self.query(query).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        k = self.key_value(memory).chunk(2, -1)[0].unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        keys = full_mask(memory) if mask is None else mask
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
        return masked_softmax(scores, keys[:, None, None, :])
