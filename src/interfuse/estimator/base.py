"""What classifier and regressor share: settings in, a run inside, a folder on disk."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

from interfuse.core.checks import COUNT, NULL, NUMBER, OBJECT, TEXT, TRUTH, check_record, list_of
from interfuse.core.design import Design, make_design, parse_designs
from interfuse.core.errors import ConfigError, DataError
from interfuse.core.files import read_json, write_json
from interfuse.core.progress import Progress
from interfuse.core.records import read_table, write_table
from interfuse.core.settings import to_plain
from interfuse.data import SourceSettings
from interfuse.estimator.hub_habits import RECORD, HubHabits
from interfuse.estimator.listener import Listener
from interfuse.estimator.tables import is_blank, picture_files, read_column
from interfuse.training import Precision, Run, load_run, save_run
from interfuse.workflows import EncoderSettings, Predictions, Source, default_store, predict, train_run

E = TypeVar("E", bound="FusionEstimator")
_TABLES = ("history", "predictions")
_READ = ("image", "text", "group", "image_folder", "validation_share", "seed")
_ENCODE = ("image_encoder", "text_encoder", "image_size", "device", "store_dtype", "store_dim")
_DESIGN = (
    *(
        "image_encoder",
        "text_encoder",
        "image_size",
        "store_dtype",
        "store_dim",
        "dim",
        "encoder_layers",
        "num_heads",
        "dropout",
    ),
    *("modality_dropout", "epochs", "batch_size", "learning_rate", "weight_decay"),
)
PARAMS = {
    **dict.fromkeys(("image", "text", "group"), NULL | TEXT),
    **dict.fromkeys(("fusion", "image_encoder", "text_encoder", "store_dtype", "precision", "device"), TEXT),
    **dict.fromkeys(("image_size", "store_dim"), NULL | COUNT),
    **dict.fromkeys(("dim", "encoder_layers", "num_heads", "epochs", "batch_size", "threads", "seed"), COUNT),
    **dict.fromkeys(("dropout", "modality_dropout", "learning_rate", "weight_decay", "validation_share"), NUMBER),
    "settings": NULL | OBJECT,
}
"""Settings that a file may bring; folders of this machine are none of them."""


class FusionEstimator(HubHabits, BaseEstimator):  # type: ignore[misc]
    """Base of the estimators: the constructor stores settings and does nothing else, as scikit-learn asks.

    `X` is a pandas, polars or Arrow table; `image` and `text` name its columns. A picture is a path, a PIL image, a
    uint8 array or the bytes of a picture file; a blank cell is a missing modality. Every distinct picture and text is
    encoded once and kept in the token store, so that a grid search encodes nothing twice.
    """

    task: str | None = None
    """Task that the head is trained for; none: seen from y."""

    def __init__(
        self,
        image: str | None = "image",
        text: str | None = "text",
        fusion: str = "cross_attention",
        *,
        settings: Mapping[str, Any] | None = None,
        image_encoder: str = "efficientnet-lite0",
        text_encoder: str = "minilm",
        image_size: int | None = None,
        dim: int = 128,
        encoder_layers: int = 0,
        num_heads: int = 8,
        dropout: int | float = 0.1,
        modality_dropout: int | float = 0.0,
        epochs: int = 8,
        batch_size: int = 64,
        learning_rate: int | float = 1e-3,
        weight_decay: int | float = 0.01,
        validation_share: int | float = 0.15,
        group: str | None = None,
        image_folder: str | Path | None = None,
        store: str | Path | None = None,
        store_dtype: str = "bfloat16",
        store_dim: int | None = None,
        precision: Precision = "auto",
        device: str = "cpu",
        threads: int = 1,
        progress: Progress | None = None,
        seed: int = 0,
    ) -> None:
        """Store the settings.

        Args:
            image: column with the pictures; none: there is none.
            text: column with the texts; none: there is none.
            fusion: mechanism, with settings of its own where wanted: `concat:hidden=512`.
            settings: any further field of `Design` or setting of the mechanism, such as `{"gate": "glu"}`.
            image_encoder: packaged name, hub id or local folder.
            text_encoder: packaged name, hub id or local folder.
            image_size: height and width of the picture encoder's input in pixels; none: its own.
            dim: width of the network.
            encoder_layers: Transformer layers for each modality before the fusion.
            num_heads: attention heads.
            dropout: fraction, 0 to 1.
            modality_dropout: fraction of training rows that lose a modality; above 0 where rows may lack one later.
            epochs: passes over the training rows; the best by validation is kept.
            batch_size: rows a step.
            learning_rate: peak of the schedule.
            weight_decay: AdamW's.
            validation_share: fraction of the rows given to `fit` that chooses the epoch, whole groups.
            group: column whose equal values stay together in that split; equal pictures always do.
            image_folder: folder that relative paths are relative to; none: the current one.
            store: folder of the token store; none: $INTERFUSE_STORE, else the user's cache.
            store_dtype: bfloat16, int8 or float32, the number format of the stored tokens; float32: the encoders' too.
            store_dim: principal components of the train tokens that each token keeps; none: all of the encoder's.
            precision: auto, float32 or bfloat16 training steps.
            device: cpu, cuda, mps.
            threads: CPU threads of the training.
            progress: callback for how far it is.
            seed: of the validation split and of the training.
        """
        self.image = image
        self.text = text
        self.fusion = fusion
        self.settings = settings
        self.image_encoder = image_encoder
        self.text_encoder = text_encoder
        self.image_size = image_size
        self.dim = dim
        self.encoder_layers = encoder_layers
        self.num_heads = num_heads
        self.dropout = dropout
        self.modality_dropout = modality_dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.validation_share = validation_share
        self.group = group
        self.image_folder = image_folder
        self.store = store
        self.store_dtype = store_dtype
        self.store_dim = store_dim
        self.precision = precision
        self.device = device
        self.threads = threads
        self.progress = progress
        self.seed = seed

    @property
    def design(self) -> Design:
        """The design that `fit` trains.

        Raises:
            ConfigError: a setting is not known or cannot work.
        """
        base = {name: getattr(self, name) for name in _DESIGN}
        designs = parse_designs(self.fusion, base)
        if len(designs) != 1:
            raise ConfigError(f"fusion names one design, got {len(designs)}: {self.fusion!r}. compare takes several.")
        if not self.settings:
            return designs[0]
        plain = to_plain(designs[0])
        own = {**plain.pop("settings"), **self.settings}
        return make_design(plain.pop("fusion"), own, {k: v for k, v in plain.items() if k != "name"})

    def save(self, folder: str | Path) -> None:
        """Write the fitted estimator to a run folder, which `load` and every command of the CLI read; no pickle.

        Args:
            folder: a new one, or an empty one.

        Raises:
            ConfigError: the folder is not empty.
            NotFittedError: `fit` was not called.
        """
        run, out = self._fitted_run(), Path(folder)
        if out.is_dir() and any(out.iterdir()):
            raise ConfigError(f"{out} is not empty. Give a new folder.")
        for name, table in self._tables.items():
            if name != "history":
                write_table(out / f"{name}.parquet", table)
        params = {name: value for name, value in self.get_params(deep=False).items() if name in PARAMS}
        params["settings"] = dict(self.settings) if self.settings else None
        record = {"estimator": type(self).__name__, "params": params, **self._remember()}
        info = {k: v for k, v in run.info.items() if k not in ("format", "design", "inputs")}
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / RECORD, record)
        history = self._tables["history"].to_pylist() if self._tables else []
        save_run(out, run.network, run.design, info, history, run.projections, run.finetuned)

    @classmethod
    def load(cls: type[E], folder: str | Path, **params: Any) -> E:
        """Open what `save` wrote.

        Args:
            folder: that `save` was given.
            params: settings that are this machine's own and no file's, `store`, `image_folder` and `progress`; or any
                other in place of the stored one.

        Raises:
            DataError: the folder holds no fitted estimator of this class.
        """
        path = Path(folder) / RECORD
        if not path.is_file():
            raise DataError(f"{folder} holds no {RECORD}. A run of the CLI is opened with {cls.__name__}.from_run.")
        record = check_record(
            path, read_json(path), {"estimator": TEXT, "params": OBJECT, "classes": list_of(TEXT | NUMBER | TRUTH)}
        )
        if record["estimator"] != cls.__name__:
            raise DataError(f"{folder} holds a {record['estimator']}, not a {cls.__name__}.")
        stored = check_record(path, {k: v for k, v in record["params"].items() if k in PARAMS}, PARAMS)
        estimator = cls(**{**stored, **params})
        estimator._take(load_run(Path(folder)), record)
        return estimator

    @classmethod
    def from_run(cls: type[E], folder: str | Path, **params: Any) -> E:
        """Make a fitted estimator of a run that `train` or `compare` wrote.

        Args:
            folder: of the run.
            params: settings that a run does not hold, such as `store` or `image_folder`.

        Raises:
            DataError: the folder holds no run that this estimator can use.
        """
        run = load_run(Path(folder))
        if run.info["encoder_settings"]["image_encoder"] == "known":
            raise DataError(f"{folder} was trained on a known-answer task, which has neither pictures nor texts.")
        plain = to_plain(run.design)
        further = {f.name for f in fields(Design)} - {"fusion", "name", "settings", *_DESIGN}
        default = to_plain(Design(run.design.fusion))
        rest = {name: plain[name] for name in sorted(further) if plain[name] != default[name]}
        settings = {name: plain[name] for name in ("fusion", *_DESIGN)} | run.info["encoder_settings"]
        columns = {name: run.info["columns"].get(name) for name in ("image", "text")}
        estimator = cls(
            **{
                **settings,
                **columns,
                "seed": run.info["seed"],
                "settings": {**plain["settings"], **rest} or None,
                **params,
            }
        )
        estimator._take(run, {})
        return estimator

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether there is a trained network, as scikit-learn asks."""
        return hasattr(self, "run_")

    def _train(self, X: Any, labels: list[Any], task: str) -> None:
        """Train on the rows of a table with these labels, and keep the run."""
        count = len(labels)
        columns, pictures = self._columns(X, ("image", "text", "group"))
        if any(len(column) != count for column in columns.values()):
            raise DataError(f"X has {len(next(iter(columns.values()))):,} rows and y {count:,}: give a label a row.")
        label = next(name for name in ("label", "target", "interfuse_label") if name not in columns)
        listener = Listener(self.progress)
        with picture_files(pictures) as (names, folder), TemporaryDirectory(prefix="interfuse-run-") as home:
            frame = self._frame(columns, names).with_columns(pl.Series(label, labels))
            source = self._source(frame, folder, label=label, task=task, test_share=0.0)
            run = train_run(source, Path(home) / "run", self.design, self.seed, self.precision, self.threads, listener)
            tables = {name: read_table(run.folder / f"{name}.parquet") for name in _TABLES}
        self._tables = tables
        self.run_ = replace(run, folder=Path())
        self.notes_: list[str] = listener.messages
        self.feature_names_in_ = np.array([name for name in (self.image, self.text) if name], dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)
        listener.warn()

    def _predict(self, X: Any) -> Predictions:
        """Predict every row of a table, in its order."""
        run = self._fitted_run()
        columns, pictures = self._columns(X, ("image", "text"))
        count = len(next(iter(columns.values())))
        listener = Listener(self.progress)
        with picture_files(pictures) as (names, folder):
            frame = self._frame(columns, names)
            empty = [what for what in ("image", "text") if (c := getattr(self, what)) and frame[c].is_null().all()]
            if len(empty) == self.n_features_in_:
                raise DataError("Every row has neither picture nor text, so nothing can be predicted.")
            blank = dict.fromkeys(empty)  # a column that is blank as a whole is left unread
            run = replace(run, info={**run.info, "columns": {**run.info["columns"], **blank}})
            predictions = predict(run, self._source(frame, folder, group=None, **blank), listener)
        listener.warn()
        gaps = sorted(set(range(count)) - set(predictions.rows))
        if gaps:
            raise DataError(
                f"{len(gaps):,} rows have neither a readable picture nor a text, so nothing can be predicted; the "
                f"first: row {gaps[0]}. Leave them out, or give them a text."
            )
        return predictions

    def _columns(self, X: Any, roles: tuple[str, ...]) -> tuple[dict[str, list[Any]], list[Any]]:
        """Read the columns that the settings name; the pictures come a second time, by themselves."""
        if self.image is None and self.text is None:
            raise ConfigError("Which columns are the picture and the text? Give image=… and text=….")
        names = {what: getattr(self, what) for what in roles if getattr(self, what) is not None}
        columns = {name: read_column(X, name, what) for what, name in names.items()}
        if not len(next(iter(columns.values()))):
            raise DataError("X has no row.")
        return columns, columns[self.image] if self.image else []

    def _frame(self, columns: Mapping[str, list[Any]], names: list[str | None]) -> pl.DataFrame:
        """Make the table that the workflows read: every cell a text."""
        texts = {k: [None if is_blank(c) else str(c) for c in v] for k, v in columns.items() if k != self.image}
        return pl.DataFrame({**texts, **({self.image: names} if self.image else {})}, strict=False)

    def _source(self, frame: pl.DataFrame, folder: Path | None, **read: Any) -> Source:
        settings = {name: getattr(self, name) for name in _READ}
        if folder is not None:
            settings["image_folder"] = folder
        encode = {name: getattr(self, name) for name in _ENCODE}
        store = Path(self.store) if self.store else default_store()
        return Source(frame, SourceSettings(**{**settings, **read}), EncoderSettings(**encode, store=store))

    def _fitted_run(self) -> Run:
        if not hasattr(self, "run_"):
            raise NotFittedError(f"This {type(self).__name__} is not fitted: call fit, load or from_run first.")
        run: Run = self.run_
        return run

    def _remember(self) -> dict[str, Any]:
        """Return what `load` needs beside the run, as plain JSON."""
        return {}

    def _take(self, run: Run, record: Mapping[str, Any]) -> None:  # noqa: ARG002  (a subclass reads it)
        """Become fitted by a run from disk."""
        self.run_ = run
        paths = {name: run.folder / f"{name}.parquet" for name in _TABLES}
        self._tables = {name: read_table(path) for name, path in paths.items() if path.is_file()}
        self.notes_ = []
        self.feature_names_in_ = np.array([name for name in (self.image, self.text) if name], dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)
