"""Small networks of one vector or token: a perceptron and the gated tanh."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Perceptron(nn.Sequential):
    """`W_2 GELU(W_1 x + b_1) + b_2`, or `W x + b` where `hidden` is 0."""

    def __init__(self, dim: int, hidden: int, out_dim: int) -> None:
        """Make one linear map, or two around a hidden layer."""
        layers = [nn.Linear(dim, hidden), nn.GELU()] if hidden else []
        super().__init__(*layers, nn.Linear(hidden or dim, out_dim))


class ValueGate(nn.Linear):
    """Value and gate as one linear map: the second half of what it gives enters a sigmoid."""

    def __init__(self, dim: int, out_dim: int) -> None:
        """Make the linear map; value and gate have `out_dim` channels each."""
        super().__init__(dim, 2 * out_dim)


class GatedTanh(nn.Module):
    """`tanh(W x + b) ⊙ σ(V x + c)`.

    Reference:
        Anderson et al. 2018, https://arxiv.org/abs/1707.07998, the question-answering model.
    """

    def __init__(self, dim: int, out_dim: int) -> None:
        """Make value and gate as one linear map."""
        super().__init__()
        self.value_gate = ValueGate(dim, out_dim)

    def forward(self, x: Float[Tensor, "*axes dim"]) -> Float[Tensor, "*axes out_dim"]:
        """Gate each channel of the squashed linear map by another of the same input."""
        value, gate = self.value_gate(x).chunk(2, -1)
        return torch.tanh(value) * torch.sigmoid(gate)
