"""Logits with a modality taken away: the network's own absent token stands for it."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from interfuse.core.modalities import MODALITIES
from interfuse.data import Features, make_batch
from interfuse.training import EVAL_BATCH, Network, NetworkOutput


@torch.inference_mode()
def logits_without(
    network: Network,
    features: Features,
    rows: Int64[Tensor, " rows"],
    without: tuple[str, ...] = (),
    batch_size: int = EVAL_BATCH,
) -> Float[Tensor, "rows classes"]:
    """Compute logits in eval mode, float32, in the order of `rows`.

    Args:
        network: trained.
        features: the rows.
        rows: their numbers.
        without: `image`, `text`, both or none: what every row loses.
        batch_size: rows a forward pass.
    """
    network.eval()
    dropout = torch.tensor([name in without for name in MODALITIES])
    parts = []
    for numbers in rows.split(batch_size):
        batch = make_batch(features, numbers, dropout.expand(len(numbers), 2)).to(next(network.parameters()).device)
        output: NetworkOutput = network(batch.image, batch.text, batch.image_index, batch.text_index)
        parts.append(output.logits.float().cpu())
    return torch.cat(parts) if parts else torch.empty(0, len(features.label_names))
