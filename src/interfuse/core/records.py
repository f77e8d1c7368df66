"""Records: what a study leaves on disk and what a report reads. Written once, never changed."""

import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from interfuse.core.errors import DataError
from interfuse.core.files import write_atomically
from interfuse.core.tasks import LOWER_IS_BETTER

_MARK = b"interfuse digest"
_DIGEST = 16
_TAIL = 8
"""Bytes after a Parquet footer: its length, and the format's own mark."""

PREDICTIONS = pa.schema(
    [
        ("row", pa.int64()),  # row number in the source
        ("id", pa.string()),
        ("group", pa.int64()),  # rows of one group share a picture (or the declared column)
        ("split", pa.string()),  # validation or test
        ("label", pa.list_(pa.int64())),  # class numbers: one, any number for multilabel, none for regression
        ("score", pa.float64()),  # the row's share of the metric: 0 to 1, for regression at most 1
        ("probs", pa.list_(pa.float32())),  # for regression the predicted number
        ("target", pa.float64()),  # the true number, for regression; else null
    ]
)
"""Columns of `predictions.parquet`."""

PART = pa.struct(
    {
        "part": pa.string(),  # a block, or a layer inside one, as fusion.layers.0
        "gradient_norm": pa.float64(),  # before clipping
        "update_ratio": pa.float64(),  # norm of a step's change over the norm of what it changes
        "zeros": pa.float64(),  # share of gradients that are exactly zero; null behind a closed gate
    }
)
ATTENTION = pa.struct(
    {
        "name": pa.string(),
        "entropy": pa.float64(),  # of the weights, over log(keys), 0 to 1; null where every row has one key
        "keys": pa.int64(),  # most keys that a row had
        "heads": pa.int64(),
        "dead_heads": pa.int64(),  # get next to no gradient; null where the whole attention gets none
        "query_key": pa.float64(),  # gradient norm of query and key over that of the value
    }
)

HISTORY = pa.schema(
    [
        ("epoch", pa.int64()),  # from 1
        ("step", pa.int64()),  # steps done when the row was written
        ("train_loss", pa.float64()),  # mean over the epoch
        ("validation_loss", pa.float64()),
        ("validation_score", pa.float64()),
        ("learning_rate", pa.float64()),
        ("seconds", pa.float64()),  # since training began
        ("block", pa.list_(pa.string())),  # image_adapter, text_adapter, fusion, head
        ("gradient_norm", pa.list_(pa.float64())),  # of each block, mean over the epoch, before clipping
        # first_loss: of the very first step; a regression's: at least the mean answer's; first row only
        ("first_loss", pa.float64()),
        # of the constant answer that the train rows give, on the validation rows; first row only
        ("chance_score", pa.float64()),
        ("chance_error", pa.float64()),  # its standard error; of a regression 0
        ("constant", pa.list_(pa.string())),  # image, text, label: what is the same in every train row; first row only
        ("health", pa.string()),  # the verdict so far in a word: healthy, vanishing, …
        ("findings", pa.list_(pa.struct({name: pa.string() for name in ("word", "where", "evidence", "fix")}))),
        ("parts", pa.list_(PART)),
        ("attention", pa.list_(ATTENTION)),
        ("gates", pa.list_(pa.struct({"name": pa.string(), "saturation": pa.float64()}))),
        ("relus", pa.list_(pa.struct({"name": pa.string(), "dead": pa.float64()}))),  # units 0 for every row of a batch
        ("ogm_ratio", pa.float64()),  # the image head's probability of the truth over the text head's, where both are
        ("image_use", pa.float64()),  # how far another row's image moves the prediction, 0 to 1
        ("text_use", pa.float64()),
    ]
)
"""Columns of `history.parquet`, a row an epoch; from `parts` on medians over the steps that were looked at closely.

The columns from `first_loss` on are absent from records of before they were measured.
"""


EXAMPLES = pa.schema(
    [
        ("kind", pa.string()),  # needs both, wrong with both, missing image or missing text
        ("row", pa.int64()),  # row number in the source
        ("id", pa.string()),
        ("text", pa.string()),  # cut where it is long; null where it is missing
        ("label", pa.string()),
        ("design", pa.string()),  # the fusion that `answer` is from
        ("answer", pa.string()),  # of the mean over seeds
        ("image_answer", pa.string()),  # of the design that sees the image only; null where there is none
        ("text_answer", pa.string()),
        ("score", pa.float64()),  # of the fusion, mean over seeds
        ("picture", pa.binary()),  # a small JPEG; null where it is missing or cannot be opened
    ]
)
"""Columns of a study's `examples.parquet`: a few test rows to look at, so that a report needs no data."""


