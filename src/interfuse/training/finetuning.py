"""Fine-tuning: training a run on with its encoders learning too."""

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.core.seeds import derive
from interfuse.core.tokens import Tokens
from interfuse.data import Features
from interfuse.settings import FinetuneSettings
from interfuse.training.distributed import join
from interfuse.training.loop import Trained, train_on
from interfuse.training.memory import available_bytes, check_memory, measure_need
from interfuse.training.network import Network
from interfuse.training.options import TrainingOptions
from interfuse.training.trainable_encoder import TrainableEncoder, checkpoint_blocks, unfreeze


def finetune(
    network: Network,
    encoders: Mapping[str, Any],
    settings: FinetuneSettings,
    design: Design,
    seed: int,
    features: Features,
    options: TrainingOptions,
) -> Trained:
    """Train a network on, with the encoders inside it; these have the weights of the best epoch afterwards.

    Args:
        network: trained on their tokens; it is changed.
        encoders: modality to the encoder that learns, frozen as it was loaded, on the CPU.
        settings: what learns, and how.
        design: of the network.
        seed: of order and dropout.
        features: the rows; where an encoder learns, its table gives what was prepared for it.
        options: with what.

    Raises:
        ConfigError: the fusion does not see a modality whose encoder shall learn, an encoder has fewer blocks than
            shall learn, the memory does not hold it, or the loss became NaN or infinite.
    """
    design = settings.of(design)
    join(options.device)
    extra = set(encoders) - network.fusion.modalities
    if extra:
        raise ConfigError(
            f"{design.fusion} does not see the {sorted(extra)[0]}, so its encoder cannot learn. "
            f"Give unfreeze={sorted(network.fusion.modalities)[0]}."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "finetune"))
        for modality, encoder in encoders.items():
            tower = TrainableEncoder(encoder, settings.encoder_learning_rate)
            unfreeze(tower, settings.last, _example(features, modality))
            network.towers[modality] = tower
        undos = [checkpoint_blocks(tower) for tower in _towers(network) if settings.gradient_checkpointing]
        need = measure_need(network, features, features.splits["train"], settings.accumulate)
        check_memory(
            need, _own_bytes(options.device), design.batch_size, settings.accumulate, settings.gradient_checkpointing
        )
        torch.manual_seed(derive(seed, "dropout"))
        trained = train_on(design, seed, features, network, settings.accumulate, options)
    for undo in undos:
        undo()
    network.towers = nn.ModuleDict()
    return trained


def _towers(network: Network) -> list[TrainableEncoder]:
    return [tower for tower in network.towers.values() if isinstance(tower, TrainableEncoder)]


def _own_bytes(device: str) -> int:
    """Return the bytes that this process may take: those of this machine are shared."""
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", 1)) if device == "cpu" else 1
    return available_bytes(device) // beside


def _example(features: Features, modality: str) -> Tokens:
    """Gather two train items of one modality."""
    items = features.items.of(modality)[features.splits["train"]]
    pair = items[items >= 0].unique()[:2]
    if len(pair) == 0:
        raise ConfigError(f"No train row has the {modality}, so its encoder cannot learn.")
    return features.tables.of(modality).gather(pair)
