"""Late fusion: each modality predicts by itself, and only the predictions are combined."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Num
from torch import Tensor, nn

from interfuse.core.errors import ConfigError, ShapeError
from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import Perceptron, masked_mean

Link = Literal["softmax", "sigmoid", "identity"]


@dataclass(frozen=True)
class LateConfig(FusionConfig):
    """Settings of the late mechanisms; fused_dim counts the classes, labels or targets."""

    hidden: int = 256
    """Width of the hidden layer (GELU) of each modality's head; 0: a linear head."""
    link: Link = "softmax"
    """How outputs become probabilities: softmax (one class a row), sigmoid (many labels), identity (regression)."""

    def __post_init__(self) -> None:
        """Refuse a negative width, and a softmax over one class."""
        super().__post_init__()
        at_least("late fusion", 0, hidden=self.hidden)
        if self.link == "softmax" and self.fused_dim < 2:
            raise ConfigError(
                f"late fusion: link='softmax' needs 2 classes or more, got fused_dim={self.fused_dim}: the only class "
                "would always have probability 1. Use link='sigmoid' for one label, link='identity' for one target."
            )


@dataclass(frozen=True)
class LateProbabilityConfig(LateConfig):
    """Settings of a late mechanism that combines probabilities, which a regression does not have."""

    def __post_init__(self) -> None:
        """Refuse the identity link."""
        super().__post_init__()
        if self.link == "identity":
            raise ConfigError(
                "late_logit and late_product combine probabilities, and with link='identity' (regression) there are "
                "none: a sum of two predictions is not a prediction. Use late_mean, which averages them."
            )


