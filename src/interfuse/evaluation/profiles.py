"""What a network makes of each text and picture, read off its answers and its attention."""

import numpy as np
import scipy
from jaxtyping import Float, Int

from interfuse.evaluation.emap import Table

PARTNERS = 64
"""Partners whose answers make up a profile; more tell no more."""


def profile_rows(logits: Table) -> tuple[Float[np.ndarray, "texts features"], Float[np.ndarray, "images features"]]:
    """Describe each text by the probabilities that it gets with the pictures, and each picture likewise.

    Two pictures with the same profile are the same to this model, whatever the text: so a profile shows all that the
    model takes from one modality, without an absent state that it may never have been trained for.
    """
    probs = scipy.special.softmax(logits.astype(np.float64), -1)
    partners = np.linspace(0, len(probs) - 1, min(PARTNERS, len(probs))).astype(int)
    by_text = probs[:, partners].reshape(len(probs), -1)
    by_image = probs[partners].swapaxes(0, 1).reshape(probs.shape[1], -1)
    return by_text, by_image


def attention_spread(weights: Float[np.ndarray, "batch queries keys"], keys: Int[np.ndarray, " batch"]) -> float:
    """Effective number of tokens attended to by their number, `exp(−Σ w log w) / n`, averaged over real queries.

    Rows are brought to sum 1 first; a row that sums to 0 is no query.
    """
    total = weights.sum(-1, keepdims=True)
    real = total[..., 0] > 0
    share = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    entropy = -np.where(share > 0, share * np.log(np.maximum(share, 1e-30)), 0.0).sum(-1)
    return float((np.exp(entropy) / keys[:, None])[real].mean())
