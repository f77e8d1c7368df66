"""Fine-tuned weights: kept apart from the encoder's own, as safetensors, and put in their place at opening."""

from pathlib import Path
from typing import Any

import torch

from interfuse.core.errors import DataError, EncoderError
from interfuse.core.weights import load_tensors, save_tensors
from interfuse.encoders.base import hash_files


def save_finetuned(network: torch.nn.Module, path: Path) -> None:
    """Write the trainable parameters of a fine-tuned encoder as a checkpoint; the frozen ones are its own."""
    learnt = {name: p.detach().cpu().contiguous() for name, p in network.named_parameters() if p.requires_grad}
    save_tensors(path, learnt)


def put_finetuned(encoder: Any, path: Path) -> None:
    """Put fine-tuned weights in the place of an encoder's own; its signature then names both.

    Args:
        encoder: as it was loaded.
        path: what `save_finetuned` wrote.

    Raises:
        EncoderError: the file cannot be read, or holds weights that this encoder does not have.
    """
    try:
        finetuned, _ = load_tensors(path)
    except DataError as error:
        raise EncoderError(f"The fine-tuned weights {path} cannot be read: {error}.") from error
    own = dict(encoder.network.named_parameters())
    for name, value in finetuned.items():
        if name not in own or own[name].shape != value.shape:
            there = f"of shape {tuple(own[name].shape)}" if name in own else "not there"
            raise EncoderError(
                f"{path} is not of {encoder.name}: it holds {name} of shape {tuple(value.shape)}, which is {there} in "
                "this encoder. Use the encoder that the run names."
            )
        with torch.no_grad():
            own[name].copy_(value)
    signature = dict(encoder.signature)  # `tuned_from` stays as it is: stores are named by it
    encoder.signature = {**signature, "weights": hash_files((path,)), "tuned_from": signature["weights"]}