class LateFusion(FusionMechanism):
    """Predict from each modality by a head of its own, and combine the predictions of the modalities that are there.

    A subclass defines `combine`. The vector is the logits: under the link it gives the combined probabilities.
    """

    pools = True
    gives_logits = True

    def __init__(self, config: FusionConfig, hidden: int) -> None:
        """Make a head for each modality."""
        super().__init__(config)
        self.image = Perceptron(config.image_dim, hidden, config.fused_dim)
        self.text = Perceptron(config.text_dim, hidden, config.fused_dim)

    def unimodal(
        self, image: Tokens, text: Tokens
    ) -> tuple[Float[Tensor, "batch classes"], Float[Tensor, "batch classes"]]:
        """Compute each head's logits; those of a missing modality, which `fuse` ignores, are its head's of zeros."""
        return self.image(masked_mean(*image)), self.text(masked_mean(*text))

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, predict from each modality, combine what is there."""
        present = torch.stack([image.mask.any(1), text.mask.any(1)]).unsqueeze(-1)
        return Fused(self.combine(torch.stack(self.unimodal(image, text)), present))

    def tails(self) -> list[nn.Module]:
        """List both heads."""
        return [self.image, self.text]

    @abstractmethod
    def combine(
        self, logits: Float[Tensor, "modalities batch classes"], present: Bool[Tensor, "modalities batch 1"]
    ) -> Float[Tensor, "batch classes"]:
        """Combine the logits of the modalities that are present."""


def log_mean_exp(
    values: Float[Tensor, "modalities batch classes"], present: Bool[Tensor, "modalities batch 1"]
) -> Float[Tensor, "batch classes"]:
    """Compute `log mean exp(values)` over the modalities that are present; zeros where none is."""
    lowest = torch.full((), torch.finfo(values.dtype).min, dtype=values.dtype, device=values.device)
    total = values.where(present, lowest).logsumexp(0)
    mean = total - present.sum(0).clamp_min(1).to(values.dtype).log()
    return mean.where(present.any(0), mean.new_zeros(()))


def sum_present(
    values: Float[Tensor, "modalities batch classes"], present: Bool[Tensor, "modalities batch 1"]
) -> Float[Tensor, "batch classes"]:
    """Add over the modalities that are present; zeros where none is."""
    return values.where(present, values.new_zeros(())).sum(0)


@FUSIONS.register(
    "late_mean",
    config=LateConfig,
    reference="https://arxiv.org/abs/1705.09406",
    family="late",
    good_for="the floor without any interaction: modalities that err apart; the steadiest where one is often missing",
    oracle="formula; scipy.special.logsumexp",
)
class LateMeanFusion(LateFusion):
    """Average the modalities' probabilities.

    `fused = log (1/M Σ_m p_m)` over the M present modalities with `p_m = softmax(l_m)`, `l_m` the head's logits of the
    masked mean; link sigmoid: `logit (1/M Σ_m σ(l_m))`; link identity: `1/M Σ_m l_m`. A missing modality drops out;
    with both missing the vector is zero, which is uniform.

    Reference:
        Late fusion by averaging in Baltrušaitis et al. 2017, https://arxiv.org/abs/1705.09406. Ours trains both heads
        together, through the mean.
    """

    def __init__(self, config: LateConfig) -> None:
        """Make a head for each modality."""
        super().__init__(config, config.hidden)
        self.link = config.link

    def combine(
        self, logits: Float[Tensor, "modalities batch classes"], present: Bool[Tensor, "modalities batch 1"]
    ) -> Float[Tensor, "batch classes"]:
        """Average the probabilities of the modalities that are present."""
        if self.link == "identity":
            return sum_present(logits, present) / present.sum(0).clamp_min(1).to(logits.dtype)
        if self.link == "sigmoid":
            return log_mean_exp(F.logsigmoid(logits), present) - log_mean_exp(F.logsigmoid(-logits), present)
        return log_mean_exp(logits.log_softmax(-1), present)


@FUSIONS.register(
    "late_logit",
    config=LateProbabilityConfig,
    reference="https://arxiv.org/abs/1705.09406",
    family="late",
    good_for="the additive floor with deep heads: what it reaches needs no interaction between picture and text",
    oracle="formula; scipy.special.softmax",
)
class LateLogitFusion(LateFusion):
    """Add the modalities' logits.

    `fused = Σ_m l_m` over the present modalities, `l_m` the head's logits of the masked mean, for link softmax and
    sigmoid alike. A missing modality drops out; with both missing the vector is zero, which is uniform.

    Reference:
        The ensemble of logits, as the additive model in Hessel and Lee 2020, https://arxiv.org/abs/2010.06572; late
        fusion in Baltrušaitis et al. 2017, https://arxiv.org/abs/1705.09406. Ours trains both heads together.
    """

    def __init__(self, config: LateProbabilityConfig) -> None:
        """Make a head for each modality."""
        super().__init__(config, config.hidden)

    def combine(
        self, logits: Float[Tensor, "modalities batch classes"], present: Bool[Tensor, "modalities batch 1"]
    ) -> Float[Tensor, "batch classes"]:
        """Add the logits of the modalities that are present."""
        return sum_present(logits, present)


@FUSIONS.register(
    "late_product",
    config=LateProbabilityConfig,
    reference="https://doi.org/10.1109/34.667881",
    family="late",
    good_for="modalities that are independent given the class, and classes of very uneven frequency",
    oracle="formula; Bayes' rule on a table of independent modalities",
)
class LateProductFusion(LateFusion):
    """Multiply the modalities' probabilities and divide by the prior that each of them has counted.

    `fused = Σ_m log p_m - (M - 1) log p(y)` over the M present modalities with `p_m = softmax(l_m)`, up to a constant
    the logarithm of `∏_m p_m / p(y)^(M-1)`; link sigmoid: `Σ_m l_m - (M - 1) logit p(y)`. A missing modality drops
    out; with both missing the vector is the prior. It is Bayes' rule where the modalities are independent given the
    class.

    The prior is a buffer, uniform until `fit_prior` is given the training counts; while uniform, the probabilities are
    those of late_logit.

    Reference:
        The product rule of Kittler et al. 1998, https://doi.org/10.1109/34.667881. Ours trains both heads together.
    """

    prior: Tensor

    def __init__(self, config: LateProbabilityConfig) -> None:
        """Make a head for each modality, and a uniform prior."""
        super().__init__(config, config.hidden)
        self.link = config.link
        uniform = torch.zeros(config.fused_dim)  # log odds of one half
        self.register_buffer("prior", uniform.log_softmax(-1) if config.link == "softmax" else uniform)

    @torch.no_grad()
    def fit_prior(self, counts: Num[Tensor, " classes"], rows: int | None = None, smoothing: int | float = 1.0) -> None:
        """Take the prior from how often each class or label occurs in the training rows.

        Args:
            counts: rows that have each class or label.
            rows: number of training rows, needed for link sigmoid, where a row has any number of labels.
            smoothing: added to each count, so that a class without rows keeps a finite logarithm.

        Raises:
            ShapeError: there is not one count for each class.
            ConfigError: a count is negative or above `rows`, `rows` is needed, or a probability would be 0.
        """
        if counts.shape != self.prior.shape:
            raise ShapeError(
                f"counts has shape {tuple(counts.shape)}; expected one a class: {tuple(self.prior.shape)}."
            )
        if self.link == "sigmoid" and rows is None:
            raise ConfigError("late_product: link='sigmoid' needs the number of training rows. Give rows=….")
        yes = counts.double().to(self.prior.device) + smoothing
        no = (rows if self.link == "sigmoid" and rows else counts.double().sum()) + 2 * smoothing - yes
        if bool((counts < 0).any()) or bool((yes <= 0).any()) or bool((self.link == "sigmoid") and (no <= 0).any()):
            raise ConfigError(
                f"late_product: every class needs a probability above 0 and below 1, got counts from {counts.min():g} "
                f"to {counts.max():g}, rows={rows}, smoothing={smoothing}. Count training rows, with smoothing above 0."
            )
        self.prior.copy_(yes.log() - (no.log() if self.link == "sigmoid" else yes.sum().log()))

    def combine(
        self, logits: Float[Tensor, "modalities batch classes"], present: Bool[Tensor, "modalities batch 1"]
    ) -> Float[Tensor, "batch classes"]:
        """Multiply the probabilities of the modalities that are present, and divide by the prior."""
        scores = logits if self.link == "sigmoid" else logits.log_softmax(-1)
        return sum_present(scores, present) - (present.sum(0) - 1) * self.prior
