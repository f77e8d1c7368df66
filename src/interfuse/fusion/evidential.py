"""Evidential late fusion: each modality gives evidence and says how sure it is; opinions combine by Dempster's rule."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from interfuse.core.errors import ConfigError
from interfuse.core.settings import at_least
from interfuse.core.tokens import Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig
from interfuse.fusion.late import LateFusion


@dataclass(frozen=True)
class EvidentialConfig(FusionConfig):
    """Settings of `EvidentialFusion`; fused_dim counts the classes."""

    hidden: int = 256
    """Width of the hidden layer (GELU) of each modality's head; 0: a linear head."""
    evidence: Literal["softplus", "exp"] = "softplus"
    """How a head's output becomes evidence; exp is taken of at most 10."""

    def __post_init__(self) -> None:
        """Refuse a negative width, and opinions on one class."""
        super().__post_init__()
        at_least("evidential", 0, hidden=self.hidden)
        if self.fused_dim < 2:
            raise ConfigError(
                f"evidential: opinions need 2 classes or more, got fused_dim={self.fused_dim}. "
                "Use late_mean with link='sigmoid' for one label, link='identity' for one target."
            )


class Opinions(NamedTuple):
    """Dirichlet concentrations of the class probabilities: `α = 1 + evidence`, uncertainty `classes / Σ α`."""

    image: Float[Tensor, "batch classes"]
    text: Float[Tensor, "batch classes"]
    combined: Float[Tensor, "batch classes"]


def combine_evidence(
    first: Float[Tensor, "batch classes"], second: Float[Tensor, "batch classes"]
) -> Float[Tensor, "batch classes"]:
    """Combine two bodies of evidence by Dempster's reduced rule: `e = e_1 + e_2 + e_1 ⊙ e_2 / K`.

    With `b = e / S`, `u = K / S`, `S = K + Σ e` the rule reads `b = (b_1 b_2 + b_1 u_2 + b_2 u_1) / (1 - C)`,
    `u = u_1 u_2 / (1 - C)`, `C` the conflict `Σ_(i≠j) b_1i b_2j`. In `e = K b / u` the `1 - C`, `S_1` and `S_2` cancel
    and leave the above: nothing to divide by, whatever the conflict. That is `1 + e/K = (1 + e_1/K) ⊙ (1 + e_2/K)`, so
    the class with most evidence is found by adding `log (1 + e_m/K)`: like every late fusion it ranks additively.
    """
    return first + second + first * (second / first.shape[-1])


def evidential_loss(
    alpha: Float[Tensor, "batch classes"], labels: Int64[Tensor, " batch"], annealing: int | float = 1.0
) -> Float[Tensor, " batch"]:
    """Compute the expected cross-entropy under a Dirichlet, and a penalty on evidence for wrong classes.

    `ψ(S) - ψ(α_y) + λ KL(Dir(α̃) ‖ Dir(1))`, `S = Σ α`, `α̃` = `α` with 1 at the label, `λ` = `annealing`, 0 to 1, which
    the source raises as `min(1, epoch / 50)` or so, lest the penalty stifle all evidence at the start.

    Reference:
        Han et al. 2021, https://arxiv.org/abs/2102.02051, section 3.3; after Sensoy et al. 2018,
        https://arxiv.org/abs/1806.01768.
    """
    alpha = alpha.float() if alpha.dtype in (torch.bfloat16, torch.float16) else alpha
    cross_entropy = alpha.sum(-1).digamma() - alpha.gather(-1, labels.unsqueeze(-1)).squeeze(-1).digamma()
    right = F.one_hot(labels, alpha.shape[-1]).bool()
    wrong = alpha.where(~right, alpha.new_ones(()))
    total = wrong.sum(-1)
    constant = torch.lgamma(alpha.new_tensor(float(alpha.shape[-1])))
    normalisers = torch.lgamma(total) - torch.lgamma(wrong).sum(-1) - constant
    divergence = normalisers + ((wrong - 1) * (wrong.digamma() - total.digamma().unsqueeze(-1))).sum(-1)
    return cross_entropy + annealing * divergence


@FUSIONS.register(
    "evidential",
    config=EvidentialConfig,
    reference="https://arxiv.org/abs/2102.02051",
    family="late",
    good_for="predictions that must say how sure they are, row by row and modality by modality",
    oracle="Dempster's rule by enumeration of sets; torch.distributions.Dirichlet",
)
class EvidentialFusion(LateFusion):
    """Combine the modalities' evidence for each class by Dempster's rule.

    `e_m = softplus(l_m)`, `e = e_v + e_t + e_v ⊙ e_t / K`, `α = 1 + e`, `fused = log (α / Σ α)`, the logarithm of the
    expected class probabilities, `l_m` the head's logits of the masked mean, K classes. A missing modality has no
    evidence (the vacuous opinion), so that the other's opinion stands; with both missing the vector is uniform.

    Train it on `loss` for calibrated opinions; with plain cross-entropy on the vector it is a late fusion like others.

    Reference:
        Trusted multi-view classification, Han et al. 2021, https://arxiv.org/abs/2102.02051. Ours computes the same
        rule on evidence instead of beliefs (`combine_evidence`).
    """

    def __init__(self, config: EvidentialConfig) -> None:
        """Make a head for each modality."""
        super().__init__(config, config.hidden)
        self.evidence = config.evidence

    def combine(
        self, logits: Float[Tensor, "modalities batch classes"], present: Bool[Tensor, "modalities batch 1"]
    ) -> Float[Tensor, "batch classes"]:
        """Turn logits to opinions, combine them, return the logarithm of the expected probabilities."""
        alpha = self._opinions(logits, present).combined
        return alpha.log() - alpha.sum(-1, keepdim=True).log()

    def opinions(self, image: Tokens, text: Tokens) -> Opinions:
        """Compute the opinions from image, from text and from both; a missing modality's is vacuous, all ones."""
        present = torch.stack([image.mask.any(1), text.mask.any(1)]).unsqueeze(-1)
        return self._opinions(torch.stack(self.unimodal(image, text)), present)

    def loss(
        self, image: Tokens, text: Tokens, labels: Int64[Tensor, " batch"], annealing: int | float = 1.0
    ) -> Float[Tensor, ""]:
        """Average over rows the `evidential_loss` of the combined opinion plus that of each present modality's own."""
        opinions = self.opinions(image, text)
        rows = evidential_loss(opinions.combined, labels, annealing)
        for alpha, mask in ((opinions.image, image.mask), (opinions.text, text.mask)):
            own = evidential_loss(alpha, labels, annealing)
            rows = rows + own.where(mask.any(1), own.new_zeros(()))
        return rows.mean()

    def _opinions(self, logits: Tensor, present: Tensor) -> Opinions:
        evidence = F.softplus(logits) if self.evidence == "softplus" else logits.clamp_max(10).exp()
        image, text = evidence.where(present, evidence.new_zeros(())).unbind(0)
        return Opinions(1 + image, 1 + text, 1 + combine_evidence(image, text))
