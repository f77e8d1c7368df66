"""Train one design with one seed: rows in, a run out."""

from pathlib import Path

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.core.progress import Progress, Silent
from interfuse.training import Precision, Run, load_run
from interfuse.workflows.bench import make_bench
from interfuse.workflows.prepare import Source, prepare
from interfuse.workflows.quarantine import FILE, keep_troubles
from interfuse.workflows.runs import Terms, Trial, is_done, is_unfinished, run_trials, tidy


def train_run(
    source: Source,
    out: Path,
    design: Design,
    seed: int = 0,
    precision: Precision = "auto",
    threads: int = 1,
    progress: Progress | None = None,
) -> Run:
    """Encode what is new, train, score validation and test once, and give the run.

    Raises:
        ConfigError: the design cannot work, or `out` holds another run.
        DataError: the rows cannot be used.
    """
    watcher = progress or Silent()
    prepared = prepare(source, watcher)
    trial = Trial(design, seed, 0, out)
    terms = Terms(precision, threads, prepared.info, prepared.projections)
    if is_done(trial, prepared.info):
        tidy(trial, terms)
        watcher.say(f"{out} holds this very run already: nothing to train.")
        return load_run(out)
    if not is_unfinished(trial, terms):
        raise ConfigError(f"{out} is not empty and does not hold this run. Give another --out.")
    bench = make_bench(prepared.features, prepared.folds[:1], [design])
    steps = -(-len(bench.folds[0]["train"]) // design.batch_size) * design.epochs
    watcher.start("train", steps, "steps")
    for _ in run_trials(bench, terms, [trial], 1, lambda done, note: watcher.advance("train", done, note)):
        watcher.finish("train")
    if prepared.examples:
        keep_troubles(prepared.examples.troubles, out / FILE, watcher)
    return load_run(out)
