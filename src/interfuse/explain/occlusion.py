"""Occlusion: by how much an answer falls when one token is taken out; deletion: when a map's tokens go one by one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from interfuse.core.modalities import MODALITIES, Modalities
from interfuse.core.seeds import generator
from interfuse.core.tasks import is_single_class
from interfuse.core.tokens import Tokens
from interfuse.training import EVAL_BATCH, Network

STEPS = 10
"""Parts in which the tokens are deleted."""
ORDERS = 5
"""Random orders beside a map's."""


@dataclass(frozen=True)
class Occlusion:
    """What each token is worth to one answer; 0 under the mask, below 0 where the answer gains without it."""

    image: Float[Tensor, "batch image_tokens"]
    text: Float[Tensor, "batch text_tokens"]


@dataclass(frozen=True)
class Deletion:
    """Area under the answer's probability while tokens are deleted, fraction 0 to 1: the lower, the better."""

    area: Float[Tensor, " batch"]
    """In the order of a map, the greatest first."""
    random: Float[Tensor, " batch"]
    """In random order, the mean of five."""


@torch.inference_mode()
def occlusion(
    network: Network, image: Tokens, text: Tokens, classes: Int64[Tensor, " batch"], task: str = "multiclass"
) -> Occlusion:
    """Leave out one token at a time, by the mask: the drop of the answer's log-odds against each other class.

    That is of `mean over c ≠ answer of log p_answer / p_c`. Against all of them at once, `log p / (1 − p)`, a word that
    decides looks harmless wherever the network guesses the same without it. A modality's last token leaves its absent
    state behind. For regression it is how far the number moves, either way. What two tokens say alike shows at neither,
    for one is left when the other goes.

    Args:
        network: trained.
        image: one picture a row.
        text: one text a row.
        classes: whose probability is explained.
        task: of the rows.

    Reference:
        Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901, who grey out a patch; ours takes the token out.
    """
    network.eval()
    whole, drops = _answer_odds(network(image, text).logits, classes, task), {}
    for modality, tokens in Modalities(image, text).named():
        rows, places = tokens.mask.nonzero(as_tuple=True)
        drop = torch.zeros(tokens.mask.shape, dtype=whole.dtype, device=whole.device)
        masks = tokens.mask[rows]
        masks[torch.arange(len(rows), device=masks.device), places] = False
        logits = _mask(network, Modalities(image, text), modality, rows, masks)
        change = whole[rows] - _answer_odds(logits, classes[rows], task)
        drop[rows, places] = change.abs() if task == "regression" else change
        drops[modality] = drop
    return Occlusion(**drops)


@torch.inference_mode()
def measure_deletion(
    network: Network,
    image: Tokens,
    text: Tokens,
    classes: Int64[Tensor, " batch"],
    modality: str,
    maps: Mapping[str, Float[Tensor, "batch tokens"]],
    task: str = "multiclass",
) -> dict[str, Deletion]:
    """Delete one modality's tokens in the order of each map, a tenth at a time, and in random order.

    The other modality stays whole. Tokens that a map weighs alike go in random order, so a map that points at nothing
    is as good as chance.

    Args:
        network: trained.
        image: one picture a row.
        text: one text a row.
        classes: whose probability is followed.
        modality: image or text.
        maps: weights of its tokens by the map's name.
        task: of the rows; not regression, which gives no probability.

    Reference:
        Petsiuk et al. 2018, RISE, https://arxiv.org/abs/1806.07421, the deletion metric, there of pixels.
    """
    network.eval()
    both = Modalities(image, text)
    mask = both.of(modality).mask
    draw = generator(0, "deletion", modality)
    shuffles = torch.rand(len(mask), ORDERS, mask.shape[1], generator=draw).to(mask.device)
    noise = torch.rand(mask.shape, generator=draw).to(mask.device)
    ranks = [_rank(shuffles[:, number], mask, noise) for number in range(ORDERS)]
    ranks += [_rank(weights, mask, noise) for weights in maps.values()]
    areas = torch.stack([_area(network, both, modality, classes, rank, task) for rank in ranks], 1)  # (batch, orders)
    random = areas[:, :ORDERS].mean(1)
    return {name: Deletion(areas[:, ORDERS + number], random) for number, name in enumerate(maps)}


def _rank(
    weights: Float[Tensor, "batch tokens"], mask: Bool[Tensor, "batch tokens"], noise: Float[Tensor, "batch tokens"]
) -> Int64[Tensor, "batch tokens"]:
    """Return each token's place in the order of falling weight; what is not real comes last."""
    shuffled = noise.argsort(1)
    masked = weights.masked_fill(~mask, -torch.inf).gather(1, shuffled)
    order = shuffled.gather(1, masked.argsort(dim=1, descending=True, stable=True))
    return order.argsort(1)


def _area(
    network: Network, both: Modalities[Tokens], modality: str, classes: Tensor, ranks: Tensor, task: str
) -> Float[Tensor, " batch"]:
    """Area under the probability over the part that is deleted, by the trapezoid rule."""
    mask = both.of(modality).mask
    parts = torch.linspace(0, 1, STEPS + 1, device=mask.device)
    gone = (mask.sum(1, keepdim=True) * parts).round().long()  # (batch, steps)
    masks = mask[:, None] & (ranks[:, None] >= gone[:, :, None])  # (batch, steps, tokens)
    rows = torch.arange(len(mask), device=mask.device).repeat_interleave(STEPS + 1)
    logits = _mask(network, both, modality, rows, masks.flatten(0, 1))
    probability = _probability(logits, classes[rows], task).unflatten(0, (len(mask), STEPS + 1))
    return torch.trapezoid(probability, parts, dim=1)


def _mask(
    network: Network, both: Modalities[Tokens], modality: str, rows: Tensor, masks: Tensor
) -> Float[Tensor, "variants classes"]:
    """Return the logits of these rows with other masks of one modality, some at a time."""
    parts = []
    for numbers, part in _split(rows, masks):
        tokens = {name: Tokens(both.of(name).tokens[numbers], both.of(name).mask[numbers]) for name in MODALITIES}
        tokens[modality] = Tokens(tokens[modality].tokens, part)
        parts.append(network(tokens["image"], tokens["text"]).logits)
    return torch.cat(parts) if parts else network(*both).logits[:0]


def _split(rows: Tensor, masks: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    yield from zip(rows.split(EVAL_BATCH), masks.split(EVAL_BATCH), strict=True)


def _answer_odds(logits: Float[Tensor, "batch classes"], classes: Int64[Tensor, " batch"], task: str) -> Tensor:
    """Return the mean over other classes of `log p_c / p_other`; of several labels the log-odds; the number itself."""
    own = logits.gather(1, classes[:, None])[:, 0]
    if not is_single_class(task) or logits.shape[1] == 1:
        return own
    return (own - logits.mean(1)) * logits.shape[1] / (logits.shape[1] - 1)


def _probability(logits: Float[Tensor, "batch classes"], classes: Int64[Tensor, " batch"], task: str) -> Tensor:
    probs = logits.softmax(1) if is_single_class(task) else logits.sigmoid()
    return probs.gather(1, classes[:, None])[:, 0]
