"""Factorised bilinear pooling, and its cascade to higher orders."""

from dataclasses import dataclass

import torch
from torch import nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import masked_mean, power_normalise, unit_linear


@dataclass(frozen=True)
class MfbConfig(FusionConfig):
    """Settings of `MfbFusion`."""

    factor: int = 5
    """Products that are summed into one channel (the paper's k)."""
    eps: float = 0.01
    """Added under the root and in the norm, so that no gradient grows more than 1/eps times; above 0."""

    def __post_init__(self) -> None:
        """Refuse a factor below 1, and an eps that bounds nothing."""
        super().__post_init__()
        at_least("mfb, mfh", 1, factor=self.factor)
        at_least("mfb, mfh", 1e-12, eps=self.eps)


@FUSIONS.register(
    "mfb",
    config=MfbConfig,
    reference="https://arxiv.org/abs/1708.01471",
    family="bilinear",
    good_for="a low-rank bilinear map whose vector has one size for every row",
    oracle="block.bootstrap MFB",
)
class MfbFusion(FusionMechanism):
    """Sum groups of products of two projections, then signed root and norm (MFB).

    `z = SumPool_k(U v ⊙ V t)`, biases understood; `s = z / √(|z| + eps)`, `fused = s / √(mean(s²) + eps)`,
    `v`, `t` the masked means.

    Reference:
        Yu et al. 2017, https://arxiv.org/abs/1708.01471, section 3. Ours pools tokens first, bounds the gradient of
        root and norm (the paper's are eps → 0), scales the norm by √fused_dim and has no dropout.
    """

    pools = True

    def __init__(self, config: MfbConfig) -> None:
        """Make both projections to fused_dim groups of `factor` channels."""
        super().__init__(config)
        self.factor, self.eps, share = config.factor, config.eps, config.factor**-0.25
        self.image = unit_linear(config.image_dim, config.fused_dim * config.factor, share)
        self.text = unit_linear(config.text_dim, config.fused_dim * config.factor, share)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, project, multiply, sum each group, normalise."""
        products = self.image(masked_mean(*image)) * self.text(masked_mean(*text))
        return Fused(power_normalise(products.unflatten(1, (-1, self.factor)).sum(2), self.eps))


@dataclass(frozen=True)
class MfhConfig(MfbConfig):
    """Settings of `MfhFusion`."""

    num_blocks: int = 2
    """Blocks in the cascade (the paper's p): block i holds products of order 2i."""
    hidden: int | None = None
    """Channels of each block; none: fused_dim."""

    def __post_init__(self) -> None:
        """Refuse no blocks and no width."""
        super().__post_init__()
        at_least("mfh", 1, num_blocks=self.num_blocks, hidden=self.fused_dim if self.hidden is None else self.hidden)


@FUSIONS.register(
    "mfh",
    config=MfhConfig,
    reference="https://arxiv.org/abs/1708.03619",
    family="bilinear",
    good_for="interactions of higher order than a product of two",
    oracle="block.bootstrap MFH",
)
class MfhFusion(FusionMechanism):
    """Cascade factorised bilinear blocks, each multiplied by the one before (MFH).

    `e_0 = 1`, `e_i = e_{i-1} ⊙ U_i v ⊙ V_i t`, `z_i = SumPool_k(e_i)`, biases understood; each `z_i` has its signed
    root and norm as in `mfb`; `fused = W [z_1; …; z_p] + b`, `v`, `t` the masked means.

    Reference:
        Yu et al. 2018, https://arxiv.org/abs/1708.03619, section IV. Ours pools tokens first, bounds the gradient of
        root and norm (the paper's are eps → 0), scales the norm by √hidden, has no dropout, and maps to fused_dim.
    """

    pools = True

    def __init__(self, config: MfhConfig) -> None:
        """Make two projections for each block, and the last map."""
        super().__init__(config)
        self.factor, self.eps = config.factor, config.eps
        hidden = config.hidden or config.fused_dim
        shares = [config.factor**-0.25] + [1.0] * (config.num_blocks - 1)
        wide = hidden * config.factor
        self.image = nn.ModuleList(unit_linear(config.image_dim, wide, share) for share in shares)
        self.text = nn.ModuleList(unit_linear(config.text_dim, wide, share) for share in shares)
        self.project = unit_linear(hidden * config.num_blocks, config.fused_dim)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, run the cascade, sum and normalise each block, map them together."""
        v, t = masked_mean(*image), masked_mean(*text)
        expanded, blocks = v.new_ones(()), []
        for image_map, text_map in zip(self.image, self.text, strict=True):
            expanded = expanded * image_map(v) * text_map(t)
            pooled = expanded.unflatten(1, (-1, self.factor)).sum(2)
            blocks.append(power_normalise(pooled, self.eps))
        return Fused(self.project(torch.cat(blocks, 1)))
