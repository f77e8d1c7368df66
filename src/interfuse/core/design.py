"""A design: one named row of a comparison, all resolved settings but the random seed."""

import dataclasses
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from interfuse.core.errors import ConfigError
from interfuse.core.settings import at_least, build, fingerprint, to_plain

Scalar = bool | int | float | str | None
LATER = {
    "store_dtype": "bfloat16",
    "store_dim": None,
    "feature_dropout": 0.0,
    "contrastive": 0.0,
    "warm_start": 0,
    "residual": False,
    "model": "network",
}
"""Settings left out of a design's hash while they are as here, so that runs made before they existed keep theirs."""

LINEAR = {
    "tfidf": ("text_only", "tfidf"),
    "logistic_text": ("text_only", "linear"),
    "logistic_image": ("image_only", "linear"),
    "logistic": ("concat", "linear"),
}
"""Names of the linear models, to the fusion that says which modalities they see, and the kind of model."""

NEEDS = {"ogm_alpha": ("balance", "ogm_ge"), "focal_gamma": ("objective", "focal")}
"""Settings that change nothing unless another has this value."""


@dataclass(frozen=True)
class Design:
    """All hyperparameters of a trained network except its seed; the unit that a comparison compares."""

    fusion: str
    """Registry name of the fusion mechanism."""
    name: str = ""
    """What tables call the design; empty: the fusion and the settings that differ from the default."""
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    """Settings of the fusion mechanism itself, beside its widths."""
    image_encoder: str = "efficientnet-lite0"
    """Encoder of the pictures."""
    text_encoder: str = "minilm"
    """Encoder of the texts."""
    image_size: int | None = None
    """Height and width of the encoder's input in pixels; none: the encoder's own."""
    store_dtype: Literal["bfloat16", "int8", "float32"] = "bfloat16"
    """Number format of the stored tokens."""
    store_dim: int | None = None
    """Principal components of the train tokens that each token keeps; none: all of the encoder's."""
    dim: int = 128
    """Width of both adapters and of the fused vector."""
    encoder_layers: int = 0
    """Transformer layers for each modality before the fusion ("encode each modality first")."""
    num_heads: int = 8
    """Attention heads, in the adapters' layers and in the fusion."""
    pool: Literal["auto", "none", "mean"] = "auto"
    """Average each modality into one token before the adapter; auto: where the fusion pools anyway."""
    norm: Literal["standard", "none"] = "standard"
    """Standardise the features (train statistics) and layer-normalise the adapter's output, or neither."""
    gate: Literal["none", "glu"] = "none"
    """Gated linear unit on the fused vector, or none."""
    residual: bool = False
    """Add a linear map of both modalities' mean tokens to the fused vector: a path round the fusion."""
    dropout: float = 0.1
    """Dropout of what each sublayer adds, and before the head, fraction 0 to 1."""
    feature_dropout: float = 0.0
    """Fraction of the features' channels, drawn for each row, that are set to their train mean in training."""
    modality_dropout: float = 0.0
    """Fraction of training rows that lose one modality, drawn anew each epoch."""
    unimodal_heads: float = 0.0
    """Weight of the sum of both modalities' own losses, each from a linear head on its adapter; 0: none."""
    balance: Literal["none", "ogm_ge", "gradient_blending"] = "none"
    """Hold back the modality that learns faster, or weigh the losses by how well each generalises; or neither."""
    ogm_alpha: float = 0.3
    """How strongly ogm_ge holds back."""
    epochs: int = 8
    """Passes over the training rows."""
    batch_size: int = 64
    """Rows a step."""
    learning_rate: float = 1e-3
    """Peak of the schedule (AdamW)."""
    weight_decay: float = 0.01
    """AdamW's decoupled weight decay; none on biases, norms and learned tokens."""
    warmup: float = 0.1
    """Fraction of the steps over which the learning rate climbs; a cosine follows."""
    clip: float = 1.0
    """Largest norm of the whole gradient; 0 clips nothing."""
    objective: Literal["auto", "cross_entropy", "focal"] = "auto"
    """Loss; auto: cross-entropy (binary a label for multilabel), squared error for regression. focal: weighs each
    row by how far its answer is from sure."""
    focal_gamma: float = 2.0
    """How strongly focal leaves aside the rows that are answered well."""
    contrastive: float = 0.0
    """Matching only: weight of a contrastive loss that tells each picture's text from the others of the batch."""
    warm_start: int = 0
    """Epochs at the start that train by the contrastive loss alone; all epochs (two_tower only): the labels then teach
    nothing but the head."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: rare classes weigh as much as common ones."""
    model: Literal["network", "linear", "tfidf"] = "network"
    """network: adapters, fusion and head, trained. linear: one linear map from the mean token of each modality that the
    fusion sees to the logits, fitted at once. tfidf: the same, with TF-IDF of words and characters for the text."""

    def __post_init__(self) -> None:
        """Refuse what cannot work; give an unnamed design its name."""
        owner = f"design {self.name or self.fusion!r}"
        at_least(owner, 1, dim=self.dim, num_heads=self.num_heads, epochs=self.epochs, batch_size=self.batch_size)
        at_least(owner, 0, encoder_layers=self.encoder_layers, weight_decay=self.weight_decay, clip=self.clip)
        at_least(owner, 0, focal_gamma=self.focal_gamma, contrastive=self.contrastive, warm_start=self.warm_start)
        if self.warm_start and not (self.contrastive and self.warm_start <= self.epochs):
            raise ConfigError(
                f"{owner}: warm_start={self.warm_start} trains by the contrastive loss alone, so it needs contrastive "
                f"above 0 and at most all {self.epochs} epochs, got contrastive={self.contrastive:g}."
            )
        readers = {"network": None, "linear": ("image_only", "text_only", "concat"), "tfidf": ("text_only", "concat")}
        able = readers[self.model]
        if able is not None and (self.fusion not in able or self.settings):
            own = "".join(f":{name}={value}" for name, value in self.settings.items())
            raise ConfigError(
                f"{owner}: model={self.model} takes {', '.join(able)} without settings of their own, got "
                f"{self.fusion}{own}. Its common forms have names: {', '.join(LINEAR)}."
            )
        at_least(owner, 0, unimodal_heads=self.unimodal_heads, ogm_alpha=self.ogm_alpha)
        for name in ("dropout", "feature_dropout", "modality_dropout", "warmup"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ConfigError(f"{owner}: {name} must be from 0 to below 1, got {name}={value}.")
        if self.learning_rate <= 0:
            raise ConfigError(f"{owner}: learning_rate must be above 0, got {self.learning_rate}.")
        if not self.name:
            object.__setattr__(self, "name", self.spell())

    def spell(self, base: "Design | None" = None) -> str:
        """Call the design by its fusion and the settings that differ from those of another.

        Args:
            base: design whose settings are left out of the name; none: the defaults.

        >>> Design("concat", settings={"hidden": 512}).spell()
        'concat:hidden=512'
        """
        plain = to_plain(base or Design(self.fusion, name="base"))
        own = {k: v for k, v in to_plain(self).items() if k not in ("fusion", "name", "settings") and v != plain[k]}
        parts = [f"{k}={v}" for k, v in sorted({**self.settings, **own}.items())]
        return ":".join([self.fusion, *parts])

    @property
    def linear(self) -> bool:
        """Whether it is one linear map that is fitted at once: no seed changes it."""
        return self.model != "network"

    @property
    def key(self) -> str:
        """Hash of all settings but the name."""
        plain = to_plain(self)
        return fingerprint({k: v for k, v in plain.items() if k != "name" and (k not in LATER or v != LATER[k])})

    @property
    def slug(self) -> str:
        """A name for its folder that every file system takes; a long one is cut and told apart by its hash."""
        plain = re.sub(r"[^A-Za-z0-9=._+-]+", "+", self.name).strip(".") or "design"
        return plain if len(plain) <= 80 else f"{plain[:64]}-{self.key[:12]}"


def parse_designs(text: str, base: Mapping[str, Any]) -> list[Design]:
    """Read `concat,concat:hidden=512,shared_cross_attention:encoder_layers=1` on top of the study's settings.

    Raises:
        ConfigError: a part is not `name=value`, or two designs are the same.
    """
    designs = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        fusion, *pairs = item.split(":")
        values: dict[str, Any] = {}
        for pair in pairs:
            name, equals, value = pair.partition("=")
            if not equals:
                raise ConfigError(f"Cannot read {pair!r} in design {item!r}: write fusion:setting=value:setting=value.")
            values[name] = value
        designs.append(make_design(fusion, values, base))
    return _distinct(designs)


def read_designs(path: Path, base: Mapping[str, Any]) -> list[Design]:
    """Read designs from TOML: a table a design, its title the name, with `fusion` and any other settings.

    Designs may also stand below `[designs]`, beside other settings, as in a study's `study.toml`.

    Raises:
        ConfigError: the file cannot be read, or a table names no fusion.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"Cannot read designs from {path}: {error}.") from error
    inner = tables.get("designs")
    if isinstance(inner, dict) and "fusion" not in inner:
        tables = inner
    designs = []
    for title, table in tables.items():
        if not isinstance(table, dict) or "fusion" not in table:
            raise ConfigError(f'{path}: [{title}] must be a table with fusion = "…".')
        values = {name: value for name, value in table.items() if name != "fusion"}
        designs.append(make_design(str(table["fusion"]), {"name": title, **values}, base))
    return _distinct(designs)


def make_design(fusion: str, values: Mapping[str, Any], base: Mapping[str, Any]) -> Design:
    """Make a design from mixed values: a `Design` field goes to the design, any other to the fusion's settings.

    A linear model is named in the fusion's place: `tfidf` is `text_only` with `model=tfidf`.
    """
    alias = fusion if fusion in LINEAR else ""
    if alias:
        fusion, model = LINEAR[alias]
        values = {"model": model, **values}
    fields = {f.name for f in dataclasses.fields(Design)} - {"fusion", "settings"}
    settings = {name: read_scalar(value) for name, value in values.items() if name not in fields}
    own = {name: value for name, value in values.items() if name in fields and name != "name"}
    common = {**base, "fusion": fusion, "settings": settings}
    name = str(values.get("name") or "")
    title = name or alias or fusion  # what an error calls the design that has no name yet
    design = build(Design, f"design {title!r}", {**common, **own, "name": title})
    check_idle([design], own)
    plain = build(Design, f"design {title!r}", {**common, "settings": {}, "name": title})
    if alias:
        plain = dataclasses.replace(plain, model=design.model)
    return dataclasses.replace(design, name=name or design.spell(plain).replace(fusion, alias or fusion, 1))


def check_idle(designs: Sequence[Design], names: Collection[str] = tuple(NEEDS)) -> None:
    """Refuse a setting that would change nothing in any of these designs.

    One that some design heeds may stand in the others: they share the command's settings.

    Args:
        designs: of one command.
        names: settings that are looked at.

    Raises:
        ConfigError: there is such a setting.
    """
    for name, (other, value) in NEEDS.items():
        plain = Design.__dataclass_fields__[name].default
        users = [design for design in designs if name in names and getattr(design, name) != plain]
        if users and all(getattr(design, other) != value for design in designs):
            raise ConfigError(
                f"design {users[0].name!r}: {name}={getattr(users[0], name)} changes nothing without {other}={value}. "
                f"Fix: {other}={value}, or leave {name} out."
            )


def read_scalar(value: Any) -> Scalar:
    """Read a plain value written as text; anything that is no number or truth value stays a text.

    >>> read_scalar("512"), read_scalar("0.5"), read_scalar("true"), read_scalar("glu")
    (512, 0.5, True, 'glu')
    """
    if not isinstance(value, str):
        return value  # type: ignore[no-any-return]
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None}.get(value.lower(), value)


def _distinct(designs: list[Design]) -> list[Design]:
    by_slug: dict[str, Design] = {}
    for design in designs:
        if design.slug in by_slug:
            raise ConfigError(f"Two designs are called {design.name!r}: give each its own name or settings.")
        by_slug[design.slug] = design
    if not designs:
        raise ConfigError("No design was given: name at least one fusion, such as concat,cross_attention.")
    return designs
