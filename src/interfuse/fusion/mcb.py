"""Compact bilinear pooling: a count sketch of the outer product, made without the outer product."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import masked_mean, power_normalise, unit_linear


@dataclass(frozen=True)
class McbConfig(FusionConfig):
    """Settings of `McbFusion`."""

    sketch_dim: int | None = None
    """Width of the sketch; none: the power of two that holds image_dim * text_dim products, at most 16384."""
    eps: float = 0.01
    """Added under the root and in the norm, so that no gradient grows more than 1/eps times; above 0."""

    def __post_init__(self) -> None:
        """Refuse a sketch without width, and an eps that bounds nothing."""
        super().__post_init__()
        at_least("mcb", 1, sketch_dim=1 if self.sketch_dim is None else self.sketch_dim)
        at_least("mcb", 1e-12, eps=self.eps)


def count_sketch(
    x: Float[Tensor, "batch dim"], places: Int64[Tensor, " dim"], signs: Float[Tensor, " dim"], width: int
) -> Float[Tensor, "batch width"]:
    """Add each channel, times its sign, at its place: `Ψ(x)_k = Σ_{i: h_i = k} s_i x_i`."""
    return x.new_zeros(x.shape[0], width).index_add(1, places, x * signs.to(x.dtype))


@FUSIONS.register(
    "mcb",
    config=McbConfig,
    reference="https://arxiv.org/abs/1606.01847",
    family="bilinear",
    good_for="all products of two wide vectors in a fixed budget; a random projection, so give it room",
    oracle="count sketch of the outer product; scikit-learn PolynomialCountSketch; block.bootstrap MCB",
)
class McbFusion(FusionMechanism):
    """Sketch the outer product of image and text by circular convolution of their sketches.

    `z = F⁻¹(F(Ψ v) ⊙ F(Ψ' t))`, the count sketch of `v ⊗ t` with places `(h_i + h'_j) mod d` and signs `s_i s'_j`;
    `fused = W √d ŝ / ‖ŝ‖ + b` with `ŝ = z / √(|z| + eps)`, `v`, `t` the masked means. The places and signs are drawn
    from PyTorch's seed when it is made, never trained, and saved with the state.

    Reference:
        Fukui et al. 2016, https://arxiv.org/abs/1606.01847, algorithm 1, signed root and ℓ2 as in its section 3. Ours
        pools tokens first, bounds the gradient of root and norm (the paper's are eps → 0), scales the norm by √d, maps
        to fused_dim, and is 16384 wide where the paper's is 16000: exported to ONNX, prefer a power of two.
    """

    pools = True

    image_places: Tensor
    image_signs: Tensor
    text_places: Tensor
    text_signs: Tensor

    def __init__(self, config: McbConfig) -> None:
        """Draw the places and signs, and make the map."""
        super().__init__(config)
        self.eps = config.eps
        # A power of two: ONNX Runtime's transform of other lengths is wrong in the third digit (1.32, at 16000).
        holds_all = 1 << (config.image_dim * config.text_dim - 1).bit_length()
        self.width = config.sketch_dim or min(16384, holds_all)
        self.register_buffer("image_places", torch.randint(self.width, (config.image_dim,)))
        self.register_buffer("image_signs", 2.0 * torch.randint(2, (config.image_dim,)) - 1.0)
        self.register_buffer("text_places", torch.randint(self.width, (config.text_dim,)))
        self.register_buffer("text_signs", 2.0 * torch.randint(2, (config.text_dim,)) - 1.0)
        self.project = unit_linear(self.width, config.fused_dim)

    def sketch(
        self, v: Float[Tensor, "batch image_dim"], t: Float[Tensor, "batch text_dim"]
    ) -> Float[Tensor, "batch sketch_dim"]:
        """Sketch the outer product; in float32 at least, since no Fourier transform has bfloat16."""
        wide = torch.promote_types(v.dtype, torch.float32)
        image = count_sketch(v.to(wide), self.image_places, self.image_signs, self.width)
        text = count_sketch(t.to(wide), self.text_places, self.text_signs, self.width)
        if v.shape[0] == 0:  # the transform refuses to have no row
            return image
        convolved: Tensor = torch.fft.irfft(torch.fft.rfft(image) * torch.fft.rfft(text), n=self.width)
        return convolved

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, sketch, normalise and map."""
        v, t = masked_mean(*image), masked_mean(*text)
        return Fused(self.project(power_normalise(self.sketch(v, t), self.eps).to(v.dtype)))
