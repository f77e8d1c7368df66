"""Fine-tuning: training a run on with its encoders learning too."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import nn

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.core.seeds import derive
from interfuse.core.settings import at_least
from interfuse.core.tokens import Tokens
from interfuse.data import Features
from interfuse.training.distributed import join
from interfuse.training.loop import Trained, train_on
from interfuse.training.memory import available_bytes, check_memory, measure_need
from interfuse.training.network import Network
from interfuse.training.options import TrainingOptions
from interfuse.training.trainable_encoder import TrainableEncoder, checkpoint_blocks, unfreeze


@dataclass(frozen=True)
class FinetuneSettings:
    """Hyperparameters of fine-tuning; those that are not here are the design's."""

    unfreeze: str
    """image, text, both, or last-N: the last N blocks of both and what follows them."""
    encoder_learning_rate: float = 2e-5
    """Peak of the schedule for the encoders."""
    head_learning_rate: float = 1e-4
    """Peak of the schedule for adapters, fusion and head, which are trained already."""
    epochs: int = 3
    """Passes over the training rows."""
    batch_size: int | None = None
    """Rows a batch; none: the design's."""
    accumulate: int = 1
    """Batches whose gradients are added up before a step."""
    gradient_checkpointing: bool = False
    """Compute the activations inside the encoders' blocks a second time instead of keeping them."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        known = self.unfreeze in ("image", "text", "both") or self.last is not None
        if not known:
            raise ConfigError(
                f"unfreeze=… is image, text, both or last-N with N from 1, such as last-2; got {self.unfreeze!r}."
            )
        at_least("fine-tuning", 1, epochs=self.epochs, accumulate=self.accumulate)
        at_least("fine-tuning", 1, batch_size=1 if self.batch_size is None else self.batch_size)
        for name in ("encoder_learning_rate", "head_learning_rate"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"fine-tuning: {name} must be above 0, got {getattr(self, name)}.")

    @classmethod
    def defaults(cls) -> tuple[Any, ...]:
        """Return the values of everything but what learns."""
        return tuple(field.default for field in fields(cls)[1:])

    @property
    def last(self) -> int | None:
        """Number of blocks at the end that learn; none: all of the encoder."""
        word, dash, number = self.unfreeze.partition("-")
        return int(number) if word == "last" and dash and number.isdecimal() and int(number) > 0 else None

    @property
    def modalities(self) -> tuple[str, ...]:
        """Which encoders learn."""
        return (self.unfreeze,) if self.unfreeze in ("image", "text") else ("image", "text")

    def of(self, design: Design) -> Design:
        """Return the design with the hyperparameters of fine-tuning; its network is the same.

        Args:
            design: of the frozen run.
        """
        return replace(
            design,
            epochs=self.epochs,
            learning_rate=self.head_learning_rate,
            batch_size=self.batch_size or design.batch_size,
            warm_start=0,
        )


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
