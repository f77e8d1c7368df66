"""How rows are read: which columns, and which split."""

from dataclasses import dataclass
from pathlib import Path

from interfuse.core.errors import ConfigError, unknown

COPIES = ("near", "exact")
"""How pictures that stay in one split are told to be the same."""
FETCHES = ("none", "public", "any")
"""Which URLs that rows name are fetched."""


@dataclass(frozen=True)
class SourceSettings:
    """How rows are read; names are columns of the table. Paths are kept as texts, so that settings save as JSON."""

    image: str | None = None
    """Column with the picture files."""
    text: str | None = None
    """Column with the texts."""
    label: str | None = None
    """Column with the labels: one class, or several joined by | or as a list; the word none: there is none."""
    id: str | None = None
    """Column that names a row; none: its number."""
    group: str | None = None
    """Rows with the same value stay in one split; rows with the same picture always do."""
    copies: str = "near"
    """Pictures that stay in one split: near, also those that were encoded or resized again; exact, equal files only."""
    split: str | None = None
    """Column with train, validation or test."""
    image_folder: str | Path | None = None
    """Folder that picture files are relative to; none: the table's own."""
    join: str | None = None
    """FILE:KEY, more columns from another file for the rows with the same key; FILE:KEY=ITS_KEY where names differ."""
    unpack_to: str | Path | None = None
    """Folder that pictures inside shards and datasets are unpacked to; none: the user's cache."""
    validation: str | Path | None = None
    """File with the validation rows."""
    test: str | Path | None = None
    """File with the test rows."""
    task: str | None = None
    """multiclass, multilabel, matching or regression; none: seen from the labels, matching where there are none."""
    hard_negatives: bool = False
    """Matching from captions: pair a picture with captions like its own, not with any."""
    strict: bool = False
    """Stop at the first bad row or picture."""
    seed: int = 0
    """Of the splits that are made, of what is drawn from the rows, and of one training."""
    validation_share: int | float = 0.15
    """Fraction of the rows for validation where it is made."""
    test_share: int | float = 0.15
    """Fraction of the rows for test where it is made; 0: none is made."""
    folds: int | None = None
    """Cross-validate: every row is a test row in one of so many folds."""
    fold: int = 0
    """Which fold is the test split."""
    resplit: int | None = None
    """Split the rows anew so many times, with a seed for each, in place of several seeds on one split."""
    allow_outside: bool = False
    """Read pictures outside the image folder too, also through symbolic links."""
    fetch: str = "none"
    """Fetch pictures that rows name by URL: none, public, or any, also from private addresses."""

    def __post_init__(self) -> None:
        """Refuse shares and folds that leave nothing to train on."""
        for name in ("image_folder", "unpack_to", "validation", "test"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, str(getattr(self, name)))
        if self.copies not in COPIES:
            raise ConfigError(unknown("kind of copies", self.copies, COPIES))
        if self.fetch not in FETCHES:
            raise ConfigError(unknown("value of fetch:", self.fetch, FETCHES))
        for name in ("validation_share", "test_share"):
            share = getattr(self, name)
            if not 0 < share < 1 and (name, share) != ("test_share", 0):
                raise ConfigError(f"{name} must be between 0 and 1, got {share}.")
        if self.validation_share + self.test_share >= 1:
            raise ConfigError(
                f"validation_share {self.validation_share} and test_share {self.test_share} leave no row to train on: "
                "together they must be below 1."
            )
        self._check_resplit()
        if self.folds is not None and self.folds < 2:
            raise ConfigError(f"folds must be at least 2, got {self.folds}.")
        if self.fold < 0 or self.fold >= (self.folds or 1):
            raise ConfigError(f"fold must be from 0 to {(self.folds or 1) - 1}, got {self.fold}.")

    def _check_resplit(self) -> None:
        """Refuse to split rows anew that are split otherwise."""
        if self.resplit is None:
            return
        opening = f"resplit={self.resplit} splits the rows anew {self.resplit} times"
        if self.resplit < 2:
            raise ConfigError(f"resplit must be at least 2, got {self.resplit}.")
        if self.folds is not None:
            raise ConfigError(f"{opening}, and folds={self.folds} deals them into folds. Leave out one of the two.")
        if self.validation or self.test:
            raise ConfigError(
                f"{opening}, and validation=… or test=… says what the split is. Leave out one of the two."
            )
        if self.split is not None:
            raise ConfigError(
                f"{opening}, and these rows have a split of their own, in column {self.split!r}: a difference over "
                "other splits would not be one on that split. Leave out resplit, or give rows without a split."
            )
        if self.test_share == 0:
            raise ConfigError(f"{opening}, and test_share=0 leaves no test row in any of them.")
