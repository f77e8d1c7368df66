"""A study: the folder of one comparison. What it holds is read back here into scores, intervals and verdicts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from interfuse.core.design import Design
from interfuse.core.errors import DataError
from interfuse.core.files import read_json, write_atomically, write_json
from interfuse.core.records import LeaderboardRow, StudySummary, read_table
from interfuse.core.settings import build
from interfuse.core.tasks import HEADLINES, LOWER_IS_BETTER, lowest_score
from interfuse.evaluation import (
    Comparison,
    DesignResult,
    DesignScores,
    best_on_validation,
    compare_designs,
    difference,
    find_metric,
    say_budget,
    say_metric,
    say_primary,
    say_tuning,
    spread_explained,
    spread_of,
)
from interfuse.fusion import FUSIONS
from interfuse.reports import to_csv, to_html, to_json, to_latex, to_markdown
from interfuse.training import Run, load_run
from interfuse.workflows.study.record import RECORD_FILE, begin_record
from interfuse.workflows.study.report_details import add_evidence
from interfuse.workflows.study.rescore import Constant, score_by
from interfuse.workflows.train import Trial

MAJORITY = "majority"


@dataclass(frozen=True)
class Study:
    """The runs of one comparison, its records and its report."""

    folder: Path
    record: Mapping[str, Any]
    """All of study.json."""

    @classmethod
    def open(cls, folder: Path | str) -> "Study":
        """Open a study.

        Args:
            folder: what `compare` wrote.

        Raises:
            DataError: the folder holds no study.
        """
        folder = Path(folder)
        if not (folder / RECORD_FILE).is_file():
            raise DataError(f"{folder} holds no study (no study.json). Give the folder that compare wrote with out=….")
        return cls(folder, read_json(folder / RECORD_FILE))

    @classmethod
    def begin(cls, folder: Path, record: Mapping[str, Any]) -> "Study":
        """Begin a study, or go on with the same one.

        Args:
            folder: of the study.
            record: everything that decides it.

        Raises:
            ConfigError: the folder holds another study, or something else.
        """
        return cls(folder, begin_record(folder, record))

    def keep_seconds(self, seconds: Mapping[str, float]) -> "Study":
        """Write down how long each part of the work took.

        Args:
            seconds: by the name of the part: encode, total.
        """
        record = {**self.record, "seconds": dict(seconds)}
        write_json(self.folder / RECORD_FILE, record)
        return Study(self.folder, record)

    def designs(self) -> list[Design]:
        """List the designs of the comparison, floors among them."""
        fields = Design.__dataclass_fields__
        return [
            build(Design, "study.json's design", {k: v for k, v in entry.items() if k in fields})
            for entry in self.record["designs"]
        ]

    def trials(self) -> list[Trial]:
        """List every training that the study needs; a fold has a folder of its own where there are several."""
        folds = int(self.record["folds"])
        return [
            Trial(design, seed, fold, self._run_folder(design, seed, fold))
            for seed in self.record["seeds"]
            for design in self.designs()
            for fold in range(folds)
        ]

    def run(self, design: str, seed: int | None = None, fold: int = 0) -> Run:
        """Open one run.

        Args:
            design: its name in the study.
            seed: of the training; none: the first of the study.
            fold: of a cross-validated study.
        """
        names = {entry.name: entry for entry in self.designs()}
        if design not in names:
            raise DataError(f"The study has no design {design!r}. It has: {', '.join(names)}.")
        chosen = self.record["seeds"][0] if seed is None else seed
        return load_run(self._run_folder(names[design], chosen, fold))

    def summary(self, metric: str | None = None) -> StudySummary:
        """Compute scores, intervals and verdicts from the stored predictions; nothing is trained.

        Args:
            metric: what to compare by; none: the metric that the study declared.

        Raises:
            ConfigError: the task has no such metric.
            DataError: a training of the study is not on disk.
        """
        by, loaded, scores = self._scores(metric)
        comparison = self._compare(by, scores)
        rows = [self._row(result, loaded[result.design], by) for result in comparison.results]
        trained = {name: entry for name, entry in loaded.items() if name != MAJORITY}
        histories = {name: entry.histories for name, entry in trained.items()}
        details = [
            *self._primary(scores, by),
            *comparison.details,
            *say_budget(
                {name: _curves(history) for name, history in histories.items()},
                float(self.record["margin"]),
                HEADLINES[self.task],
            ),
            *say_metric(by, self.record["metric"], HEADLINES[self.task]),
            *say_tuning(self.record.get("tuning")),
        ]
        rows.sort(key=lambda row: row.rank)
        summary = StudySummary(dict(self.record), rows, comparison.verdict, details, histories)
        return add_evidence(summary, self.folder, {name: scores[name] for name in trained}, self._folders())

    def contrasts(self, baseline: str, metric: str | None = None) -> list[DesignResult]:
        """Return what `summary` rests on, with any design as the baseline.

        Args:
            baseline: name of the design that all are compared with.
            metric: as in `summary`.

        Raises:
            ConfigError: the task has no such metric, or the study no such design.
            DataError: a training of the study is not on disk.
        """
        by, _, scores = self._scores(metric)
        return list(self._compare(by, scores, baseline).results)

    def best_fusion(self) -> str | None:
        """Return the fusion that the verdict speaks of: best on validation, over all seeds, by the declared metric.

        None where the study compares no fusion of both modalities.
        """
        by, _, scores = self._scores()
        fusion = self._compare(by, scores).fusion
        fusions = [name for name, entry in scores.items() if not entry.unimodal and name != MAJORITY]
        if fusion or not fusions:
            return fusion
        candidates = [name for name in fusions if scores[name].validation.size]
        return best_on_validation(scores, candidates, by in LOWER_IS_BETTER) if candidates else fusions[0]

    def report(self, path: Path | str | None = None, metric: str | None = None) -> Path:
        """Write the report.

        Without a path it is `report.html` in the study's folder, and `report-METRIC.html` by another metric than the
        declared one.

        Args:
            path: the file; its ending, .html, .md, .csv, .tex or .json, chooses the format.
            metric: as in `summary`.
        """
        by = find_metric(metric or self.record["metric"], self.task)
        plain = "report.html" if by == self.record["metric"] else f"report-{by.lower().replace(' ', '-')}.html"
        target = Path(path) if path else self.folder / plain
        writers = {".html": to_html, ".md": to_markdown, ".csv": to_csv, ".tex": to_latex, ".json": to_json}
        if target.suffix not in writers:
            raise DataError(f"A report ends in {', '.join(writers)}, got {target.name!r}.")
        target.parent.mkdir(parents=True, exist_ok=True)
        text = writers[target.suffix](self.summary(metric))
        write_atomically(target, lambda path: path.write_text(text, encoding="utf-8"))
        return target

    @property
    def task(self) -> str:
        """Task of the rows."""
        return str(self.record["data"]["task"])

    def _scores(self, metric: str | None = None) -> tuple[str, dict[str, "_Loaded"], dict[str, DesignScores]]:
        """Read every design; return the metric's name, what was read, and the scores by that metric."""
        self._check_finished()
        by = find_metric(metric or self.record["metric"], self.task)
        trained = {design.name: self._load(design) for design in self.designs()}
        loaded = {MAJORITY: self._majority(next(iter(trained.values()))), **trained}
        scores = {name: entry.scores for name, entry in loaded.items()}
        if by != HEADLINES[self.task]:
            runs = {design.name: self._by_seed(design) for design in self.designs()}
            scores = score_by(by, self.task, scores, runs, Constant(MAJORITY, self.folder / "majority.parquet"))
        return by, loaded, scores

    def _compare(self, by: str, scores: Mapping[str, DesignScores], baseline: str | None = None) -> Comparison:
        settings = baseline or self.record["baseline"], self.record["margin"], self.task
        return compare_designs(scores, *settings, lower=by in LOWER_IS_BETTER)

    def _check_finished(self) -> None:
        """Refuse a study that was cut short."""
        trials = self.trials()
        todo = [trial for trial in trials if not (trial.folder / "run.json").is_file()]
        if todo or not (self.folder / "majority.parquet").is_file():
            names = ", ".join(f"{trial.design.name} seed {trial.seed}" for trial in todo[:5])
            more = f" and {len(todo) - 5} more" if len(todo) > 5 else ""
            raise DataError(
                f"{self.folder} is not finished: {len(todo)} of {len(trials)} trainings are missing"
                f"{f' ({names}{more})' if todo else ''}. Give compare's command again: it goes on where it was."
            )

    def _row(self, result: DesignResult, entry: "_Loaded", by: str) -> LeaderboardRow:
        """Return one design's result as a row of the leaderboard."""
        return LeaderboardRow(
            design=result.design,
            fusion=entry.fusion,
            baseline=result.design == self.record["baseline"],
            metric=by,
            mean=result.mean.mean,
            ci_low=result.mean.low,
            ci_high=result.mean.high,
            seeds=len(self.record["seeds"]),
            parameters=entry.parameters,
            train_seconds=entry.seconds,
            delta=result.delta.mean if result.delta else None,
            delta_ci_low=result.delta.low if result.delta else None,
            delta_ci_high=result.delta.high if result.delta else None,
            p_holm=result.p_holm,
            verdict=result.verdict,
            metrics=entry.metrics,
        )

    def _primary(self, scores: Mapping[str, DesignScores], by: str) -> list[str]:
        """Return how the contrast came out that was declared beforehand."""
        declared = self.record.get("primary")
        if not declared:
            return []
        first, second = declared["first"], declared["second"]
        contrast = difference(scores[first], scores[second], lowest_score(self.task))
        return [say_primary(first, second, contrast, float(self.record["margin"]), by in LOWER_IS_BETTER)]

    def _folders(self) -> dict[str, list[Path]]:
        """Return every design's run folders, all seeds and folds."""
        folders: dict[str, list[Path]] = {}
        for trial in self.trials():
            folders.setdefault(trial.design.name, []).append(trial.folder)
        return folders

    def _by_seed(self, design: Design) -> list[list[Path]]:
        """Return a design's run folders, for each seed those of its folds."""
        folds = range(int(self.record["folds"]))
        return [[self._run_folder(design, seed, fold) for fold in folds] for seed in self.record["seeds"]]

    def _run_folder(self, design: Design, seed: int, fold: int) -> Path:
        folder = self.folder / "runs" / design.slug / str(seed)
        return folder / f"fold-{fold}" if int(self.record["folds"]) > 1 else folder

    def _load(self, design: Design) -> "_Loaded":
        """Read a design's runs: test scores in row order, seed by seed, all folds together."""
        folds, seeds = range(int(self.record["folds"])), self.record["seeds"]
        tests, validations, seconds, histories = [], [], [], {}
        spread = None
        test_metrics: list[dict[str, float]] = []
        for seed in seeds:
            test, validation, train_seconds = [], [], 0.0
            for fold in folds:
                folder = self._run_folder(design, seed, fold)
                info = read_json(folder / "run.json")
                table = read_table(folder / "predictions.parquet")
                test.append(table.filter(pc.equal(table["split"], "test")))
                validation.append(table.filter(pc.equal(table["split"], "validation"))["score"].to_numpy())
                train_seconds += info["train_seconds"]
                test_metrics.append(info["metrics"].get("test", {}))
            rows = np.concatenate([part["row"].to_numpy() for part in test])
            order = np.argsort(rows, kind="stable")
            tests.append(np.concatenate([part["score"].to_numpy() for part in test])[order])
            groups = np.concatenate([part["group"].to_numpy() for part in test])[order]
            if self.task == "regression":
                spread = np.concatenate([spread_of(part["target"].to_numpy()) for part in test])[order]
            validations.append(np.concatenate(validation))
            seconds.append(train_seconds)
            histories[int(seed)] = read_table(self._run_folder(design, seed, 0) / "history.parquet").to_pylist()
        modalities = FUSIONS.entry(design.fusion).build.modalities
        role = self._role(design.name)
        test_scores = np.stack(tests) if spread is None else spread_explained(np.stack(tests), spread)
        scores = DesignScores(test_scores, np.stack(validations), groups, role == "floor", len(modalities) == 1)
        names = [name for name in test_metrics[0] if all(name in metrics for metrics in test_metrics)]
        means = {name: float(np.mean([metrics[name] for metrics in test_metrics])) for name in names}
        return _Loaded(design.fusion, scores, info["parameters"], float(np.mean(seconds)), histories, means, spread)

    def _role(self, name: str) -> str:
        return str(next(entry["role"] for entry in self.record["designs"] if entry["name"] == name))

    def _majority(self, like: "_Loaded") -> "_Loaded":
        """The floor that always gives one answer, the train rows' own; its rows' scores were stored with the study."""
        table = read_table(self.folder / "majority.parquet")
        test = table.filter(pc.equal(table["split"], "test"))
        test = test.take(pc.sort_indices(test, [("row", "ascending")]))
        validation = table.filter(pc.equal(table["split"], "validation"))
        seeds = len(self.record["seeds"])
        every = np.tile(test["score"].to_numpy(), (seeds, 1))
        scores = replace(
            like.scores,
            test=every if like.spread is None else spread_explained(every, like.spread),
            validation=np.tile(validation["score"].to_numpy(), (seeds, 1)),
            floor=True,
            unimodal=False,
        )
        return _Loaded(MAJORITY, scores, 0, 0.0, {}, {})


@dataclass(frozen=True)
class _Loaded:
    """One design's runs, read back."""

    fusion: str
    scores: DesignScores
    parameters: int
    seconds: float
    histories: dict[int, list[dict[str, Any]]]
    metrics: dict[str, float]
    spread: np.ndarray | None = None
    """Of a regression's test rows, as `spread_of` gives it."""


def _curves(histories: Mapping[int, list[dict[str, Any]]]) -> list[list[float]]:
    """Return the validation score of each epoch, of each training."""
    return [[float(row["validation_score"]) for row in history] for history in histories.values()]
