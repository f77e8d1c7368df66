"""Mixture of experts: a gate chooses, row by row, which small networks judge image and text together."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import Perceptron, masked_mean


@dataclass(frozen=True)
class MixtureOfExpertsConfig(FusionConfig):
    """Settings of `MixtureOfExpertsFusion`."""

    num_experts: int = 4
    """Expert networks; every one sees both modalities."""
    hidden: int | None = None
    """Width of an expert's hidden layer (GELU); none: fused_dim, 0: linear experts."""

    def __post_init__(self) -> None:
        """Refuse a single expert, which leaves nothing to choose."""
        super().__post_init__()
        at_least("mixture_of_experts", 2, num_experts=self.num_experts)
        at_least("mixture_of_experts", 0, hidden=self.hidden or 0)


@FUSIONS.register(
    "mixture_of_experts",
    config=MixtureOfExpertsConfig,
    reference="https://doi.org/10.1162/neco.1991.3.1.79",
    family="gated",
    good_for="rows of several kinds, each with its own way to combine picture and text",
    oracle="formula; torch.distributions.MixtureSameFamily",
)
class MixtureOfExpertsFusion(FusionMechanism):
    """Add the answers of expert networks, weighted by a softmax gate of the same input.

    `fused = Σ_e g_e E_e([v; t])`, `g = softmax(W_g [v; t])`, each `E_e` linear, GELU, linear; biases understood,
    `v`, `t` the masked means.

    Reference:
        Jacobs et al. 1991, https://doi.org/10.1162/neco.1991.3.1.79. Ours pools tokens first, mixes all experts (no
        top-k, so every expert has a gradient in every row) and has no loss that balances their load: see `load`.
    """

    pools = True

    def __init__(self, config: MixtureOfExpertsConfig) -> None:
        """Make the experts and their gate."""
        super().__init__(config)
        both = config.image_dim + config.text_dim
        hidden = config.fused_dim if config.hidden is None else config.hidden
        self.gate = nn.Linear(both, config.num_experts)
        self.experts = nn.ModuleList(Perceptron(both, hidden, config.fused_dim) for _ in range(config.num_experts))

    def weights(self, image: Tokens, text: Tokens) -> Float[Tensor, "batch experts"]:
        """Compute the weight of each expert in each row; a row sums to 1."""
        scores: Tensor = self.gate(torch.cat([masked_mean(*image), masked_mean(*text)], -1))
        return scores.softmax(-1)

    def load(self, image: Tokens, text: Tokens) -> Float[Tensor, " experts"]:
        """Average each expert's weight over the batch: 1 / num_experts when balanced, 0 when an expert is unused."""
        return self.weights(image, text).mean(0)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, ask every expert, weigh and add."""
        both = torch.cat([masked_mean(*image), masked_mean(*text)], -1)
        answers = torch.stack([expert(both) for expert in self.experts], 1)  # (batch, experts, fused_dim)
        return Fused((self.weights(image, text).unsqueeze(-1) * answers).sum(1))
