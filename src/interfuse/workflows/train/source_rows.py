"""The rows of a source, read and not yet encoded, so that they can be looked at, and refused, before that."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyarrow.compute as pc
from torch import Tensor

from interfuse.core.errors import ConfigError
from interfuse.core.progress import Progress
from interfuse.data import Examples, Features, encode_labels, load_examples, make_known, split_rows
from interfuse.workflows.source import Source, report_leaks, report_troubles


@dataclass(frozen=True)
class SourceRows:
    """Rows with their labels and splits, before anything is encoded."""

    source: Source
    folds: tuple[Examples, ...]
    """The same rows once a fold or a split made anew, else once; empty for a known-answer task."""
    known: Features | None = None
    """A known-answer task, which is made of tokens."""

    @property
    def task(self) -> str:
        """Task of the rows."""
        return self._labelled.task

    @property
    def label_names(self) -> Sequence[str]:
        """Names of the labels."""
        return self._labelled.label_names

    def list_test_labels(self) -> list[Tensor]:
        """Return the labels of the test rows of each fold or split, as `Features` has them."""
        if self.known is not None:
            return [self.known.labels[self.known.splits["test"]]]
        return [_test_labels(examples) for examples in self.folds]

    @property
    def _labelled(self) -> Examples | Features:
        return self.known if self.known is not None else self.folds[0]


def read_rows(source: Source, progress: Progress) -> SourceRows:
    """Read the rows, once however many splits there are, and say aloud what was decided and what was found wrong.

    Raises:
        ConfigError: the settings cannot work.
        DataError: the rows cannot be used.
    """
    if source.is_known:
        source.check_known()
        return SourceRows(source, (), make_known(source.data, seed=source.read.seed))
    read = source.read
    if source.encode.store_dim is not None and (read.folds or read.resplit):
        way, often = ("folds", "a test row once") if read.folds else ("resplit", "a test row in some split")
        raise ConfigError(
            f"store_dim=… is fitted on the train rows, and with {way}=… every row is {often}. Leave out one of the two."
        )
    first = load_examples(source.data, read, progress)
    every = split_rows(first, read)
    report_troubles(first, progress)
    report_leaks(every[0], progress)
    return SourceRows(source, every)


def _test_labels(examples: Examples) -> Tensor:
    table = examples.table
    return encode_labels(replace(examples, table=table.filter(pc.equal(table["split"], "test"))))
