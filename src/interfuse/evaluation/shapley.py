"""Shapley values of two players, and what of the score is lost without one: how image and text share it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from interfuse.evaluation.components import mean_interval
from interfuse.evaluation.intervals import Interval


@dataclass(frozen=True)
class Shapley:
    """Each modality's part of the score; the parts add up to what both give above neither."""

    image: Interval
    text: Interval
    interaction: Interval
    """v(text, image) − v(text) − v(image) + v(neither): above 0 they are worth more together, below 0 they repeat."""
    both: float
    image_alone: float
    text_alone: float
    neither: float

    @property
    def image_utilisation(self) -> float | None:
        """Share of the score that the image adds to the text; None where there is no score to share."""
        return conditional_utilisation(self.both, self.text_alone)

    @property
    def text_utilisation(self) -> float | None:
        """Share of the score that the text adds to the image; None where there is no score to share."""
        return conditional_utilisation(self.both, self.image_alone)


def conditional_utilisation(both: float, other_alone: float) -> float | None:
    """Return `u(m | other) = (v(m, other) − v(other)) / v(m, other)`, the share of the score that a modality adds.

    0: the score is the same without the modality; 1: nothing is left without it. Below 0 the modality does harm, above
    1 (R² only) the other alone is worse than the mean. None where v(both) is not above 0, and its share has no meaning.

    Args:
        both: score with both modalities.
        other_alone: score with the other modality alone.

    Reference:
        Wu et al. 2022, https://arxiv.org/abs/2202.05306, whose accuracies are those of a branch of the network with and
        without what the other branch sends it. Ours are of the whole network, with the model's own absent state.
    """
    return (both - other_alone) / both if both > 0 else None


def measure_shapley(
    both: Float[np.ndarray, " rows"],
    image_alone: Float[np.ndarray, " rows"],
    text_alone: Float[np.ndarray, " rows"],
    neither: Float[np.ndarray, " rows"],
    groups: Int[np.ndarray, " rows"] | None = None,
) -> Shapley:
    """Share the score exactly: `φ_t = ½ [v(t) − v(∅) + v(t, i) − v(i)]`, likewise for the image.

    Args:
        both: score of each row with both modalities.
        image_alone: score with the text absent, which is the model's own absent state.
        text_alone: score with the image absent.
        neither: score with both absent.
        groups: rows of one group are one item of the intervals.

    Reference:
        Shapley 1953 with two players. MM-SHAP, Parcalabescu and Frank 2023, https://arxiv.org/abs/2212.08158, samples
        over single tokens and shares the probability; ours is exact, over whole modalities, and shares the score.
    """
    shares = share(both, image_alone, text_alone, neither)
    parts = [mean_interval(values.astype(np.float64)[None], groups) for values in shares]
    return Shapley(
        image=parts[0],
        text=parts[1],
        interaction=parts[2],
        both=float(both.mean()),
        image_alone=float(image_alone.mean()),
        text_alone=float(text_alone.mean()),
        neither=float(neither.mean()),
    )


def share(
    both: Float[np.ndarray, " rows"],
    image_alone: Float[np.ndarray, " rows"],
    text_alone: Float[np.ndarray, " rows"],
    neither: Float[np.ndarray, " rows"],
) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, " rows"], Float[np.ndarray, " rows"]]:
    """Return each row's part of the image, of the text, and their interaction."""
    image = 0.5 * (image_alone - neither + both - text_alone)
    text = 0.5 * (text_alone - neither + both - image_alone)
    return image, text, both - text_alone - image_alone + neither
