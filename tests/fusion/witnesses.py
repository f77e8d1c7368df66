"""Copying our weights into other people's layers, so that both can be held to the same inputs."""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor, nn

from interfuse.fusion import FusionMechanism, create_fusion
from interfuse.nn import Attention, FeedForward

DIM, HEADS, FORWARD = 24, 3, 96


class Streams(NamedTuple):
    image: Tensor
    text: Tensor
    image_mask: Tensor
    text_mask: Tensor


def streams() -> Streams:
    """Rows of unequal length at unequal widths, in float64."""
    draw = torch.Generator().manual_seed(5)
    image = torch.randn(4, 7, 11, generator=draw, dtype=torch.float64)
    text = torch.randn(4, 5, 13, generator=draw, dtype=torch.float64)
    image_mask = torch.arange(7) < torch.tensor([7, 4, 1, 6])[:, None]
    text_mask = torch.arange(5) < torch.tensor([2, 5, 3, 1])[:, None]
    return Streams(image, text, image_mask, text_mask)


def make(name: str, **settings: object) -> FusionMechanism:
    """A mechanism in float64 with no parameter left at zero or one."""
    torch.manual_seed(0)
    heads = {} if settings.pop("headless", False) else {"num_heads": HEADS}
    fuse = create_fusion(name, image_dim=11, text_dim=13, fused_dim=DIM, **heads, **settings).double().eval()
    with torch.no_grad():
        for parameter in fuse.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return fuse


def copy_linear(twin: nn.Linear, weight: Tensor, bias: Tensor | None) -> None:
    """Copy a linear map; a bias that the twin lacks must be zero in ours."""
    with torch.no_grad():
        twin.weight.copy_(weight)
        if twin.bias is not None:
            twin.bias.copy_(torch.randn_like(twin.bias) if bias is None else bias)
        elif bias is not None:
            bias.zero_()


def copy_attention(ours: Attention, query: nn.Linear, key: nn.Linear, value: nn.Linear, out: nn.Linear) -> None:
    """Copy the four projections; a key bias, which softmax does not see, is random."""
    key_weight, value_weight = ours.key_value.weight.chunk(2)
    copy_linear(query, ours.query.weight, ours.query.bias)
    copy_linear(key, key_weight, None)
    copy_linear(value, value_weight, ours.value_bias)
    copy_linear(out, ours.out.weight, ours.out.bias)


def copy_multihead(ours: Attention, twin: nn.MultiheadAttention) -> None:
    """Copy into PyTorch's packed projections."""
    with torch.no_grad():
        twin.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
        twin.in_proj_bias.copy_(torch.cat([ours.query.bias, torch.randn(len(ours.query.bias)), ours.value_bias]))
        copy_linear(twin.out_proj, ours.out.weight, ours.out.bias)


def copy_forward(ours: FeedForward, first: nn.Linear, second: nn.Linear) -> None:
    """Copy both linear maps."""
    copy_linear(first, ours[0].weight, ours[0].bias)
    copy_linear(second, ours[2].weight, ours[2].bias)


def copy_norm(ours: nn.LayerNorm, twin: nn.Module, eps: str = "eps") -> None:
    """Copy scale and shift, and the eps that ours has."""
    with torch.no_grad():
        twin.weight.copy_(ours.weight)
        twin.bias.copy_(ours.bias)
    setattr(twin, eps, ours.eps)


def encoder_layer(ours: nn.Module, norm_first: bool) -> nn.TransformerEncoderLayer:
    """PyTorch's encoder layer with the weights of our `TransformerLayer`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twin = nn.TransformerEncoderLayer(DIM, HEADS, FORWARD, 0.0, "gelu", batch_first=True, norm_first=norm_first)
    twin = twin.double()
    copy_multihead(ours.attention, twin.self_attn)
    copy_forward(ours.feed_forward, twin.linear1, twin.linear2)
    copy_norm(ours.attention_norm, twin.norm1)
    copy_norm(ours.forward_norm, twin.norm2)
    return twin  # in training mode (without dropout): the fused path of eval mode has other masks


def additive(mask: Tensor) -> Tensor:
    """The additive mask of transformers' layers."""
    return torch.zeros(mask.shape, dtype=torch.float64).masked_fill(~mask, -torch.inf)[:, None, None, :]
