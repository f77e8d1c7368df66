"""A study read back: errors compared the right way round, which fusion the verdict speaks of, what is missing."""

import json

import numpy as np
import pyarrow as pa
import pytest

from interfuse.core.errors import ConfigError, DataError
from interfuse.core.records import HISTORY, write_table
from interfuse.core.tasks import find_metric
from interfuse.reports import to_html, to_json
from interfuse.reports.pairs import build_matrix
from interfuse.workflows import open_for_diagnosis
from tests.workflows.study.made import BASELINE, make_study

NOISE = {"text_only": 9.0, "image_only": 10.0, "concat": 7.0, BASELINE: 5.0, "product": 1.0, "film": 8.0}
"""Deviation of each design's error, in the number's own unit."""


@pytest.fixture
def numbers(tmp_path):
    draw = np.random.default_rng(0)
    truth = {split: draw.normal(50.0, 10.0, size=200) for split in ("validation", "test")}
    probs = {
        design: [
            {split: (labels + draw.normal(0, noise, 200))[:, None] for split, labels in truth.items()} for _ in range(3)
        ]
        for design, noise in NOISE.items()
    }
    return make_study(tmp_path / "study", "regression", truth, probs), truth, probs


def test_less_error_wins_and_stands_first(numbers):
    study, truth, probs = numbers
    summary = study.summary("mse")
    words = {row.design: row.verdict for row in summary.rows}
    assert words["product"] == "surely wins"
    assert words["film"] == "surely loses"
    order = [row.design for row in summary.rows]
    assert order[0] == "product"
    assert order[-1] in ("image_only", "majority")
    rows = {row.design: row for row in summary.rows}
    for design, seeds in probs.items():
        errors = [np.square(seed["test"][:, 0] - truth["test"]).mean() for seed in seeds]
        assert rows[design].metric == "relative MSE"
        assert rows[design].mean == pytest.approx(np.mean(errors) / truth["test"].var(), rel=1e-5)
    assert rows["product"].delta == pytest.approx(rows["product"].mean - rows[BASELINE].mean)
    assert rows["product"].delta_ci_high < 0 < rows["film"].delta_ci_low
    assert rows["majority"].mean == pytest.approx(1.0)
    assert summary.verdict.startswith("Fusion beats text only (product by ")
    assert not any(detail.startswith("Warning") for detail in summary.details)
    assert any("lower is better" in detail for detail in summary.details)
    assert json.loads(to_json(summary))[0]["design"] == "product"


def test_the_page_colours_less_error_as_better(numbers):
    study, *_ = numbers
    page = to_html(study.summary("mse"))
    assert "relative MSE" in page
    summary = study.summary("mse")
    matrix = build_matrix(summary.pairs, ["product", "film"], "relative MSE")
    assert matrix["product"][1].strength > 0
    assert matrix["product"][1].text.startswith("−")


def test_errors_and_explained_variance_give_one_verdict(numbers):
    study, *_ = numbers
    plain, errors = study.summary(), study.summary("mse")
    assert {row.design: row.verdict for row in plain.rows} == {row.design: row.verdict for row in errors.rows}
    deltas = {row.design: row.delta for row in plain.rows if row.delta is not None}
    for row in errors.rows:
        assert row.delta is None or row.delta == pytest.approx(-deltas[row.design], abs=1e-6)


def test_a_design_that_was_still_learning_is_named_and_no_other(numbers):
    study, *_ = numbers
    assert not any("Still learning" in detail for detail in study.summary().details)
    for trial in study.trials():
        last = 0.8 if trial.design.name == "product" else 0.705
        rows = [{"epoch": n + 1, "validation_score": score} for n, score in enumerate((0.5, 0.6, 0.7, last))]
        write_table(trial.folder / "history.parquet", pa.Table.from_pylist(rows, schema=HISTORY))
    (said,) = [detail for detail in study.summary().details if "Still learning" in detail]
    assert "gained in the last quarter of them: product (+10.0). The ranking" in said


def test_metrics_of_numbers_are_named():
    assert find_metric("MSE", "regression") == find_metric("relative-mse", "regression") == "relative MSE"
    assert find_metric("r2", "regression") == "R²"
    with pytest.raises(ConfigError, match="by R² or relative MSE; got 'auc'"):
        find_metric("auc", "regression")


def test_an_unfinished_study_names_what_is_missing(numbers):
    study, *_ = numbers
    for trial in study.trials():
        if trial.design.name == "film":
            (trial.folder / "run.json").unlink()
    with pytest.raises(DataError, match=r"3 of 18 trainings are missing \(film seed 0, film seed 1, film seed 2\)"):
        study.report()


@pytest.fixture
def disagreeing(tmp_path):
    """`product` has the first seed and the accuracy, `film` the seeds together and the area under the curve."""
    draw = np.random.default_rng(1)
    truth = {split: np.arange(80) % 2 for split in ("validation", "test")}

    def seed(accuracy: float, ranked: bool) -> dict:
        found = {}
        for split, labels in truth.items():
            right = draw.random(80) < accuracy
            score = np.where(right == (labels == 1), 0.6, 0.4) + draw.normal(0, 0.01, 80)
            if ranked:  # the order is right though most are called 1
                score = 0.7 + 0.2 * labels + draw.normal(0, 0.01, 80)
            found[split] = np.stack([1 - score, score], 1)
        return found

    probs = {name: [seed(0.55, False) for _ in range(3)] for name in ("text_only", "image_only", "concat", BASELINE)}
    probs["product"] = [seed(1.0, False), seed(0.6, False), seed(0.6, False)]
    probs["film"] = [seed(0.85, False) for _ in range(3)]
    probs["mfb"] = [seed(0.5, True) for _ in range(3)]
    return truth, probs


@pytest.mark.parametrize(("metric", "fusion"), [("accuracy", "film"), ("AUC", "mfb")])
def test_the_fusion_of_the_verdict_is_chosen_over_all_seeds_by_the_declared_metric(
    disagreeing, tmp_path, metric, fusion, monkeypatch
):
    study = make_study(tmp_path / "study", "matching", *disagreeing, metric=metric)
    assert study.best_fusion() == fusion
    assert any(detail.startswith("Chosen for each seed by the validation") for detail in study.summary().details)

    def refuse(folder):
        raise DataError(f"asked for {folder.parent.name}")

    monkeypatch.setattr("interfuse.workflows.study.study.load_run", refuse)
    with pytest.raises(DataError, match=f"asked for {fusion}$"):
        open_for_diagnosis(study.folder)


def test_without_a_control_the_fusion_is_still_the_best_on_validation(disagreeing, tmp_path):
    truth, probs = disagreeing
    both = {name: seeds for name, seeds in probs.items() if not name.endswith("_only")}
    study = make_study(tmp_path / "study", "matching", truth, both)
    assert study.best_fusion() == "film"


def test_a_report_by_another_metric_leaves_the_declared_one_s_alone(numbers):
    study, *_ = numbers
    assert study.report().name == "report.html"
    before = (study.folder / "report.html").read_bytes()
    assert study.report(metric="mse").name == "report-relative-mse.html"
    assert study.report(metric="R2").name == "report.html"
    assert (study.folder / "report.html").read_bytes() == before
