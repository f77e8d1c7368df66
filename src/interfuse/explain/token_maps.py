"""Every map of tokens that can be drawn for an answer, each with its deletion score."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from interfuse.core.modalities import Modalities
from interfuse.core.tokens import Tokens
from interfuse.explain.attention import AttentionMaps, attention_maps
from interfuse.explain.occlusion import Deletion, measure_deletion, occlusion
from interfuse.explain.relevance import relevance
from interfuse.training import Network

OCCLUSION, GRADIENT = "occlusion", "gradient × attention"


@dataclass(frozen=True)
class TokenMaps:
    """The maps over image tokens and over text tokens, by name; a network that does not attend has occlusion alone."""

    attention: AttentionMaps
    weights: Modalities[dict[str, Float[Tensor, "batch tokens"]]]
    deletions: Modalities[dict[str, Deletion]]
    """Of each map; empty for regression, which gives no probability."""

    def captions(self) -> Modalities[dict[str, list[str]]]:
        """Return a caption for each map of each row: its name and its deletion score beside the random one, points."""
        return Modalities(
            **{
                modality: {
                    name: _caption(name, self.deletions.of(modality).get(name), len(part))
                    for name, part in weights.items()
                }
                for modality, weights in self.weights.named()
            }
        )


def token_maps(
    network: Network, image: Tokens, text: Tokens, classes: Int64[Tensor, " batch"], task: str = "multiclass"
) -> TokenMaps:
    """Make every map of these rows, and delete tokens in the order of each.

    Args:
        network: trained.
        image: one picture a row.
        text: one text a row.
        classes: whose probability is explained.
        task: of the rows.
    """
    attention, gradient = attention_maps(network, image, text), relevance(network, image, text, classes)
    over_image, over_text = _attended(attention, image, text)
    if gradient is not None:
        over_image[GRADIENT], over_text[GRADIENT] = gradient.image, gradient.text
    drops = occlusion(network, image, text, classes, task)
    over_image[OCCLUSION], over_text[OCCLUSION] = drops.image, drops.text
    maps = Modalities(*(_drawable(weights, t) for weights, t in ((over_image, image), (over_text, text))))
    deletions = {
        name: {} if task == "regression" else measure_deletion(network, image, text, classes, name, weights, task)
        for name, weights in maps.named()
    }
    return TokenMaps(attention, maps, Modalities(**deletions))


def _attended(maps: AttentionMaps, image: Tokens, text: Tokens) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return where attention went over the picture, and over the words."""
    over_image: dict[str, Tensor] = {}
    if maps.text_to_image is not None:
        over_image["attention of the text"] = maps.text_to_image.sum(1) / text.mask.sum(1, keepdim=True).clamp_min(1)
    elif maps.over_image is not None:
        over_image["attention over the picture"] = maps.over_image
    if maps.image_to_text is None:
        return over_image, {}
    mean = maps.image_to_text.sum(1) / image.mask.sum(1, keepdim=True).clamp_min(1)
    return over_image, {"attention of the image": mean}


def _drawable(weights: dict[str, Tensor], tokens: Tokens) -> dict[str, Tensor]:
    """Leave out maps of a modality that the network pools before it attends, and those that are 0 everywhere."""
    return {
        name: own
        for name, own in weights.items()
        if own.shape == tokens.mask.shape and (name != OCCLUSION or torch.any(own))
    }


def _caption(name: str, deletion: Deletion | None, rows: int) -> list[str]:
    if deletion is None:
        return [name] * rows
    pairs = zip((100 * deletion.area).tolist(), (100 * deletion.random).tolist(), strict=True)
    return [f"{name}; deletion {area:.0f}, random {random:.0f}" for area, random in pairs]
