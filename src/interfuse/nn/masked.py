"""Operations on tokens that never look under the mask (True = a real token)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def full_mask(tokens: Float[Tensor, "batch tokens dim"]) -> Bool[Tensor, "batch tokens"]:
    """Make a mask that calls every token real."""
    return torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)


def clean(
    tokens: Float[Tensor, "batch tokens dim"], mask: Bool[Tensor, "batch tokens"]
) -> Float[Tensor, "batch tokens dim"]:
    """Put zeros where the mask is False, whatever stood there."""
    return tokens.where(mask.unsqueeze(-1), tokens.new_zeros(()))  # not `*`: 0 * NaN is NaN


def masked_mean(
    tokens: Float[Tensor, "batch tokens dim"], mask: Bool[Tensor, "batch tokens"]
) -> Float[Tensor, "batch dim"]:
    """Average the real tokens of each row; a row with none averages to zero."""
    return clean(tokens, mask).sum(1) / mask.sum(1, keepdim=True).clamp_min(1).to(tokens.dtype)


def masked_max(
    tokens: Float[Tensor, "batch tokens dim"], mask: Bool[Tensor, "batch tokens"]
) -> Float[Tensor, "batch dim"]:
    """Take the largest of the real tokens, channel by channel; a row with none gives zero."""
    lowest = torch.full((), -torch.inf, dtype=tokens.dtype, device=tokens.device)
    highest = tokens.where(mask.unsqueeze(-1), lowest).amax(1)
    return highest.where(mask.any(1, keepdim=True), highest.new_zeros(()))


def masked_softmax(scores: Float[Tensor, "*axes keys"], mask: Bool[Tensor, "... keys"]) -> Float[Tensor, "*axes keys"]:
    """Softmax over the keys whose mask is True; a row with none gives zeros and no NaN in its gradient.

    The mask broadcasts to the scores (`*#axes` would say so, but its check turns a dynamic batch of an export to a
    constant).
    """
    lowest = torch.finfo(scores.dtype).min
    masked = scores.where(mask, torch.full((), lowest, dtype=scores.dtype, device=scores.device))
    return masked.softmax(-1).where(mask, masked.new_zeros(()))


def one_at_least(mask: Bool[Tensor, "batch tokens"]) -> Bool[Tensor, "batch tokens"]:
    """Call the first slot real in a row without any real token: a missing modality as one (cleaned, zero) token."""
    first = torch.arange(mask.shape[1], device=mask.device) == 0
    return mask | (first & ~mask.any(1, keepdim=True))
