"""Send learning curves and scores to TensorBoard or MLflow by their own clients, for those who keep theirs there."""

import shutil
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from interfuse.core.errors import ConfigError, require
from interfuse.core.files import read_json
from interfuse.core.records import read_table
from interfuse.core.settings import to_plain
from interfuse.workflows.train import Trial

CURVES = ("train_loss", "validation_loss", "validation_score", "learning_rate", "image_use", "text_use")
TRACKERS = ("tensorboard", "mlflow")


@runtime_checkable
class Tracker(Protocol):
    """Takes a finished run; the same run given again is not kept twice."""

    def run(self, trial: Trial) -> None:
        """Send a run's curves, settings and scores."""


def open_tracker(word: str | None, out: Path) -> Tracker:
    """Open a tracker by its name; none: nothing is sent.

    TensorBoard's files go to the study's folder `tensorboard/`; MLflow keeps them where `MLFLOW_TRACKING_URI` says, in
    an experiment called by the study's folder.

    Raises:
        ConfigError: the name is not known.
        ExtraMissingError: the client is not installed.
    """
    if word is None:
        return _Nowhere()
    if word not in TRACKERS:
        raise ConfigError(f"track is {' or '.join(TRACKERS)}, got {word!r}.")
    return _TensorBoard(out) if word == "tensorboard" else _MLflow(out)


class _Nowhere:
    def run(self, trial: Trial) -> None:
        pass


class _TensorBoard:
    def __init__(self, out: Path) -> None:
        require("tensorboard", "track")
        self.out = out

    def run(self, trial: Trial) -> None:
        writer_of = require("torch.utils.tensorboard", "track").SummaryWriter
        folder = self.out / "tensorboard" / trial.folder.relative_to(self.out / "runs")
        shutil.rmtree(folder, ignore_errors=True)
        with writer_of(str(folder)) as writer:
            writer.add_text("design", "\n".join(f"- {name}: {value}" for name, value in _settings(trial).items()))
            for name, value, epoch in _points(trial):
                writer.add_scalar(name, value, epoch)


class _MLflow:
    def __init__(self, out: Path) -> None:
        self.client = require("mlflow", "track").MlflowClient()
        name = out.resolve().name
        experiment = self.client.get_experiment_by_name(name)
        self.experiment = experiment.experiment_id if experiment else self.client.create_experiment(name)

    def run(self, trial: Trial) -> None:
        key = f"{trial.design.key}-{read_json(trial.folder / 'run.json')['fingerprint']}-{trial.seed}-{trial.fold}"
        if self.client.search_runs([self.experiment], f"tags.`interfuse.run` = '{key}'", max_results=1):
            return
        title = f"{trial.design.name} seed {trial.seed}" + (f" fold {trial.fold}" if trial.fold else "")
        run = self.client.create_run(self.experiment, run_name=title).info.run_id
        for name, value in {**_settings(trial), "seed": trial.seed, "fold": trial.fold}.items():
            self.client.log_param(run, name, value)
        for name, value, epoch in _points(trial):
            self.client.log_metric(run, name.replace("²", "2"), value, step=epoch)
        self.client.set_tag(run, "interfuse.run", key)  # last: a run cut short is sent again
        self.client.set_terminated(run)


def _settings(trial: Trial) -> dict[str, Any]:
    plain = to_plain(trial.design)
    return {**{name: value for name, value in plain.items() if name != "settings"}, **plain["settings"]}


def _points(trial: Trial) -> list[tuple[str, float, int]]:
    """List every number as name, value and epoch; the scores belong to the best epoch."""
    points = []
    for row in read_table(trial.folder / "history.parquet").to_pylist():
        points += [(name, float(row[name]), int(row["epoch"])) for name in CURVES if row.get(name) is not None]
        points += [
            (f"gradient_norm/{block}", float(norm), int(row["epoch"]))
            for block, norm in zip(row["block"], row["gradient_norm"], strict=True)
        ]
    info = read_json(trial.folder / "run.json")
    for split, metrics in info["metrics"].items():
        points += [(f"{split}/{name}", float(value), int(info["best_epoch"])) for name, value in metrics.items()]
    return points
