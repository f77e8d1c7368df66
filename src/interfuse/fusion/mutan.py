"""Tucker fusion whose core tensor has slices of low rank."""

from dataclasses import dataclass

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import masked_mean, unit_linear


@dataclass(frozen=True)
class MutanConfig(FusionConfig):
    """Settings of `MutanFusion`."""

    hidden: int = 360
    """Width that each modality is projected to (the paper's t_q and t_v)."""
    core_dim: int = 360
    """Width of the core's output (the paper's t_o)."""
    rank: int = 10
    """Rank of each slice of the core."""

    def __post_init__(self) -> None:
        """Refuse widths and ranks below 1."""
        super().__post_init__()
        at_least("mutan", 1, hidden=self.hidden, core_dim=self.core_dim, rank=self.rank)


@FUSIONS.register(
    "mutan",
    config=MutanConfig,
    reference="https://arxiv.org/abs/1705.06676",
    family="bilinear",
    good_for="a bilinear map whose widths and rank are set apart from each other",
    oracle="block.bootstrap Mutan",
)
class MutanFusion(FusionMechanism):
    """Multiply two projections through a core tensor of rank R (MUTAN).

    `ṽ = W_v v`, `t̃ = W_t t`, `z = Σ_r (M_r ṽ) ⊙ (N_r t̃)`, `fused = W z`, biases understood, `v`, `t` the masked means.

    Reference:
        Ben-Younes et al. 2017, https://arxiv.org/abs/1705.06676, section 3; sizes of the authors' network without
        attention. Ours pools tokens first, and as in the equations has no tanh (their training has) and no dropout.
    """

    pools = True

    def __init__(self, config: MutanConfig) -> None:
        """Make both projections, the factors of the core and the last map."""
        super().__init__(config)
        self.rank = config.rank
        self.image, self.text = (unit_linear(dim, config.hidden) for dim in (config.image_dim, config.text_dim))
        share = config.rank**-0.25  # the sum of `rank` products of two factors keeps unit variance
        self.image_core = unit_linear(config.hidden, config.rank * config.core_dim, share)
        self.text_core = unit_linear(config.hidden, config.rank * config.core_dim, share)
        self.project = unit_linear(config.core_dim, config.fused_dim)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, project, multiply, sum over the rank and map."""
        v, t = self.image(masked_mean(*image)), self.text(masked_mean(*text))
        products = (self.image_core(v) * self.text_core(t)).unflatten(1, (self.rank, -1))
        return Fused(self.project(products.sum(1)))
