"""The assembled network: two adapters, a fusion, a head."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.core.modalities import MODALITIES, Modalities
from interfuse.core.settings import to_plain
from interfuse.core.tokens import Tokens
from interfuse.encoders import Bag
from interfuse.fusion import FUSIONS, FusionMechanism
from interfuse.nn import GatedLinear, Positions, TransformerLayer, clean, masked_mean
from interfuse.training.contrastive import Contrast


@dataclass(frozen=True)
class ModalitySpec:
    """What an adapter must know of the tokens that it will be given."""

    dim: int
    """Width of a token."""
    grid: tuple[int, int] | None
    """Rows and columns of a picture's tokens, or none for a text."""
    mean: Float[Tensor, " dim"]
    """Mean of each channel over the train tokens."""
    std: Float[Tensor, " dim"]
    """Standard deviation of each channel over the train tokens; 1 where a channel is constant."""


class Adapter(nn.Module):
    """Bring one modality's tokens to the network's width, and a missing one to a learned absent token.

    standardise (train statistics) → Linear → LayerNorm → positions → 0..k Transformer layers → LayerNorm.
    A row whose mask is all False leaves as one learned token whose mask is True.

    Shape:
        (batch, tokens, spec.dim) -> (batch, tokens, design.dim).
    """

    stacks: ClassVar[tuple[str, ...]] = ("layers",)

    mean: Tensor
    std: Tensor

    def __init__(self, design: Design, spec: ModalitySpec, pool: bool) -> None:
        """Make the layers that the design asks for."""
        super().__init__()
        self.pool, standard = pool, design.norm == "standard"
        self.feature_dropout = design.feature_dropout
        self.register_buffer("mean", spec.mean.clone() if standard else torch.zeros(spec.dim))
        self.register_buffer("std", spec.std.clone() if standard else torch.ones(spec.dim))
        self.project = nn.Linear(spec.dim, design.dim)
        self.norm = nn.LayerNorm(design.dim) if standard else nn.Identity()
        self.positions = nn.Identity() if pool else Positions(design.dim, spec.grid)
        self.absent = nn.Parameter(torch.randn(design.dim) * 0.02)
        self.layers = nn.ModuleList(
            TransformerLayer(design.dim, design.num_heads, design.dropout) for _ in range(design.encoder_layers)
        )
        self.last_norm = nn.LayerNorm(design.dim) if design.encoder_layers and standard else nn.Identity()

    def forward(
        self, tokens: Float[Tensor, "batch tokens dim"], mask: Bool[Tensor, "batch tokens"]
    ) -> tuple[Float[Tensor, "batch out_tokens out_dim"], Bool[Tensor, "batch out_tokens"]]:
        """Adapt the tokens; the mask that comes back has a real token in every row."""
        if self.pool:
            tokens, mask = masked_mean(tokens, mask).unsqueeze(1), mask.any(1, keepdim=True)
        if self.training and self.feature_dropout:
            tokens = self._drop(tokens)
        weight = (
            self.project.weight / self.std
        )  # standardising is folded into the linear map: the same, on fewer values
        projected = nn.functional.linear(clean(tokens, mask), weight, self.project.bias - weight @ self.mean)
        adapted = self.positions(self.norm(projected))
        missing = ~mask.any(1, keepdim=True)  # (batch, 1)
        first = torch.arange(mask.shape[1], device=mask.device) == 0
        adapted = adapted.where(~missing.unsqueeze(-1), self.absent.to(adapted.dtype))
        mask = mask | (missing & first)
        for layer in self.layers:
            adapted = layer(adapted, mask)
        return self.last_norm(adapted), mask

    def _drop(self, tokens: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Set some channels of each row, the same for all its tokens, to their mean, and stretch the others."""
        share = 1 - self.feature_dropout
        mask = torch.rand(len(tokens), 1, tokens.shape[2], device=tokens.device) < share
        return ((tokens - self.mean) / share).where(mask, tokens.new_zeros(())) + self.mean


class LinearAdapter(nn.Module):
    """Average one modality's tokens and standardise the mean; a missing one is the mean of the train rows, zero.

    Shape:
        (batch, tokens, spec.dim) -> (batch, 1, spec.dim).
    """

    stacks: ClassVar[tuple[str, ...]] = ()

    mean: Tensor
    std: Tensor
    absent: Tensor

    def __init__(self, spec: ModalitySpec) -> None:
        """Keep the train statistics; nothing is learnt."""
        super().__init__()
        self.positions = nn.Identity()  # the mean of all places has none
        self.register_buffer("mean", spec.mean.clone())
        self.register_buffer("std", spec.std.clone())
        self.register_buffer("absent", torch.zeros(spec.dim), persistent=False)

    def forward(
        self, tokens: Float[Tensor, "batch tokens dim"], mask: Bool[Tensor, "batch tokens"]
    ) -> tuple[Float[Tensor, "batch 1 dim"], Bool[Tensor, "batch 1"]]:
        """Adapt the tokens; the mask that comes back has a real token in every row."""
        there = mask.any(1, keepdim=True)
        values = (masked_mean(tokens, mask) - self.mean) / self.std
        return values.where(there, self.absent).unsqueeze(1), torch.ones_like(there)


class Head(nn.Sequential):
    """Dropout, a gated linear unit where the design asks for one, and a linear map to the logits."""

    def __init__(self, design: Design, classes: int) -> None:
        """Make the layers."""
        gate = [GatedLinear(design.dim, design.dim)] if design.gate == "glu" else []
        super().__init__(nn.Dropout(design.dropout), *gate, nn.Linear(design.dim, classes))


class Residual(nn.Linear):
    """A path round the fusion: `W [mean image; mean text]` of the adapted tokens, of what the fusion may see only.

    Raises:
        ConfigError: the fusion gives logits, to which a vector cannot be added.
    """

    def __init__(self, design: Design, fusion: FusionMechanism) -> None:
        """Make the linear map."""
        if fusion.gives_logits:
            raise ConfigError(
                f"design {design.name!r}: residual=True adds to the fused vector, and {design.fusion} has none: it "
                "combines predictions. Leave out residual for this design."
            )
        super().__init__(len(fusion.modalities) * design.dim, design.dim)
        self.modalities = sorted(fusion.modalities)

    def forward(self, image: Tokens, text: Tokens) -> Float[Tensor, "batch dim"]:  # type: ignore[override]
        """Map the means of adapted tokens."""
        tokens = Modalities(image, text)
        joined: Tensor = super().forward(torch.cat([masked_mean(*tokens.of(name)) for name in self.modalities], -1))
        return joined


class NetworkOutput(NamedTuple):
    """What a network answers to a batch."""

    logits: Float[Tensor, "batch classes"]
    unimodal: Modalities[Float[Tensor, "batch classes"]] | None = None
    """Logits of each modality's own head, where they were asked for."""
    vectors: Modalities[Float[Tensor, "batch dim"]] | None = None
    """A vector of each row's picture and text, which can be contrasted, where they were asked for."""


class Network(nn.Module):
    """Adapters → fusion → head; of a linear model's design the fusion is all that is learnt, and gives the logits.

    Shape:
        image (pictures, image_tokens, image_dim), text (texts, text_tokens, text_dim), each distinct item once,
        and for each row the number of its picture and text -> `NetworkOutput`, logits (batch, classes). Without these
        numbers row i has picture i and text i.
    """

    def __init__(
        self, design: Design, image: ModalitySpec, text: ModalitySpec, classes: int, task: str = "multiclass"
    ) -> None:
        """Make the parts; the fusion gets the design's width, heads and dropout where it has such settings."""
        super().__init__()
        if design.encoder_layers and design.dim % design.num_heads and not design.linear:
            raise ConfigError(
                f"design {design.name!r}: dim must be a multiple of num_heads, got dim={design.dim}, "
                f"num_heads={design.num_heads}. Try dim={-(-design.dim // design.num_heads) * design.num_heads}."
            )
        adapters = [LinearAdapter(s) if design.linear else Adapter(design, s, pools(design)) for s in (image, text)]
        self.image_adapter, self.text_adapter = adapters
        widths = {"image_dim": image.dim, "text_dim": text.dim, "fused_dim": classes}
        linear = FUSIONS.create(design.fusion, **widths) if design.linear else None
        self.fusion = linear or make_fusion(design, classes, task)
        self.head = nn.Identity() if linear or self.fusion.gives_logits else Head(design, classes)
        self.residual = Residual(design, self.fusion) if design.residual and not linear else None
        self.unimodal_heads, self.heads_teach = _unimodal_heads(design, self.fusion, classes)
        both = len(self.fusion.modalities) == 2 and not linear  # a control has nothing to contrast
        self.linear = design.linear
        self.bag: Bag | None = None
        """What makes tokens of texts in place of the text encoder, where the design says so."""
        self.contrast = Contrast() if design.contrastive and both else None
        self.contrast_alone = self.contrast is not None and design.warm_start == design.epochs
        """Whether labels teach the head and nothing else."""
        besides = self.residual is not None or design.unimodal_heads > 0 or design.balance != "none"
        if self.contrast_alone and (besides or not self.fusion.has_towers):
            able = " or ".join(entry.name for entry in FUSIONS if entry.build.has_towers)
            raise ConfigError(
                f"design {design.name!r}: in all {design.epochs} epochs (warm_start={design.warm_start}) the "
                f"contrastive loss alone trains {able} only, without residual, unimodal_heads and balance. Fix: "
                f"warm_start={design.epochs // 2}, or fusion {able} without these."
            )
        self.towers = nn.ModuleDict()
        """Encoders that learn too, by modality: what is prepared for them comes in then, instead of tokens."""
        for modality, adapter in self.adapters.named():  # a control trains nothing of what it ignores
            adapter.requires_grad_(modality in self.fusion.modalities)

    @property
    def adapters(self) -> Modalities[Adapter | LinearAdapter]:
        """Both adapters."""
        return Modalities(self.image_adapter, self.text_adapter)

    def forward(
        self,
        image: Tokens,
        text: Tokens,
        image_index: Int64[Tensor, " batch"] | None = None,
        text_index: Int64[Tensor, " batch"] | None = None,
        unimodal: bool = False,
        vectors: bool = False,
    ) -> NetworkOutput:
        """Compute the logits; each distinct picture and text is adapted once, and what a control ignores never.

        With `unimodal` the network must have unimodal heads.
        """
        adapted_image, image_mask = self._adapt("image", self.image_adapter, image)
        adapted_text, text_mask = self._adapt("text", self.text_adapter, text)
        if image_index is not None:
            adapted_image, image_mask = adapted_image.index_select(0, image_index), image_mask[image_index]
        if text_index is not None:
            adapted_text, text_mask = adapted_text.index_select(0, text_index), text_mask[text_index]
        image, text = Tokens(adapted_image, image_mask), Tokens(adapted_text, text_mask)
        logits = self.interact(image, text)
        unimodal_logits = self._unimodal_logits(image, text) if unimodal else None
        return NetworkOutput(logits, unimodal_logits, self.fusion.towers(image, text) if vectors else None)

    def _unimodal_logits(self, image: Tokens, text: Tokens) -> Modalities[Float[Tensor, "batch classes"]]:
        """Compute the logits of each modality's own head."""
        pooled = Modalities(masked_mean(*image), masked_mean(*text))
        inputs = {name: x if self.heads_teach else x.detach() for name, x in pooled.named()}
        return Modalities(**{name: self.unimodal_heads[name](x) for name, x in inputs.items()})

    def _adapt(self, modality: str, adapter: Adapter | LinearAdapter, raw: Tokens) -> Tokens:
        """Encode, where the encoder learns too, and adapt; one empty token stands for what the fusion ignores."""
        if modality not in self.fusion.modalities:
            mask = torch.ones_like(raw.mask[:, :1])
            return Tokens(mask.unsqueeze(2) * torch.zeros_like(adapter.absent), mask)
        tokens = self.towers[modality](raw) if modality in self.towers else raw
        return Tokens(*adapter(*tokens))

    def tails(self) -> list[nn.Module]:
        """Return the parts whose last linear map gives the predictions: the head, or a late mechanism's own heads."""
        return [*(self.fusion.tails() or [self.head]), *self.unimodal_heads.values()]

    def interact(self, image: Tokens, text: Tokens) -> Float[Tensor, "batch classes"]:
        """Compute the logits of tokens that are adapted already."""
        vector = self.fusion(image.tokens, text.tokens, image.mask, text.mask).vector
        if self.residual is not None:
            vector = vector + self.residual(image, text)
        if self.contrast_alone:
            vector = vector.detach()
        logits: Tensor = self.head(vector)
        return logits

    def blocks(self) -> dict[str, nn.Module]:
        """Return the parts whose training health is watched, by name."""
        blocks = {
            "image_adapter": self.image_adapter,
            "text_adapter": self.text_adapter,
            "fusion": self.fusion,
            **({} if self.residual is None else {"residual": self.residual}),
            "head": self.head,
        }
        return blocks | ({"unimodal_heads": self.unimodal_heads} if self.unimodal_heads else {})

    def finetuned(self) -> dict[str, nn.Module]:
        """Return the encoders that learn too, by name."""
        return {f"{modality}_encoder": tower for modality, tower in self.towers.items()}


def pools(design: Design) -> bool:
    """Whether the design averages each modality into one token before its adapter."""
    pooled_anyway = FUSIONS.entry(design.fusion).build.pools and design.encoder_layers == 0
    return design.linear or design.pool == "mean" or (design.pool == "auto" and pooled_anyway)


def _unimodal_heads(design: Design, fusion: FusionMechanism, classes: int) -> tuple[nn.ModuleDict, bool]:
    """Make a linear head for each modality where a training-time method asks for it; whether they teach the adapters.

    A control sees one modality: there is nothing to balance, and it gets no heads.
    """
    wanted = (design.unimodal_heads > 0 or design.balance != "none") and not design.linear
    has_heads = wanted and len(fusion.modalities) == 2
    heads = {name: nn.Linear(design.dim, classes) for name in MODALITIES} if has_heads else {}
    return nn.ModuleDict(heads), design.unimodal_heads > 0 or design.balance == "gradient_blending"


LINKS = {"multilabel": "sigmoid", "regression": "identity"}
"""How a late mechanism's outputs become predictions, by task; any other task: softmax."""


def make_fusion(design: Design, classes: int, task: str = "multiclass") -> FusionMechanism:
    """Make the design's fusion at the design's width; a late mechanism gives the logits of the task's classes itself.

    Raises:
        ConfigError: the fusion or one of its settings is not known, or cannot work.
    """
    entry = FUSIONS.entry(design.fusion)
    known = entry.config.__dataclass_fields__
    shared = {name: getattr(design, name) for name in ("num_heads", "dropout") if name in known}
    if "link" in known:
        shared["link"] = LINKS.get(task, "softmax")
    fused_dim = classes if entry.build.gives_logits else design.dim
    widths = {"image_dim": design.dim, "text_dim": design.dim, "fused_dim": fused_dim}
    return FUSIONS.create(design.fusion, **{**shared, **design.settings, **widths})


def check_design(design: Design, task: str = "multiclass", classes: int = 2) -> None:
    """Make the design's network without its weights, so that what cannot work is said before hours of encoding.

    Raises:
        ConfigError: the fusion or one of its settings is not known, or cannot work.
    """
    with torch.device("meta"):
        spec = ModalitySpec(1, None, torch.zeros(1), torch.ones(1))
        Network(design, spec, spec, classes, task)


def count_parameters(network: nn.Module) -> int:
    """Count the values that training changes."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def match_hidden(design: Design, image: ModalitySpec, text: ModalitySpec, classes: int, target: int) -> int:
    """Return the width of the hidden layer that brings a `concat` design nearest to `target` parameters."""

    def size(hidden: int) -> int:
        plain = to_plain(design) | {"settings": {"hidden": hidden}}
        with torch.device("meta"):
            first, second = (ModalitySpec(s.dim, s.grid, torch.zeros(s.dim), torch.ones(s.dim)) for s in (image, text))
            return count_parameters(Network(Design(**plain), first, second, classes))

    one, two = size(1), size(2)
    return max(1, math.floor((target - one) / (two - one) + 1.5))
