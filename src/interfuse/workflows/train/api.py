"""One training in one call, for Python."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interfuse.core.design import parse_designs
from interfuse.core.errors import ConfigError
from interfuse.core.progress import Progress
from interfuse.settings import FINETUNE_NAMES, FinetuneSettings, Precision
from interfuse.training import Run
from interfuse.workflows.source import ENCODE, READ, TERMS, make_source, names_of, sort_settings
from interfuse.workflows.train.finetune import Compute, finetune_run
from interfuse.workflows.train.train import train_run

FINETUNE = {FINETUNE_NAMES.get(name, name): name for name in names_of(FinetuneSettings)}
"""Names of the settings of fine-tuning, to those of the fields."""


@dataclass(frozen=True)
class TrainSettings:
    """Which design is trained, and how, beside what the design says itself."""

    fusion: str = "cross_attention"
    """One design, `cross_attention:num_layers=2`."""
    seed: int = 0
    """Of the initialisation, the order of the rows and dropout; and of the split, where one is made."""
    precision: Precision = "auto"
    """Number format of the training step."""
    threads: int = 1
    """CPU threads."""


def train(
    data: Any,
    *,
    image: str | None = None,
    text: str | None = None,
    label: str | None = None,
    fusion: str = "cross_attention",
    out: Path | str = "run",
    progress: Progress | None = None,
    **settings: Any,
) -> Run:
    """Train one fusion network on rows of picture, text and label; with `unfreeze`, its encoders learn too.

    Args:
        data: a file, a built-in name such as `easy-vqa`, or a polars, pandas or Arrow table.
        image: column with the picture files.
        text: column with the texts.
        label: column with the labels.
        fusion: one design, with settings of the mechanism's own where wanted: `cross_attention:num_layers=2`.
        out: the run's folder; the same call on it again finishes or just opens it.
        progress: told how far it is.
        settings: any field of `SourceSettings`, `EncoderSettings`, `TrainSettings` or `Design`; and of
            `FinetuneSettings`, whose epochs and batch size are `finetune_epochs` and `finetune_batch` here: with
            `unfreeze` the frozen run is trained in the folder beside `out` whose name ends in `-frozen`, and then on,
            in `out`, with encoders that learn too.

    Returns:
        The run, scored on validation and test: `run.info["metrics"]`.

    Raises:
        ConfigError: a setting is not known or cannot work, or `out` holds another run.
        DataError: the rows cannot be used.
    """
    columns = {"image": image, "text": text, "label": label}
    groups = READ, ENCODE, names_of(TrainSettings), TERMS, FINETUNE
    read, encode, own, terms, learning = sort_settings({**settings, **columns}, *groups)
    finetune = _read_finetuning(learning)
    source = make_source(data, read, encode)
    choice = TrainSettings(fusion=fusion, **own)
    designs = parse_designs(choice.fusion, {**terms, **source.encoder_settings()})
    if len(designs) != 1:
        raise ConfigError(f"train takes one design, got {len(designs)}: {fusion!r}. compare takes several.")
    if finetune is None:
        return train_run(source, Path(out), designs[0], choice.seed, choice.precision, choice.threads, progress)
    compute = Compute(choice.precision, choice.threads)
    return finetune_run(source, Path(out), designs[0], finetune, choice.seed, compute, progress)


def _read_finetuning(settings: Mapping[str, Any]) -> FinetuneSettings | None:
    """Return the settings of fine-tuning, or None where no encoder learns.

    Raises:
        ConfigError: there are settings, and none says what learns.
    """
    if settings.get("unfreeze") is not None:
        return FinetuneSettings(**{FINETUNE[name]: value for name, value in settings.items()})
    idle = [f"{name}={value}" for name, value in settings.items() if name != "unfreeze"]
    if idle:
        raise ConfigError(
            f"{', '.join(idle)} would change nothing: encoders learn only where unfreeze=… says which. Give "
            "unfreeze=last-2, text, image or both; or leave the rest out."
        )
    return None
