"""In-batch contrastive training for matching: each picture against the texts of the batch, and the reverse."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.core.modalities import Modalities
from interfuse.data import Batch

LARGEST_SCALE = 100.0


class Contrast(nn.Module):
    """The symmetric InfoNCE loss with a learned scale.

    `½ (mean_i −log softmax_j(s e_i·g_j)[i] + mean_j −log softmax_i(s e_i·g_j)[j])` over the pairs of the batch that
    belong together, `e`, `g` unit vectors, `s` learned, at most 100, first 20. Another pair with the same picture or
    the same text is no negative and is left out.

    Reference:
        Radford et al. 2021, https://arxiv.org/abs/2103.00020, figure 3. Ours leaves out equal pictures and texts.
    """

    def __init__(self) -> None:
        """Make the scale."""
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(20.0)))

    def forward(
        self,
        image: Float[Tensor, "pairs dim"],
        text: Float[Tensor, "pairs dim"],
        pictures: Int64[Tensor, " pairs"],
        texts: Int64[Tensor, " pairs"],
    ) -> Float[Tensor, ""]:
        """Compute the loss of pairs that belong together; fewer than two give zero.

        Args:
            image: vectors of the pictures, brought to unit length here.
            text: of the texts.
            pictures: which picture each pair has.
            texts: which text.
        """
        image, text = F.normalize(image.float(), dim=-1), F.normalize(text.float(), dim=-1)
        similarity = image @ text.T * self.log_scale.exp().clamp(max=LARGEST_SCALE)
        if len(similarity) < 2:
            return similarity.sum() * 0
        same = (pictures.unsqueeze(1) == pictures) | (texts.unsqueeze(1) == texts)
        own = torch.eye(len(same), dtype=torch.bool, device=same.device)
        similarity = similarity.masked_fill(same & ~own, -math.inf)
        truth = torch.arange(len(same), device=same.device)
        return (F.cross_entropy(similarity, truth) + F.cross_entropy(similarity.T, truth)) / 2


def contrast_pairs(contrast: nn.Module | None, vectors: Modalities[Tensor], batch: Batch) -> Float[Tensor, ""]:
    """Compute the contrastive loss of the batch's pairs that belong together and miss neither modality."""
    assert contrast is not None
    image_there, text_there = (part.mask.any(1) for part in (batch.image, batch.text))
    matches = (batch.labels == 1) & image_there[batch.image_index] & text_there[batch.text_index]
    pictures, texts = batch.image_index[matches], batch.text_index[matches]
    loss: Tensor = contrast(vectors.image[matches], vectors.text[matches], pictures, texts)
    return loss


def check_contrastive(design: Design, task: str) -> None:
    """Refuse a contrastive loss for any task but matching.

    Raises:
        ConfigError: the task is another.
    """
    if design.contrastive and task != "matching":
        raise ConfigError(
            f"design {design.name!r}: contrastive={design.contrastive:g} draws each picture to its own text, which is "
            f"for matching; the task is {task}. Fix: contrastive=0."
        )
