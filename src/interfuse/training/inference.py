"""What a network answers to rows, in eval mode and float32; several processes share the rows among them."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from interfuse.data import Features, eval_batches
from interfuse.evaluation import example_scores
from interfuse.settings import EVAL_BATCH
from interfuse.training.distributed import total, world
from interfuse.training.network import Network, NetworkOutput
from interfuse.training.objective import Objective, to_probs

TOWER_BATCH = 64
"""Rows a forward pass where the encoders run too."""


@torch.inference_mode()
def predict_probs(
    network: Network, features: Features, rows: Int64[Tensor, " rows"], batch_size: int = EVAL_BATCH
) -> Float[Tensor, "rows classes"]:
    """Compute the probabilities of these rows, or a regression's numbers, float32, in eval mode, in their order.

    Processes that joined each compute an equal part of the rows, and all get all of it: each must call.
    """
    return to_probs(_logits(network, features, rows, batch_size), features.task)


@torch.inference_mode()
def validate(
    network: Network, features: Features, rows: Int64[Tensor, " rows"], objective: Objective
) -> tuple[float, float]:
    """Return the mean score and the mean loss over these rows of a network that is still training.

    Both are NaN where an answer is NaN or infinite.
    """
    logits = _logits(network, features, rows, EVAL_BATCH)
    labels, answers = features.labels[rows], objective.decode(logits)
    if not answers.isfinite().all():
        return math.nan, math.nan
    scores = example_scores(answers.numpy(), labels.numpy(), features.task)
    return float(scores.mean()), float(objective(logits, labels))


@torch.inference_mode()
def head_losses(
    network: Network, features: Features, rows: Int64[Tensor, " rows"], objective: Objective
) -> Float[Tensor, " heads"]:
    """Return the mean loss of the fused, the image and the text head over these rows."""
    network.eval()
    losses, device = torch.zeros(3), next(network.parameters()).device
    for batch in eval_batches(features, rows, fitting(network, EVAL_BATCH)):
        batch = batch.to(device)
        output: NetworkOutput = network(batch.image, batch.text, batch.image_index, batch.text_index, unimodal=True)
        assert output.unimodal is not None
        heads = (output.logits, *output.unimodal)
        each = torch.stack([objective(logits.float(), batch.labels) for logits in heads])
        losses += each.cpu() * len(batch.rows)
    return losses / len(rows)


def fitting(network: Network, batch_size: int) -> int:
    """Return the rows of a forward pass: fewer where the encoders run too."""
    return min(batch_size, TOWER_BATCH) if len(network.towers) else batch_size


def _logits(network: Network, features: Features, rows: Tensor, batch_size: int) -> Tensor:
    network.eval()
    device, here = next(network.parameters()).device, world()
    mine = torch.arange(len(rows)).tensor_split(here.size)[here.rank]
    out = torch.zeros(len(rows), len(features.label_names))
    start = int(mine[0]) if len(mine) else 0
    for batch in eval_batches(features, rows[mine], fitting(network, batch_size)):
        batch = batch.to(device)
        output: NetworkOutput = network(batch.image, batch.text, batch.image_index, batch.text_index)
        out[start : start + len(batch.rows)] = output.logits.float().cpu()
        start += len(batch.rows)
    return total(out)  # the other processes' rows are 0 here
