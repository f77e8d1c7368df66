"""Feature-wise linear modulation: the text scales and shifts the channels of every image token."""

from dataclasses import dataclass

from torch import nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import masked_mean, one_at_least


@dataclass(frozen=True)
class FilmConfig(FusionConfig):
    """Settings of `FilmFusion`."""

    num_layers: int = 4
    """Modulated residual layers; four as in the source."""

    def __post_init__(self) -> None:
        """Refuse no layers."""
        super().__post_init__()
        at_least("film", 1, num_layers=self.num_layers)


@FUSIONS.register(
    "film",
    config=FilmConfig,
    reference="https://arxiv.org/abs/1709.07871",
    family="gated",
    good_for="a text that tells which features of the picture count; with several layers, also which object",
    oracle="formula; torch.addcmul",
)
class FilmFusion(FusionMechanism):
    """Scale and shift the channels of every image token by what the text says.

    `V_0 = W_v V`; per layer `[Δγ; β] = W_l t`, `V_l = V_(l-1) + ReLU((1 + Δγ) ⊙ U_l V_(l-1) + β)`, biases understood,
    `t` the masked mean; fused = linear map of the masked mean of the last `V_l`.

    A missing image counts as one zero token, so that the text still reaches the vector through `β`.

    Shape:
        fused.image (batch, image_tokens, fused_dim).

    Reference:
        Perez et al. 2018, https://arxiv.org/abs/1709.07871, equation 2, in a residual block with ReLU and with
        `γ = 1 + Δγ`, as there. Ours has a linear map per token where the source has 3×3 convolutions and batch norm,
        and reads the text's masked mean where it reads a GRU's state.
    """

    stacks = ("layers",)

    def __init__(self, config: FilmConfig) -> None:
        """Make the projection, each layer's linear map and generator of scale and shift, and the readout."""
        super().__init__(config)
        width = config.fused_dim
        self.image = nn.Linear(config.image_dim, width)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(config.num_layers))
        self.generators = nn.ModuleList(nn.Linear(config.text_dim, 2 * width) for _ in range(config.num_layers))
        self.project = nn.Linear(width, width)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Project, modulate layer by layer, average and map."""
        tokens, t = self.image(image.tokens), masked_mean(*text)
        for layer, generator in zip(self.layers, self.generators, strict=True):
            scale, shift = generator(t).unsqueeze(1).chunk(2, -1)  # (batch, 1, fused_dim) each
            tokens = tokens + ((1 + scale) * layer(tokens) + shift).relu()
        return Fused(self.project(masked_mean(tokens, one_at_least(image.mask))), image=tokens)
