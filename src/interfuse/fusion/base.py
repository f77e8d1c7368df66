"""What every fusion mechanism is: settings, an entry that cleans and checks its inputs, one `fuse`."""

import dataclasses
import math
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor, nn

from interfuse.core.errors import ConfigError, ShapeError
from interfuse.core.modalities import Modalities
from interfuse.core.registry import Registry
from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.nn import check_heads, clean, full_mask, masked_mean


class OneKeyAttentionWarning(UserWarning):
    """Attention was handed one pooled vector, over which it can choose nothing."""


@dataclass(frozen=True)
class FusionConfig:
    """The widths that every mechanism has."""

    image_dim: int
    """Width of an image token."""
    text_dim: int
    """Width of a text token."""
    fused_dim: int = 512
    """Width of the fused vector."""

    def __post_init__(self) -> None:
        """Refuse widths below 1, numbers that are not finite and a dropout that is no fraction."""
        at_least("fusion", 1, image_dim=self.image_dim, text_dim=self.text_dim, fused_dim=self.fused_dim)
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigError(f"fusion: {field.name} must be finite, got {field.name}={value}.")
            if field.name == "dropout" and not 0 <= value <= 1:
                raise ConfigError(f"fusion: dropout must be a fraction from 0 to 1, got dropout={value}.")


@dataclass(frozen=True)
class AttentionConfig(FusionConfig):
    """Widths, heads and dropout of a mechanism that attends."""

    num_heads: int = 0
    """Attention heads; must divide fused_dim. 0: as many as divide it, at most 8."""
    dropout: float = 0.0
    """Dropout of what each sublayer adds, fraction 0 to 1."""

    def __post_init__(self) -> None:
        """Choose the heads where none are given; refuse heads that do not divide the width."""
        super().__post_init__()
        if self.num_heads == 0:
            object.__setattr__(self, "num_heads", max(n for n in range(1, 9) if self.fused_dim % n == 0))
        check_heads("attention fusion", self.fused_dim, self.num_heads)


@dataclass(frozen=True)
class LayeredConfig(AttentionConfig):
    """Settings of a mechanism that attends in layers, one after the other."""

    num_layers: int = 1
    """Layers, one after the other."""

    def __post_init__(self) -> None:
        """Refuse no layers."""
        super().__post_init__()
        at_least("attention fusion", 1, num_layers=self.num_layers)


