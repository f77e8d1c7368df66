"""A study: the folder of one comparison. What it holds is read back here into scores, intervals and verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from interfuse.core.design import Design
from interfuse.core.errors import DataError
from interfuse.core.files import write_atomically, write_json
from interfuse.core.outside import make_folder
from interfuse.core.records import StudySummary
from interfuse.core.settings import build
from interfuse.core.tasks import HEADLINES, LOWER_IS_BETTER, find_metric
from interfuse.evaluation import (
    ALPHA,
    MAJORITY,
    Comparison,
    Confirmation,
    DesignResult,
    DesignScores,
    Learning,
    Looks,
    Rules,
    best_on_validation,
    compare_designs,
    compare_pairs,
    list_rivals,
    say_budget,
    say_collapses,
    say_families,
    say_looks,
    say_metric,
    say_power,
    say_primary,
    say_scope,
    say_tuning,
)
from interfuse.reports import to_csv, to_html, to_json, to_latex, to_markdown
from interfuse.settings import check_study
from interfuse.training import Run, load_run
from interfuse.workflows.study.leaderboard import to_row
from interfuse.workflows.study.loaded_design import LoadedDesign, check_same_rows, load_design, load_majority
from interfuse.workflows.study.record import RECORD_FILE, begin_record, read_record
from interfuse.workflows.study.repetitions import score_repetitions, vary_design
from interfuse.workflows.study.report_details import add_evidence
from interfuse.workflows.study.rescore import Constant, score_by
from interfuse.workflows.train import Trial

MAJORITY_FILE = "majority.parquet"


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
        check_study(folder)
        return cls(folder, read_record(folder))

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

    def seeds_of(self, design: str) -> list[int]:
        """List a design's seeds: the study's, and those that were added until its contrast was sure.

        Args:
            design: its name in the study.
        """
        count = len(self.record["seeds"])
        added = self.record.get("added", {}).get(design, 0)
        return [*self.record["seeds"], *range(count, count + added)]

    def looks(self) -> Looks | None:
        """Return when seeds are added until a contrast is sure; None where the study does not ask for it."""
        most = self.record.get("until_sure")
        return Looks.between(len(self.record["seeds"]), int(most)) if most else None

    def keep(self, **entries: Any) -> "Study":
        """Write entries into the study's record.

        Args:
            entries: of study.json, by name.
        """
        record = {**self.record, **entries}
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
        """List every training that the study needs; a fold has a folder of its own where there are several.

        A linear model is trained once. Where the rows are split anew, each seed has a split to itself, which its
        trainings have for a fold.
        """
        designs, confirmed = self.designs(), self.record.get("confirmation") or {"seeds": []}
        fresh = [design for design in designs if design.name in (confirmed.get("fusion"), confirmed.get("control"))]
        trainings = sorted(((d, seed) for d in designs for seed in self.seeds_of(d.name)), key=lambda one: one[1])
        trainings += [(design, seed) for seed in confirmed["seeds"] for design in fresh]
        trainings = [(design, seed) for design, seed in trainings if seed == self._trained_seed(design, seed)]
        return [
            Trial(vary_design(design, self.record, seed), seed, seed if self._resplit else fold, folder)
            for design, seed in trainings
            for fold, folder in enumerate(self._fold_folders(design, seed))
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
        by, loaded, scores = self.score(metric)
        comparison = self.judge(by, scores)
        rows = [to_row(result, loaded[result.design], comparison, by, self._one_split) for result in comparison.results]
        trained = {name: entry for name, entry in loaded.items() if name != MAJORITY}
        histories = {name: entry.histories for name, entry in trained.items() if any(entry.histories.values())}
        details = [
            *self._primary(scores, comparison.rules),
            *comparison.details,
            *self._say_power(scores, comparison),
            *self._say_looks(comparison),
            *say_collapses(scores, comparison.rules.lower),
            say_families(bool(self.record.get("primary")), comparison.contrast is not None, comparison.rules.alpha),
            *say_budget(
                {
                    name: Learning(_curves(entry.histories), entry.watched)
                    for name, entry in trained.items()
                    if name in histories
                },
                float(self.record["margin"]),
                HEADLINES[self.task],
            ),
            *say_metric(by, self.record["metric"], HEADLINES[self.task]),
            *say_tuning(self.record.get("tuning")),
            say_scope(
                max(len(self.seeds_of(d.name)) for d in self.designs()), int(self.record["folds"]), self._resplit
            ),
        ]
        rows.sort(key=lambda row: row.rank)
        alpha = comparison.rules.alpha
        summary = StudySummary(dict(self.record), rows, comparison.verdict, details, histories, alpha=alpha)
        paired = [row.design for row in rows if not scores[row.design].outside]
        pairs = compare_pairs({name: scores[name] for name in paired}, comparison.rules)
        return add_evidence(replace(summary, pairs=pairs), self.folder, self._folders())

    def contrasts(self, baseline: str, metric: str | None = None) -> list[DesignResult]:
        """Return what `summary` rests on, with any design as the baseline.

        Args:
            baseline: name of the design that all are compared with.
            metric: as in `summary`.

        Raises:
            ConfigError: the task has no such metric, or the study no such design.
            DataError: a training of the study is not on disk.
        """
        by, _, scores = self.score(metric)
        return list(self.judge(by, scores, baseline).results)

    def best_fusion(self) -> str | None:
        """Return the fusion that the verdict speaks of; without one the best on validation by the declared metric.

        None where the study compares no fusion of both modalities.
        """
        by, _, scores = self.score()
        choice = self.judge(by, scores).choice
        if choice:
            return choice.fusion
        fusions, _ = list_rivals(scores, self.record["baseline"])
        candidates = [name for name in fusions if scores[name].validation.size]
        return (
            best_on_validation(scores, candidates, by in LOWER_IS_BETTER) if candidates else next(iter(fusions), None)
        )

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
        make_folder(target.parent)
        text = writers[target.suffix](self.summary(metric))
        write_atomically(target, lambda path: path.write_text(text, encoding="utf-8"))
        return target

    @property
    def task(self) -> str:
        """Task of the rows."""
        return str(self.record["data"]["task"])

    @property
    def _resplit(self) -> int | None:
        """How many times the rows were split anew; None where they were split once, or dealt into folds."""
        return self.record.get("resplit")

    @property
    def _one_split(self) -> bool:
        """Whether all trainings share one split, so that more seeds and more rows are all that can be added."""
        return not self._resplit and int(self.record["folds"]) == 1

    def score(self, metric: str | None = None) -> tuple[str, dict[str, LoadedDesign], dict[str, DesignScores]]:
        """Read every design; return the metric's name, what was read, and the scores by that metric.

        Args:
            metric: as in `summary`.
        """
        self._check_finished()
        by = find_metric(metric or self.record["metric"], self.task)
        loaded = self._load_all({design.name: self.seeds_of(design.name) for design in self.designs()})
        return by, loaded, self._score_by(by, loaded)

    def _load_all(self, seeds: Mapping[str, Sequence[int]]) -> dict[str, LoadedDesign]:
        """Read some designs' runs of these seeds, and the constant answer."""
        trained = {
            design.name: load_design(
                design,
                {seed: self._fold_folders(design, seed) for seed in seeds[design.name]},
                self.task,
                self._role(design.name) == "floor",
                float(self.record["data"]["test_share"]) if self._resplit else None,
            )
            for design in self.designs()
            if design.name in seeds
        }
        like = max(trained.values(), key=lambda entry: entry.scores.seeds)
        check_same_rows(self.folder, trained)
        return {MAJORITY: load_majority(MAJORITY, self.folder / MAJORITY_FILE, like), **trained}

    def _score_by(self, by: str, loaded: Mapping[str, LoadedDesign]) -> dict[str, DesignScores]:
        """Return the scores by a metric of what was read."""
        scores = {name: entry.scores for name, entry in loaded.items()}
        if by == HEADLINES[self.task]:
            return scores
        runs = {
            design.name: [self._fold_folders(design, seed) for seed in loaded[design.name].histories]
            for design in self.designs()
            if design.name in loaded
        }
        rescore = score_repetitions if self._resplit else score_by
        return rescore(by, self.task, scores, runs, Constant(MAJORITY, self.folder / MAJORITY_FILE))

    def judge(self, by: str, scores: Mapping[str, DesignScores], baseline: str | None = None) -> Comparison:
        """Return the verdicts on scores by a metric.

        Args:
            by: name of the metric.
            scores: of every design.
            baseline: design that all are compared with; none: the study's.
        """
        looks = self.looks()
        rules = Rules(float(self.record["margin"]), self.task, by in LOWER_IS_BETTER, looks.alpha if looks else ALPHA)
        return compare_designs(scores, baseline or self.record["baseline"], rules, self._confirmation(by))

    def _confirmation(self, by: str) -> Confirmation | None:
        """Read the fresh trainings of the two designs that validation chose, where there are any."""
        confirmed = self.record.get("confirmation")
        if not confirmed or by != self.record["metric"]:
            return None
        names, seeds = (confirmed["fusion"], confirmed["control"]), confirmed["seeds"]
        fresh = self._score_by(by, self._load_all(dict.fromkeys(names, seeds)))
        return Confirmation(fresh[names[0]], fresh[names[1]], fresh[MAJORITY])

    def _check_finished(self) -> None:
        """Refuse a study that was cut short."""
        trials = self.trials()
        todo = [trial for trial in trials if not (trial.folder / "run.json").is_file()]
        if todo or not (self.folder / MAJORITY_FILE).is_file():
            names = ", ".join(f"{trial.design.name} seed {trial.seed}" for trial in todo[:5])
            more = f" and {len(todo) - 5} more" if len(todo) > 5 else ""
            raise DataError(
                f"{self.folder} is not finished: {len(todo)} of {len(trials)} trainings are missing"
                f"{f' ({names}{more})' if todo else ''}. Give compare's command again: it goes on where it was."
            )

    def _say_power(self, scores: Mapping[str, DesignScores], comparison: Comparison) -> list[str]:
        """Return what the study could have seen of its own verdict's contrast."""
        rows = scores[self.record["baseline"]].test.shape[1]
        known = comparison.contrast is not None and self._one_split
        return [say_power(comparison.contrast, comparison.rules, rows)] if known and comparison.contrast else []

    def _say_looks(self, comparison: Comparison) -> list[str]:
        """Return how many seeds each design got, where they were added until a contrast was sure."""
        looks = self.looks()
        trained = {design.name: len(self.seeds_of(design.name)) for design in self.designs()}
        undecided = [result.design for result in comparison.results if result.verdict == "no evidence"]
        return [say_looks(looks, trained, undecided)] if looks else []

    def _primary(self, scores: Mapping[str, DesignScores], rules: Rules) -> list[str]:
        """Return how the contrast came out that was declared beforehand."""
        declared = self.record.get("primary")
        if not declared:
            return []
        first, second = declared["first"], declared["second"]
        contrast = rules.contrast(scores[first], scores[second])
        return [say_primary(first, second, contrast, rules.judge(contrast), rules)]

    def _folders(self) -> dict[str, list[Path]]:
        """Return every design's run folders, all seeds and folds."""
        folders: dict[str, list[Path]] = {}
        for trial in self.trials():
            folders.setdefault(trial.design.name, []).append(trial.folder)
        return folders

    def _fold_folders(self, design: Design, seed: int) -> list[Path]:
        """Return the run folders of a training, one a fold."""
        return [self._run_folder(design, seed, fold) for fold in range(int(self.record["folds"]))]

    def _run_folder(self, design: Design, seed: int, fold: int) -> Path:
        folder = self.folder / "runs" / design.slug / str(self._trained_seed(design, seed))
        return folder / f"fold-{fold}" if int(self.record["folds"]) > 1 else folder

    def _trained_seed(self, design: Design, seed: int) -> int:
        """Return the seed whose training stands for this one: a linear model has one training for all."""
        return int(self.record["seeds"][0]) if design.linear and not self._resplit else seed

    def _role(self, name: str) -> str:
        return str(next(entry["role"] for entry in self.record["designs"] if entry["name"] == name))


def _curves(histories: Mapping[int, list[dict[str, Any]]]) -> list[list[float]]:
    """Return the validation score of each epoch, of each training."""
    return [[float(row["validation_score"]) for row in history] for history in histories.values()]
