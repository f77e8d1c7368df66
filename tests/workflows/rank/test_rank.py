"""Studies put together: read from disk, refused where they do not belong together, and written in every format."""

import csv
import io
import json

import numpy as np
import pytest

import interfuse
from interfuse.core.errors import ConfigError, DataError
from interfuse.core.files import read_json, write_json
from interfuse.evaluation import mean_interval, pool_differences
from interfuse.workflows import rank
from interfuse.workflows.rank.shared import standard_error
from tests.workflows.rank.made import RIGHT, make_data_set
from tests.workflows.study.made import BASELINE


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    return [make_data_set(folder / f"s{number}", number) for number in range(6)]


def change(study, **more):
    """Write other values into a study's record; those of `data` by name."""
    record = read_json(study.folder / "study.json")
    data = {**record["data"], **more.pop("data", {})}
    write_json(study.folder / "study.json", {**record, **more, "data": data})
    return study.folder


def test_what_is_pooled_are_the_studies_own_differences(studies):
    ranking = rank(studies)
    designs = {one.design: one for one in ranking.designs}
    assert set(designs) == {*RIGHT, "majority"}
    assert (ranking.metric, ranking.task, ranking.baseline, ranking.margin) == (
        "accuracy",
        "multiclass",
        BASELINE,
        0.01,
    )
    product = designs["product"]
    for study, own, score in zip(studies, product.differences, product.scores, strict=True):
        row = next(row for row in study.summary().rows if row.design == "product")
        assert (own.delta, own.low, own.high) == pytest.approx((row.delta, row.delta_ci_low, row.delta_ci_high))
        assert score == pytest.approx(row.mean)
    deltas = np.array([own.delta for own in product.differences])
    errors = np.array([own.standard_error for own in product.differences])
    assert product.pooled == pool_differences(deltas, errors)
    assert product.verdict == "wins"
    assert ranking.verdict.startswith(f"product beats {BASELINE} over data sets like these (Δ ")
    assert designs["film"].verdict == "no evidence"
    assert {designs[name].role for name in ("text_only", "image_only", "concat", "majority")} == {"floor"}
    assert product.rank == 1.0
    assert [one.name for one in ranking.data_sets] == [f"shop-{number}.csv" for number in range(6)]
    assert {one.seeds for one in ranking.data_sets} == {2}


def test_any_shared_design_may_be_the_baseline_and_any_metric_of_the_task_the_score(studies):
    ranking = rank([study.folder for study in studies], baseline="text_only", metric="macro-f1", margin=0.0)
    designs = {one.design: one for one in ranking.designs}
    assert (ranking.metric, ranking.baseline, ranking.margin) == ("macro F1", "text_only", 0.0)
    assert designs["text_only"].role == "baseline"
    assert designs[BASELINE].verdict == "wins"
    assert designs["product"].pooled.mean == pytest.approx(0.2, abs=0.04)
    assert "text_only" in {pair.second for pair in ranking.pairs}


def test_baselines_of_matched_size_are_one_design_whatever_their_width(tmp_path):
    folders = []
    for number, hidden in enumerate((8, 16, 24)):
        right = {name if name != BASELINE else f"concat:hidden={hidden}": share for name, share in RIGHT.items()}
        study = make_data_set(tmp_path / str(number), number, right, baseline=f"concat:hidden={hidden}")
        folders.append(study.folder)
    ranking = rank(folders)
    assert ranking.baseline == "concat (each study's baseline)"
    assert [one.baseline for one in ranking.data_sets] == [f"concat:hidden={hidden}" for hidden in (8, 16, 24)]
    assert "product" in {one.design for one in ranking.designs}
    with pytest.raises(
        ConfigError, match=r"The baseline 'concat:hidden=8' is no design of all studies. All have: text"
    ):
        rank(folders, baseline="concat:hidden=8")


def test_studies_that_do_not_belong_together_are_refused_in_words(tmp_path):
    first, second = (make_data_set(tmp_path / name, number) for number, name in enumerate(("a", "b")))
    with pytest.raises(DataError, match="at least 2 data sets, got 1"):
        rank([first])
    with pytest.raises(DataError, match="shop-0.csv .* and shop-0.csv .* are studies of the same rows: .* count twice"):
        rank([first, make_data_set(tmp_path / "copy", 0)])
    with pytest.raises(DataError, match="same rows"):
        rank([first.folder, second.folder, first.folder])
    with pytest.raises(DataError, match=r"A ranking ends in .html, .md, .csv, .json, got 'ranking.docx'"):
        rank([first, second], out=tmp_path / "ranking.docx")
    with pytest.raises(ConfigError, match="The baseline 'gmu' is no design of all studies. All have: text_only, "):
        rank([first, second], baseline="gmu")
    with pytest.raises(ConfigError, match="A comparison of multiclass is by accuracy"):
        rank([first, second], metric="r2")
    with pytest.raises(ConfigError, match="got 1.5"):
        rank([first, second], margin=1.5)
    change(second, metric="macro F1")
    with pytest.raises(
        ConfigError, match="within one metric, got shop-0.csv: accuracy, shop-1.csv: macro F1. Give metric"
    ):
        rank([first.folder, second.folder])
    change(second, metric="accuracy", data={"task": "matching"})
    with pytest.raises(ConfigError, match="within one task, got shop-0.csv: multiclass, shop-1.csv: matching"):
        rank([first.folder, second.folder])


