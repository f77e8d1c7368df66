"""How a comparison is run."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interfuse.core.errors import ConfigError
from interfuse.settings.formats import Precision

SPACE = "learning_rate=0.0003..0.005,dropout=0..0.5,weight_decay=0.001..0.3"
"""What tuning draws where nothing else is said."""


@dataclass(frozen=True)
class CompareSettings:
    """How a comparison is run; what each design is stands in the designs."""

    fusions: str | None = None
    """Designs, `concat,concat:hidden=512,…`; none: the floors, the original's designs and their rivals."""
    designs: Path | None = None
    """TOML file of designs instead."""
    base: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Settings that every design shares unless it says otherwise: dim, epochs, learning_rate, …"""
    linear_floors: bool = True
    """Add linear models to the floors: tfidf, logistic_image, logistic_text and logistic."""
    baseline: str | None = None
    """Design that all are compared with; none: concat with a hidden layer, one asked for before the matched."""
    seeds: int = 5
    """Trainings of each design, seeds 0, 1, …"""
    until_sure: int | None = None
    """Go on adding seeds, up to this many, to designs whose contrast is open and may yet be decided."""
    confirm: bool = False
    """Train the two designs of the verdict again, with as many fresh seeds, and let these alone speak."""
    margin: float = 0.01
    """Smallest difference worth a win, fraction 0 to 1, set before the study."""
    jobs: int | None = None
    """Trainings, or workers of a launcher, side by side; none: a training a CPU core, or one where a GPU works or all
    is done in seconds, and two workers."""
    launcher: str | None = None
    """`ray`: work on the workers of a Ray cluster, `jobs` at once; none: on this machine."""
    threads: int = 1
    """CPU threads, of each training where several run side by side."""
    precision: Precision = "auto"
    """Number format of the training step."""
    train_rows: int | None = None
    """Train on this many rows at most, drawn by picture; none: all."""
    metric: str | None = None
    """What the designs are compared by, as auc, macro-f1, map; none: the task's headline. Declared beforehand."""
    primary: str | None = None
    """The one contrast that the study is made for, as `cross_attention vs merged_attention`, declared beforehand."""
    match_parameters: str | None = None
    """A count, or a design's name: every design is made as large, by its width `dim`."""
    tune: int = 0
    """Settings drawn for every design, the same for all; validation chooses each design's best. 0: none."""
    space: str = SPACE
    """What is drawn: `name=low..high` or `name=a|b|c`, joined by commas."""
    track: str | None = None
    """Send learning curves and scores to tensorboard or mlflow too."""

    def __post_init__(self) -> None:
        """Refuse counts and a margin that cannot work."""
        if self.seeds < 1:
            raise ConfigError(f"A comparison needs at least 1 seed, got seeds={self.seeds}.")
        if self.until_sure is not None and self.until_sure <= max(1, self.seeds):
            raise ConfigError(
                f"until_sure=… is the most seeds of a design, above seeds={self.seeds} and 2 or more: got "
                f"{self.until_sure}. Try until_sure={max(20, 4 * self.seeds)}."
            )
        if self.until_sure and self.seeds < 2:
            raise ConfigError("One seed tells nothing of the next: with until_sure=… begin with seeds=2 or more.")
        if self.confirm and self.seeds < 2:
            raise ConfigError(
                "Fresh seeds confirm a choice that several seeds made: with confirm=… give seeds=2 or more."
            )
        if self.confirm and self.until_sure:
            raise ConfigError("Give confirm=… or until_sure=…, not both: added seeds choose nothing, as fresh ones do.")
        if not 0 <= self.margin < 1:
            raise ConfigError(
                f"The margin is a fraction from 0 to below 1, got {self.margin:g}. For one point give 0.01."
            )
        if self.tune < 0:
            raise ConfigError(f"tune=… takes how many settings to draw, 0 or more, got {self.tune}.")
