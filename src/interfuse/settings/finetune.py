"""Hyperparameters of fine-tuning."""

from dataclasses import dataclass, fields, replace
from typing import Any

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.core.settings import at_least

FINETUNE_NAMES = {"epochs": "finetune_epochs", "batch_size": "finetune_batch"}
"""Fields of `FinetuneSettings` that are called otherwise beside a design, which has epochs and a batch size too."""


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