def test_studies_without_a_common_design_or_baseline_are_refused_with_what_they_have(tmp_path):
    first = make_data_set(tmp_path / "a", 0, {BASELINE: 0.7, "product": 0.8})
    second = make_data_set(tmp_path / "b", 1, {BASELINE: 0.7, "film": 0.8})
    with pytest.raises(
        ConfigError, match="share no design to compare with concat:hidden=8. They have: shop-0.csv: .*film"
    ):
        rank([first, second])
    third = make_data_set(tmp_path / "c", 2, {"film": 0.7, "product": 0.8}, baseline="film")
    with pytest.raises(
        ConfigError, match=r"of several mechanisms \(shop-0.csv: concat:hidden=8, shop-2.csv: film\). Give"
    ):
        rank([first, third])
    fourth = make_data_set(tmp_path / "d", 3, {BASELINE: 0.7, "product": 0.8})
    (fourth.folder / "runs/product/0/run.json").unlink()
    with pytest.raises(DataError, match="is not finished: 1 of 4 trainings are missing"):
        rank([first, fourth])


def test_what_limits_a_ranking_is_said(tmp_path):
    first = make_data_set(tmp_path / "a", 0, seeds=1)
    more = {name: share for name, share in RIGHT.items() if name != "film"} | {"gmu": 0.75}
    second = make_data_set(tmp_path / "b", 1, more, data={"source": "shop-0.csv"}, margin=0.02)
    record = read_json(second.folder / "study.json")
    for entry in record["designs"]:
        entry["epochs"] = 20 if entry["name"] == "product" else entry["epochs"]
    write_json(second.folder / "study.json", record)
    ranking = rank([first.folder, second.folder])
    said = " ".join(ranking.details)
    assert ranking.margin == 0.02
    assert [one.name for one in ranking.data_sets] == ["shop-0.csv (a)", "shop-0.csv (b)"]
    assert "2 studies read 'shop-0.csv': if that is one table under several splits" in said
    assert "Not set alike on all data sets: epochs (of product)." in said
    assert "Left out, for not all data sets have them: film (shop-0.csv (a)); gmu (shop-0.csv (b))." in said
    assert "One seed on shop-0.csv (a)" in said
    assert "2 data sets: an interval has 1 degree of freedom" in said


def test_a_difference_without_spread_keeps_the_error_that_its_interval_has():
    constant = mean_interval(np.zeros((2, 100)))
    assert constant.standard_error == 0.0
    assert standard_error(constant) == pytest.approx((constant.high - constant.low) / 3.92, rel=1e-3)
    varied = mean_interval(np.random.default_rng(0).normal(0.1, 1.0, (3, 50)))
    assert standard_error(varied) == varied.standard_error


def test_two_designs_that_never_differ_are_pooled_to_no_evidence(tmp_path):
    studies = []
    for number in range(2):
        right = {BASELINE: 1.0, "product": 1.0}
        studies.append(make_data_set(tmp_path / str(number), number, right))
    (product,) = (one for one in rank(studies).designs if one.design == "product")
    assert (product.pooled.mean, product.verdict, product.pooled.p) == (0.0, "no evidence", 1.0)
    assert product.pooled.high > 0


def test_every_format_says_the_same(studies, tmp_path):
    for ending in ("html", "md", "csv", "json"):
        for _ in range(2):  # the second time over the first
            ranking = interfuse.rank(studies, out=str(tmp_path / f"made/ranking.{ending}"))
    record = json.loads((tmp_path / "made/ranking.json").read_text(encoding="utf-8"))
    assert record["verdict"] == ranking.verdict
    rows = list(csv.DictReader(io.StringIO((tmp_path / "made/ranking.csv").read_text(encoding="utf-8"))))
    for one, plain, row in zip(ranking.designs, record["designs"], rows, strict=True):
        assert plain["design"] == row["design"] == one.design
        assert plain["scores"] == one.scores
        assert row["verdict"] == one.verdict
        if one.pooled:
            assert plain["pooled"]["mean"] == float(row["delta_mean"]) == one.pooled.mean
            assert float(row["delta shop-3.csv"]) == one.differences[3].delta
    assert ranking.verdict in (tmp_path / "made/ranking.html").read_text(encoding="utf-8")
    assert f"**{ranking.verdict}**" in (tmp_path / "made/ranking.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["study.json", "report.html", "notes.md", "scores.csv"])
def test_a_ranking_overwrites_no_other_file(studies, tmp_path, name):
    others = {
        "study.json": json.dumps(studies[0].record, indent=2),
        "report.html": "<title>Interfuse report: a</title>",
    }
    path, content = tmp_path / name, others.get(name, "design,mean\n")
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"is there and is no ranking\. Give another out=…"):
        rank(studies, out=path)
    assert path.read_text(encoding="utf-8") == content
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