@dataclass(frozen=True)
class LeaderboardRow:
    """One design in a comparison; fractions 0 to 1."""

    design: str
    fusion: str
    baseline: bool
    metric: str
    mean: float
    ci_low: float | None
    """None where one seed gives no interval for the design."""
    ci_high: float | None
    seeds: int
    parameters: int
    train_seconds: float
    """Mean over the seeds."""
    delta: float | None
    """Mean minus the baseline's; None on the baseline's own row."""
    delta_ci_low: float | None
    delta_ci_high: float | None
    p_holm: float | None
    """Holm-adjusted p of the difference from the baseline."""
    verdict: str
    """surely wins, wins, small, equal, no evidence, loses, surely loses; floor or baseline."""
    beats: float | None = None
    """Share of pairs of trainings of which this design's scores better than the baseline's."""
    detectable: float | None = None
    """Smallest difference from the baseline that the study could have seen with 80 % power."""
    needed: str = ""
    """What it takes to see a difference of one margin; empty where the study could."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Every metric of the task on test, the mean over seeds and folds; empty for the constant answer."""

    @property
    def rank(self) -> float:
        """Return what designs are sorted by, the best first: an error as it is, a score negated."""
        return self.mean if self.metric in LOWER_IS_BETTER else -self.mean


@dataclass(frozen=True)
class Contrast:
    """One design against another on the same test rows; fractions 0 to 1."""

    first: str
    second: str
    delta: float
    """Mean of the first minus the second's."""
    low: float | None
    high: float | None
    p_holm: float | None
    """Adjusted for all pairs of the study."""
    beats: float | None = None
    """Share of pairs of trainings of which the first's scores better."""


@dataclass(frozen=True)
class StudySummary:
    """All that a report shows of a study."""

    study: dict[str, Any]
    """The resolved settings, versions and data card of `study.json`."""
    rows: list[LeaderboardRow]
    """Best validation score first is not promised; a report sorts."""
    verdict: str
    """The study's verdict in words."""
    details: list[str] = field(default_factory=list)
    """Further sentences: what the interval means, warnings."""
    histories: dict[str, dict[int, list[dict[str, Any]]]] = field(default_factory=dict)
    """Design name to seed to the rows of `history.parquet`."""
    pairs: list[Contrast] = field(default_factory=list)
    """Every pair of trained designs once."""
    costs: dict[str, dict[str, float]] = field(default_factory=dict)
    """Design name to what was measured beside the training seconds: flops, latency_ms, memory_mb."""
    examples: list[dict[str, Any]] = field(default_factory=list)
    """Rows of the study's `examples.parquet`, columns `EXAMPLES`."""
    diagnoses: list[dict[str, Any]] = field(default_factory=list)
    """Every `diagnosis.json` of the study's runs, each with `illustrations` by row number as text."""
    alpha: float = 0.05
    """The p value below which a difference is sure: less where seeds were added after looking."""

    def leaderboard(self) -> list[dict[str, Any]]:
        """Return the rows as plain JSON objects."""
        return [asdict(row) for row in self.rows]


def finite(value: float) -> float | None:
    """Return a number as a record holds it: None where it is not finite, for JSON has no such number."""
    return value if math.isfinite(value) else None


def late_rows(history: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Take the last fifth of a training's epochs, where its health is read; the first steps count for nothing there.

    Where none of these was looked at closely, it begins with the last epoch that was.

    >>> [row["epoch"] for row in late_rows([{"epoch": n, "parts": [] if n > 7 else [1]} for n in range(1, 11)])]
    [7, 8, 9, 10]
    """
    places = [place for place, row in enumerate(history) if row.get("parts")]
    fifth = len(history) - max(1, math.ceil(len(history) / 5))
    return history[min(fifth, places[-1]) if places else fifth :]


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file atomically, with a hash of its bytes: a flipped bit is an error and no number.

    The hash stands between the last page and the footer, where the format looks at nothing: every reader of Parquet
    opens the file as any other.
    """
    write_atomically(path, lambda temporary: temporary.write_bytes(_with_digest(table)))


def read_table(path: Path, schema: pa.Schema | None = None) -> pa.Table:
    """Read a Parquet file; one that carries a hash must agree with it.

    Args:
        path: the file.
        schema: columns that it must have, of these types; none: any. Further columns may stand beside them.

    Raises:
        DataError: the file is no Parquet, lacks a column, or was damaged after it was written.
    """
    content = path.read_bytes()
    place = _footer(content) - _DIGEST - len(_MARK)
    if place >= 0 and content[place : place + len(_MARK)] == _MARK:
        start = place + len(_MARK)
        if _hash(content[:place], content[start + _DIGEST :]) != content[start : start + _DIGEST]:
            raise DataError(
                f"{path} is not as it was written: its content does not fit its hash. Take it from a copy, or make it "
                "again."
            )
    try:
        table = pq.read_table(pa.BufferReader(content))
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise DataError(f"{path} is no Parquet file that can be read: {error}.") from error
    for column in schema or ():
        if column.name not in table.schema.names or table.schema.field(column.name).type != column.type:
            raise DataError(f"{path} has no column {column.name!r} of type {column.type}. Take it from a copy.")
    return table


def _with_digest(table: pa.Table) -> bytes:
    """Return the bytes of a Parquet file, with the hash before the footer."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    content = buffer.getvalue()
    place = _footer(content)
    return content[:place] + _MARK + _hash(content[:place], content[place:]) + content[place:]


def _footer(content: bytes) -> int:
    """Return where the footer begins; below 0 where the bytes are too few for one."""
    return len(content) - _TAIL - int.from_bytes(content[-_TAIL : -_TAIL // 2], "little")


def _hash(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=_DIGEST)
    for part in parts:
        digest.update(part)
    return digest.digest()