class FusionMechanism(nn.Module, ABC):
    """Let image and text tokens interact; return one vector a row, and the updated tokens where they are kept.

    A row whose mask is all False is a missing modality and counts as zeros. A pooled vector (batch, dim) counts
    as one token. A subclass is final: it takes its config and defines `fuse` on clean, masked tokens.

    Shape:
        (batch, image_tokens, image_dim), (batch, text_tokens, text_dim) -> `Fused`, vector (batch, fused_dim).
    """

    modalities: ClassVar[frozenset[str]] = frozenset({"image", "text"})
    """Which modalities the fused vector depends on."""
    pools: ClassVar[bool] = False
    """Whether it averages each modality before anything else."""
    cross_attends: ClassVar[bool] = False
    """Whether one modality attends over the other's tokens, so that one token each leaves nothing to choose."""
    gives_logits: ClassVar[bool] = False
    """Whether the vector already is the logits (late fusion): fused_dim counts classes, a network adds no head."""
    zero_gates: ClassVar[tuple[str, ...]] = ()
    """Parameters (last part of the name) that start at zero: nothing behind them has a gradient at step 0."""
    gates: ClassVar[tuple[str, ...]] = ()
    """Linear maps (last part of the name) whose output enters a sigmoid; a `nn.ValueGate` need not be named."""
    stacks: ClassVar[tuple[str, ...]] = ()
    """Lists of modules (last part of the name) that run one after the other, each on what the one before it gave."""
    has_towers: ClassVar[bool] = False
    """Whether it overrides `towers`: a contrastive loss alone then trains it."""
    exportable: ClassVar[bool] = True
    """Whether ONNX export is promised besides `torch.export`."""

    def __init__(self, config: FusionConfig) -> None:
        """Keep the settings.

        Args:
            config: widths of both inputs and of the output, and the mechanism's own settings.
        """
        super().__init__()
        self.config = config
        self._warned = False

    def forward(
        self,
        image: Float[Tensor, "..."],  # shapes are checked below, with an error that says how to fix them
        text: Float[Tensor, "..."],
        image_mask: Bool[Tensor, "..."] | None = None,
        text_mask: Bool[Tensor, "..."] | None = None,
    ) -> Fused:
        """Fuse a batch.

        Args:
            image: tokens, (batch, image_tokens, image_dim), or pooled, (batch, image_dim).
            text: tokens, (batch, text_tokens, text_dim), or pooled, (batch, text_dim).
            image_mask: (batch, image_tokens), True = a real token; none: every token is real.
            text_mask: (batch, text_tokens), likewise.

        Raises:
            ShapeError: a width, a dtype, a mask or the batch does not fit.
        """
        image_tokens = _enter("image", image, image_mask, self.config.image_dim)
        text_tokens = _enter("text", text, text_mask, self.config.text_dim)
        self._check_dtypes(image=image, text=text)
        if image.shape[0] != text.shape[0]:
            raise ShapeError(f"image has {image.shape[0]} rows and text {text.shape[0]}: give one of each a row.")
        if self.cross_attends and image_tokens.mask.shape[1] == 1 and text_tokens.mask.shape[1] == 1:
            self._warn_of_one_key()
        return self.fuse(image_tokens, text_tokens)

    @abstractmethod
    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Fuse clean tokens: zeros wherever the mask is False.

        Args:
            image: tokens of `image_dim`, with their mask.
            text: tokens of `text_dim`, with their mask, of as many rows.
        """

    def towers(self, image: Tokens, text: Tokens) -> Modalities[Float[Tensor, "batch dim"]]:
        """Return a vector of each row's picture and text, which can be contrasted: here the means of their tokens.

        Args:
            image: tokens of one picture a row.
            text: tokens of one text a row.
        """
        return Modalities(masked_mean(*image), masked_mean(*text))

    def tails(self) -> list[nn.Module]:
        """List the parts whose last linear map gives the predictions, where the vector is the logits."""
        return []

    def fit_prior(self, counts: Num[Tensor, " classes"], rows: int) -> None:
        """Take in how often each class or label occurs in the training rows; most mechanisms need not know.

        Args:
            counts: rows that have each class or label.
            rows: number of training rows.
        """

    def closed_gates(self) -> list[str]:
        """List the parameters of `zero_gates` that are still zero."""
        parameters = self.named_parameters()
        return [
            name for name, p in parameters if name.rpartition(".")[2] in self.zero_gates and not bool(p.detach().any())
        ]

    def extra_repr(self) -> str:
        """Show the settings when printed."""
        return str(self.config)

    def _check_dtypes(self, **inputs: Tensor) -> None:
        """Refuse tokens of another dtype than the weights, which autocast alone brings together."""
        weight = next((p for p in self.parameters() if p.is_floating_point()), None)
        if weight is None:
            return
        for name, values in inputs.items():
            if values.dtype != weight.dtype and not torch.is_autocast_enabled(values.device.type):
                raise ShapeError(
                    f"{name} is {values.dtype} and the weights are {weight.dtype}: give {name}.to({weight.dtype}), "
                    "move the module with .to(dtype), or run under torch.autocast."
                )

    def _warn_of_one_key(self) -> None:
        if self._warned:
            return
        self._warned = True
        warnings.warn(
            f"{type(self).__name__} was given one image token and one text token a row: attention over one key has "
            "weight exactly 1, so it is a linear map and its query and key get no gradient. "
            "Give it token features, or use concat or product on pooled vectors.",
            OneKeyAttentionWarning,
            stacklevel=4,
        )


FUSIONS: Registry[FusionMechanism] = Registry("fusion mechanism")
"""Every mechanism by its literature name."""


def create_fusion(name: str, **settings: Any) -> FusionMechanism:
    """Make a fusion mechanism by name.

    Args:
        name: registry name, see `list_fusions`.
        settings: image_dim, text_dim, fused_dim (512) and the mechanism's own.

    Raises:
        ConfigError: the name or a setting is not known, or a setting cannot work.

    >>> create_fusion("concat", image_dim=2048, text_dim=768, fused_dim=8).config.hidden
    0
    """
    return FUSIONS.create(name, **settings)


def list_fusions(pattern: str = "*") -> list[str]:
    """List the mechanisms whose name fits a shell pattern.

    Args:
        pattern: of the shell's kind, as `*attention*`.

    >>> list_fusions("*_only")
    ['image_only', 'text_only']
    """
    return FUSIONS.names(pattern)


def _enter(name: str, values: Any, mask: Any, dim: int) -> Tokens:
    """Check one modality's input, make it tokens, and zero what is masked."""
    if not isinstance(values, Tensor) or not values.is_floating_point():
        kind = f"of {values.dtype}" if isinstance(values, Tensor) else f"a {type(values).__name__}"
        hint = f"; a missing {name} is a row whose {name}_mask is all False" if values is None else ""
        raise ShapeError(
            f"{name} is {kind}; expected a float tensor (batch, {name}_tokens, {name}_dim={dim}): "
            f"use torch.as_tensor(…).float(){hint}."
        )
    if values.dim() == 2:
        values = values.unsqueeze(1)
    if values.dim() != 3 or values.shape[2] != dim:
        raise ShapeError(
            f"{name} has shape {tuple(values.shape)}; expected (batch, {name}_tokens, {name}_dim={dim}) "
            f"or a pooled (batch, {dim})."
        )
    if mask is None:
        return Tokens(values, full_mask(values))
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        kind = f"is of {mask.dtype}" if isinstance(mask, Tensor) else f"is a {type(mask).__name__}"
        way = "mask.bool()" if isinstance(mask, Tensor) else "torch.as_tensor(mask).bool()"
        raise ShapeError(f"{name}_mask {kind}; expected a bool tensor, True = a real token: use {way}.")
    if mask.shape != values.shape[:2]:
        raise ShapeError(
            f"{name}_mask has shape {tuple(mask.shape)}; expected (batch, {name}_tokens) = {tuple(values.shape[:2])}, "
            "True = a real token."
        )
    return Tokens(clean(values, mask), mask)
