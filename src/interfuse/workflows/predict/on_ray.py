"""Prediction on many workers: the parts in portions, one a worker, by Ray; what they wrote is joined here."""

import socket
from dataclasses import dataclass, replace
from pathlib import Path

from interfuse.core.errors import ConfigError
from interfuse.core.progress import Progress
from interfuse.settings import Portion, StreamSettings
from interfuse.training import load_run
from interfuse.workflows.predict.stream import Streamed, predict_stream
from interfuse.workflows.ray_cluster import run_on_ray
from interfuse.workflows.source import Source


@dataclass(frozen=True)
class PredictTask:
    """What every worker must know; all must reach the run, the rows, the pictures, the store and the output."""

    run: Path
    source: Source
    out: Path
    settings: StreamSettings

    def absolute(self) -> "PredictTask":
        """Write out the paths, since a worker may run in another folder."""
        read, data = self.source.read, self.source.data
        if isinstance(data, str | Path) and Path(data).exists():
            data = str(Path(data).absolute())
        if read.image_folder:
            read = replace(read, image_folder=Path(read.image_folder).absolute())
        encode = replace(self.source.encode, store=self.source.encode.store.absolute())
        return replace(self, run=self.run.absolute(), source=Source(data, read, encode), out=self.out.absolute())


def predict_on_workers(task: PredictTask, progress: Progress, launcher: str, workers: int) -> Streamed:
    """Predict on several workers, then predict here what is left, and join.

    A worker that dies is started again and goes on from its finished parts.

    Args:
        task: run, rows and output.
        progress: told how far it is.
        launcher: `ray`.
        workers: portions of the parts, each predicted by one worker.

    Raises:
        ConfigError: the launcher is not known.
        ExtraMissingError: Ray is not installed.
        EncoderError: a worker failed, or died too often.
    """
    if launcher != "ray":
        raise ConfigError(f"Unknown launcher {launcher!r}. Known: ray. Without a launcher one process predicts.")
    task = task.absolute()
    progress.start("predict portions", workers, "portions")
    calls = [(task, Portion(number, workers)) for number in range(1, workers + 1)]
    run_on_ray(_predict_portion, calls, lambda: progress.advance("predict portions"))
    progress.finish("predict portions")
    return predict_stream(load_run(task.run), task.source, task.out, task.settings, progress)


def _predict_portion(task: PredictTask, portion: Portion) -> str:
    """Predict one portion, on whatever machine this is."""
    settings = replace(task.settings, portion=portion, join=False)
    predict_stream(load_run(task.run), task.source, task.out, settings)
    return socket.gethostname()
