"""The main job: from rows to a verdict. Killed at any moment and started again, it finishes the same study."""

import time
from pathlib import Path

from interfuse.core.progress import Progress, Silent
from interfuse.data import write_quarantine
from interfuse.settings import CompareSettings
from interfuse.training import leftovers
from interfuse.workflows.compare.config import write_config
from interfuse.workflows.compare.majority import write_majority
from interfuse.workflows.compare.plan import Plan, settle
from interfuse.workflows.compare.request import read_request
from interfuse.workflows.compare.schedule import train_all
from interfuse.workflows.compare.trackers import Tracker, open_tracker
from interfuse.workflows.source import Source
from interfuse.workflows.study import EXAMPLES_FILE, Study, add_seeds, confirm, keep_examples
from interfuse.workflows.train import encode_rows, is_done, read_rows, tidy


def compare(source: Source, out: Path, settings: CompareSettings, progress: Progress | None = None) -> Study:
    """Encode what is new, train what is missing, and return the study.

    Args:
        source: the rows and how to read and encode them.
        out: the study's folder; the same command on it again finishes or just reads it.
        settings: the comparison.
        progress: told how far it is.

    Raises:
        ConfigError: the settings cannot work, or `out` holds another comparison.
        DataError: the rows cannot be used.
    """
    watcher = progress or Silent()
    tracker = open_tracker(settings.track, out)
    request = read_request(settings, source)
    rows = read_rows(source, watcher)
    request.check(rows)
    prepared = encode_rows(rows, watcher, settings.train_rows)
    plan = settle(request, prepared, out, watcher)
    study = Study.begin(out, plan.record)
    write_config(study, request)
    study = train_missing(study, plan, tracker, watcher)
    while settings.until_sure and (grown := add_seeds(study)):
        study = train_missing(grown, plan, tracker, watcher)
    if settings.confirm:
        study = train_missing(confirm(study), plan, tracker, watcher)
    study.report()
    return study


def train_missing(study: Study, plan: Plan, tracker: Tracker, progress: Progress) -> Study:
    """Train what is not on disk yet, and keep what the study's report shows beside the runs.

    Args:
        study: begun by the plan, now or before.
        plan: with what is trained.
        tracker: sent every run.
        progress: told how far it is.
    """
    prepared, folder = plan.prepared, study.folder
    for path in leftovers(folder):
        path.unlink(missing_ok=True)
    write_majority(folder / "majority.parquet", plan.training_set)
    if prepared.examples and prepared.examples.troubles:
        write_quarantine(prepared.examples, folder / "quarantine.csv")
        count = len(prepared.examples.troubles)
        progress.say(f"{count:,} rows in trouble are listed in {folder / 'quarantine.csv'}.")
    todo = []
    for trial in study.trials():
        if is_done(trial, prepared.info):
            tidy(trial, plan.context)
            tracker.run(trial)
        else:
            todo.append(trial)
    train_all(plan.training_set, plan.context, todo, plan.request.resources, progress, tracker.run)
    if todo:
        total = time.perf_counter() - plan.request.started
        study = study.keep(seconds={"encode": prepared.encode_seconds, "total": total})
    if prepared.examples and (todo or not (folder / EXAMPLES_FILE).is_file()):
        keep_examples(study, prepared.examples)
    return study
