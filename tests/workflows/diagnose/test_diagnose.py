"""Diagnosis end to end: the known tasks get their known verdicts, and the page shows what the rows hold."""

import dataclasses
import json
import re
from html import unescape as html_unescape

import numpy as np
import polars as pl
import pytest
import torch

import interfuse
from interfuse.cli.main import run as command_line
from interfuse.core.design import make_design
from interfuse.core.errors import DataError
from interfuse.core.files import read_json
from interfuse.data import SourceSettings, make_known
from interfuse.evaluation import fit_temperature, measure_emap
from interfuse.training import Network, train
from interfuse.workflows import (
    DiagnoseSettings,
    EncoderSettings,
    Source,
    Study,
    diagnose,
    open_for_diagnosis,
    train_run,
)
from interfuse.workflows.diagnose.measures import measure_pairs, measure_rows, measure_trust, pair_table, row_logits
from interfuse.workflows.train.training_set import make_training_set
from tests.shop import draw_square

SMALL = {"dim": 32, "num_heads": 4, "batch_size": 64, "dropout": 0.0, "epochs": 5, "learning_rate": 3e-3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def trained(folder, task: str, fusion: str, **given):
    out = folder / f"{task}-{fusion}-{len(given)}"
    base = {**SMALL, "image_encoder": "known", "text_encoder": "known"}
    return train_run(Source(f"known:{task}"), out, make_design(fusion, given, base))


def examined(run, task: str):
    return diagnose(run, Source(f"known:{task}"), DiagnoseSettings(rows=160, threads=1))


def number(diagnosis, key: str, name: str) -> float:
    return next(value.value for value in diagnosis.measure(key).values if value.name == name)


def test_an_additive_model_is_said_to_have_no_interaction(folder):
    run = trained(folder, "additive", "concat")
    found = examined(run, "additive")
    assert found.verdict.startswith("Both modalities, no need of interaction")
    assert number(found, "emap", "interaction share") <= 1e-6
    assert number(found, "emap", "Δ") == 0.0
    assert "no interaction at all" in found.measure("emap").verdict
    features = make_known("known:additive")
    rows = features.splits["test"][:60]
    table = pair_table(run.network.double(), features, rows, lambda done: None)
    assert measure_emap(table, features.labels[rows].numpy(), "multiclass").interaction_share <= 1e-10


@pytest.mark.parametrize("fusion", ["product", "cross_attention"])
def test_a_model_of_xor_is_multimodal_and_all_interaction(folder, fusion):
    run = trained(folder, "xor", fusion)
    found = examined(run, "xor")
    assert found.verdict.startswith("Multimodal: this model rests on both modalities and their interaction")
    assert "says otherwise" not in found.verdict
    assert number(found, "emap", "model") == 1.0
    assert number(found, "permutation", "image permuted") == pytest.approx(0.5, abs=0.05)
    assert number(found, "decomposition", "told only by both together") >= 0.8
    assert number(found, "shapley", "both") - number(found, "shapley", "neither") == pytest.approx(
        number(found, "shapley", "part of the image") + number(found, "shapley", "part of the text")
    )
    assert number(found, "needs_both", "need both") >= 0.95
    for name in ("image", "text"):  # (1 − 0.5) / 1: alone neither tells anything
        assert number(found, "shapley", f"conditional utilisation of the {name}") == pytest.approx(0.5, abs=0.02)
    features = make_known("known:xor")
    rows = features.splits["test"][:200]  # a quarter in each cell: what a sum may still reach is 75 %
    emap = measure_emap(
        pair_table(run.network, features, rows, lambda done: None), features.labels[rows].numpy(), "multiclass"
    )
    assert emap.interaction_share >= 0.98
    assert 0.25 <= emap.additive_score <= 0.75


def test_of_a_unimodal_task_the_other_modality_is_not_needed(folder):
    found = examined(trained(folder, "unique_text", "cross_attention"), "unique_text")
    assert found.verdict.startswith("Unimodal in effect: this model rests on the text")
    assert number(found, "permutation", "perceptual score of the image") == pytest.approx(0.0, abs=0.01)
    assert number(found, "permutation", "lost with the text") > 0.5
    assert "not needed" in found.measure("emap").verdict
    assert number(found, "needs_both", "need both") <= 0.02
    only = examined(trained(folder, "unique_text", "text_only"), "unique_text")
    assert number(only, "permutation", "perceptual score of the image") == 0.0
    assert number(only, "shapley", "conditional utilisation of the image") == 0.0
    told, chance = number(only, "shapley", "both"), number(only, "shapley", "image alone")
    assert number(only, "shapley", "conditional utilisation of the text") == pytest.approx((told - chance) / told)
    assert chance == pytest.approx(0.25, abs=0.03)
    assert "The image is not used: no answer changes with it." in only.measure("permutation").verdict


@pytest.mark.parametrize(("task", "falls"), [("redundant", False), ("additive", True)])
def test_with_modality_dropout_the_curve_ends_at_what_a_network_of_the_other_modality_reaches(folder, task, falls):
    found = examined(trained(folder, task, "cross_attention", modality_dropout=0.3), task)
    whole = number(found, "missing", "nothing absent")
    for absent, other in (("image", "text_only"), ("text", "image_only")):
        alone = trained(folder, task, other).info["metrics"]["test"]["accuracy"]
        assert number(found, "missing", f"every {absent} absent") == pytest.approx(alone, abs=0.03)
        assert (whole - alone > 0.05) == falls


def test_with_modality_dropout_the_absent_state_is_trusted(folder):
    found = examined(trained(folder, "redundant", "cross_attention", modality_dropout=0.3), "redundant")
    assert "The information decomposition says otherwise: of the " in found.verdict
    assert "is told by either alone." in found.verdict
    assert found.measure("missing").notes == ()
    assert number(found, "shapley", "worth more together") < -0.3  # either alone tells all
    assert "Yet either alone is enough: without any image " in found.verdict
    assert "it is another row's image or text that misleads." in found.verdict
    assert "From 92" in found.measure("missing").verdict
    assert "stays at" in found.measure("missing").verdict
    never = trained(folder, "xor", "product")
    assert "Yet" not in examined(never, "xor").verdict
    assert "never trained on rows without an image or a text" in examined(never, "xor").measure("missing").notes[0]


def test_label_sets_and_rows_that_miss_a_picture_are_measured_too():
    features = make_known("known:xor", rows=(200, 100, 100))
    items = features.image_items.clone()
    items[::5] = -1
    labels = torch.nn.functional.one_hot(features.labels, 2).float()
    features = dataclasses.replace(features, task="multilabel", labels=labels, image_items=items)
    design = make_design("merged_attention", {}, {"dim": 16, "num_heads": 2})
    bench = make_training_set(features, (features.splits,), [design])
    _, specs = bench.fold(design, 0)
    network, rows = Network(design, *specs, classes=2).eval(), features.splits["test"]
    pairs = measure_pairs(network, features, rows[:40], lambda done: None)
    verdict, measures = pairs.verdict, pairs.measures
    found = row_logits(network, features, rows, lambda done: None)
    more = measure_rows(found, ()).measures
    assert [measure.key for measure in (*measures, *more)] == [
        "permutation",
        "emap",
        "decomposition",
        "shapley",
        "needs_both",
        "missing",
    ]
    assert measures[2].verdict == "Not computed: it is of rows with one class each, and these have sets of labels."
    assert all(np.isfinite(value.value) for measure in (*measures, *more) for value in measure.values)
    assert "example F1" in verdict
    missing = (features.image_items[rows] < 0).numpy()
    np.testing.assert_allclose(found.logits["both"][missing], found.logits["text"][missing], atol=1e-5)


@pytest.fixture(scope="module")
def shop(make_shop):
    """Rows whose label needs both: the colour in the picture and the word in the text."""
    draw = np.random.default_rng(0)

    def row(number):
        colour, word = draw.integers(2), draw.integers(2)
        picture = draw_square(("red", "blue")[colour], draw, size=(96, 64), to=40)
        return picture, f"<b>a</b> {('cup', 'plate')[word]}", f"{colour ^ word}"

    folder, table = make_shop(60, row, ("photo", "title", "kind"))
    table.write_csv(folder / "shop.csv")
    interfuse.compare(
        folder / "shop.csv",
        **{"image": "photo", "text": "title", "label": "kind", "image_size": 64, "store": folder / "store"},
        **{"out": folder / "study", "fusions": "cross_attention", "seeds": 1, "baseline": "concat"},
        **{**SMALL, "epochs": 25, "batch_size": 64},
    )
    return folder


def fitted_temperature(record: dict) -> float:
    values = next(measure for measure in record["measures"] if measure["key"] == "calibration")["values"]
    return next(value["value"] for value in values if value["name"].startswith("temperature"))


def own_validation(run) -> tuple[np.ndarray, np.ndarray]:
    table = pl.read_parquet(run.folder / "predictions.parquet").filter(pl.col("split") == "validation")
    assert len(table) > 0
    return np.log(np.stack(table["probs"].to_numpy()).astype(np.float64)), table["label"].list.first().to_numpy()


def test_the_run_s_own_rows_come_before_a_split_that_data_declares(shop):
    run = open_for_diagnosis(shop / "study", "cross_attention")
    own = pl.read_parquet(run.folder / "predictions.parquet").filter(pl.col("split") == "test")["row"].to_list()
    frame = pl.read_csv(shop / "shop.csv", infer_schema=False).with_columns(
        part=pl.int_range(pl.len()).map_elements(lambda row: "test" if row % 2 else "train", pl.String)
    )
    settings = SourceSettings(image_folder=shop, image="photo", text="title", label="kind", split="part")
    source = Source(frame, settings, EncoderSettings(store=shop / "store"))
    found = diagnose(run, source, DiagnoseSettings(rows=20, threads=1), shop / "declared.html")
    assert found.notes[0] == "The rows are those that the run was trained with: its own split is used."
    assert found.measure("shapley").rows == len(own)
    assert fitted_temperature(found.plain()) == pytest.approx(fit_temperature(*own_validation(run), "multiclass").value)


def test_a_study_s_best_fusion_is_diagnosed_on_its_own_test_rows_with_its_pictures(shop, capsys):
    page = shop / "page.html"
    arguments = ["diagnose", str(shop / "study"), str(shop / "shop.csv"), "--design", "cross_attention"]
    with pytest.raises(SystemExit) as stop:
        command_line([*arguments, "--store", str(shop / "store"), "--out", str(page), "--format", "json"])
    assert stop.value.code == 0
    told = json.loads(capsys.readouterr().out)
    run = open_for_diagnosis(shop / "study", "cross_attention")
    assert told == read_json(run.folder / "diagnosis.json")
    assert told["split"] == "test"
    assert "its own split is used" in told["notes"][0]
    accuracy = next(
        v["value"] for m in told["measures"] if m["key"] == "shapley" for v in m["values"] if v["name"] == "both"
    )
    assert accuracy == pytest.approx(run.info["metrics"]["test"]["accuracy"])
    assert fitted_temperature(told) == pytest.approx(
        fit_temperature(*own_validation(run), "multiclass").value, rel=1e-3
    )
    html = page.read_text(encoding="utf-8")
    assert html.count("data:image/jpeg;base64,") == 5 * len(told["examples"])
    assert html.count("Where each word looked") == html.count("Which words a region looked at") == len(told["examples"])
    report = Study.open(shop / "study").report().read_text(encoding="utf-8")
    assert told["verdict"] in html_unescape(report)
    drawn = report.count("Heat: cross_attention")
    assert report.count("<figcaption>gradient × attention; deletion ") == drawn > 0
    assert report.count("<figcaption>occlusion; deletion ") == drawn
    assert "moved its answer" not in report + html
    looks = next(measure for measure in told["measures"] if measure["key"] == "attention")
    assert "Deleting image tokens by " in looks["verdict"]
    assert any(v["name"] == "deletion of words by occlusion, better than random" for v in looks["values"])
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert "<b>a</b>" not in html
    if told["examples"]:
        assert "attention of the text" in html
        assert re.search(r"color-mix\(in srgb, #ff6a00 72%", html)


def test_rows_of_another_table_are_all_used_and_that_is_said(shop):
    run = open_for_diagnosis(shop / "study")
    assert run.design.fusion in ("concat", "cross_attention")
    frame = pl.read_csv(shop / "shop.csv", infer_schema=False)[::-1]
    settings = SourceSettings(image_folder=shop, image="photo", text="title", label="kind")
    source = Source(frame, settings, EncoderSettings(store=shop / "store"))
    found = diagnose(run, source, DiagnoseSettings(rows=20, threads=1), shop / "other.html")
    assert found.split == "all"
    assert "all of its rows are used" in found.notes[0]
    assert "temperature (97.5 % interval)" in [
        value.name for value in found.measure("calibration").values
    ]  # of the run's own validation
    with pytest.raises(DataError, match=r"There is no row in split 'test'\. DATA has: all"):
        diagnose(run, source, DiagnoseSettings(on="test"))


def test_a_wrong_image_folder_is_refused_before_anything_is_computed(shop, tmp_path):
    run = open_for_diagnosis(shop / "study", "cross_attention")
    settings = SourceSettings(image_folder=tmp_path, image="photo", text="title", label="kind")
    source = Source(str(shop / "shop.csv"), settings, EncoderSettings(store=shop / "store"))
    with pytest.raises(DataError, match=r"No picture of column 'photo' could be read.* Is image_folder=… right\?"):
        diagnose(run, source, DiagnoseSettings(rows=20, threads=1), tmp_path / "page.html")
    assert not (tmp_path / "page.html").is_file()


def numbers_of(features, labels):
    return dataclasses.replace(features, task="regression", labels=labels.float(), label_names=("y",))


@pytest.mark.parametrize(("made", "interacts"), [("sum", False), ("xor", True)])
def test_a_regression_s_need_of_interaction_is_told_in_r2(made, interacts):
    features = make_known("known:xor", rows=(800, 100, 200))
    image = features.image.gather(torch.arange(1100)).tokens[:, 1]
    one = (image @ (image[0] - image.mean(0)) > 0).long()  # which of its two values the picture shows
    other = features.labels ^ one
    labels = one + other if made == "sum" else one ^ other
    features = numbers_of(features, labels)
    design = make_design("product", {}, {**SMALL, "epochs": 8})
    bench = make_training_set(features, (features.splits,), [design])
    network = train(design, 0, *bench.fold(design, 0), "float32").network
    rows = features.splits["test"]
    pairs = measure_pairs(network, features, rows[:100], lambda done: None)
    verdict, measures = pairs.verdict, pairs.measures
    values = {(m.key, v.name): v.value for m in measures for v in m.values}
    assert values["emap", "model"] > 0.9
    assert verdict.startswith("Multimodal" if interacts else "Both modalities, no need of interaction")
    assert "points of R²" in verdict
    if interacts:
        assert values["emap", "additive projection"] < 0.2
        assert values["permutation", "image permuted"] < -0.5  # worse than the mean: R² has no lower bound
    else:
        assert values["permutation", "image permuted"] == pytest.approx(0.0, abs=0.1)  # half of the variance is doubled
    assert values["permutation", "answers changed by the image"] == pytest.approx(0.5, abs=0.12)
    found = row_logits(network, features, rows, lambda done: None)
    truth = features.labels[rows].double()
    error = torch.from_numpy(found.logits["both"])[:, 0].double() - truth
    assert found.scores["both"].mean() == pytest.approx(1 - float(error.square().mean() / truth.var(correction=0)))
    assert measure_trust(found, None) == []


@pytest.mark.parametrize("task", ["matching", "regression"])
def test_matching_and_regression_runs_are_diagnosed_end_to_end_in_every_seed(shop, task, tmp_path, capsys):
    table = pl.read_csv(shop / "shop.csv", infer_schema=False)
    value = pl.col("kind") if task == "matching" else pl.col("kind").cast(pl.Float64) * 1.5
    table.with_columns(value.alias("kind")).write_csv(shop / f"{task}.csv")
    study = interfuse.compare(
        shop / f"{task}.csv",
        **{"image": "photo", "text": "title", "label": "kind", "image_size": 64, "store": shop / "store"},
        **{"out": tmp_path / "study", "fusions": "cross_attention", "seeds": 2, "task": task},
        metric={"matching": "auc", "regression": None}[task],
        **{**SMALL, "epochs": 2, "batch_size": 64},
    )
    arguments = ["diagnose", str(study.folder), str(shop / f"{task}.csv"), "--design", "cross_attention", "--all-seeds"]
    with pytest.raises(SystemExit) as stop:
        command_line([*arguments, "--store", str(shop / "store"), "--rows", "20", "--format", "json"])
    assert stop.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["metric"] == {"matching": "accuracy", "regression": "R²"}[task]
    assert "its own split is used" in told["notes"][0]
    declared = "Its study compares by AUC; all that follows is of accuracy, a mean over rows."
    assert (declared in told["notes"]) == (task == "matching")
    keys = [measure["key"] for measure in told["measures"]]
    assert keys[0] == "seeds"
    assert ("calibration" in keys) == (task == "matching")
    lies = next(measure for measure in told["measures"] if measure["key"] == "decomposition")
    assert lies["verdict"].startswith("Not computed: it is of rows with one class each") == (task == "regression")
    if task == "regression":
        page = study.run("cross_attention").folder / "diagnosis.html"
        assert lies["verdict"] in page.read_text(encoding="utf-8")
    records = [read_json(study.run("cross_attention", seed).folder / "diagnosis.json") for seed in (0, 1)]
    assert records[0] == told
    deltas = [
        next(v["value"] for m in record["measures"] if m["key"] == "emap" for v in m["values"] if v["name"] == "Δ")
        for record in records
    ]
    agreed = {value["name"]: value for value in told["measures"][0]["values"]}
    assert agreed["Δ, emap"]["value"] == pytest.approx(sum(deltas) / 2)
    for name in ("Δ, emap", "lost with the text, permutation", "part of the image, shapley", "need both, needs_both"):
        assert agreed[name]["low"] <= agreed[name]["value"] <= agreed[name]["high"]
    shown = next(m for m in told["measures"] if m["key"] == "shapley")["values"]
    headline = study.run("cross_attention").info["metrics"]["test"][told["metric"]]
    assert next(v["value"] for v in shown if v["name"] == "both") == pytest.approx(headline)
    assert told["verdict"] in html_unescape(study.report().read_text(encoding="utf-8"))
