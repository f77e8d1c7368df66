"""Every task end to end on made pictures: read, trained, compared, scored, predicted, reported."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import interfuse
from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.core.progress import Silent
from interfuse.core.records import read_table
from interfuse.data import SourceSettings, make_known
from interfuse.training import load_run
from interfuse.workflows import EncoderSettings, Source, evaluate, predict, train_run
from interfuse.workflows.predict.predict import without
from tests.shop import draw_square

COLOURS = ("red", "blue", "green", "white")


@pytest.fixture(scope="module")
def shop(make_shop):
    """One table for all tasks: a coloured square, and a caption that names the colour and a number of cups."""
    draw = np.random.default_rng(0)

    def row(number):
        colour, cups = int(draw.integers(4)), int(draw.integers(1, 5))
        tags = [COLOURS[colour], *(["many"] if cups > 2 else [])]
        price = 100.0 * cups + 40.0 * colour + 0.5
        return draw_square(COLOURS[colour], draw), f"{cups} cups in {COLOURS[colour]}", "|".join(tags), price

    folder, table = make_shop(96, row, ("photo", "caption", "tags", "price"))
    table.write_parquet(folder / "shop.parquet")
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


COLUMNS = {"multilabel": "tags", "regression": "price", "matching": None}
METRICS = {
    "multilabel": ["example F1", "micro F1", "macro F1", "mAP"],
    "regression": ["R²", "MSE", "MAE"],
    "matching": ["accuracy", "AUC", "macro F1", "NLL", "ECE", "Brier"],
}


@pytest.mark.parametrize("task", ["multilabel", "regression", "matching"])
def test_a_task_is_compared_scored_and_predicted(shop, store, tmp_path, task):
    data = shop / "shop.parquet"
    study = interfuse.compare(
        data,
        image="photo",
        text="caption",
        label=COLUMNS[task],
        image_size=64,
        store=store,
        out=tmp_path / "study",
        fusions="concat:hidden=32,product",
        seeds=1,
        margin=0.02,
        **{"dim": 32, "epochs": 5, "batch_size": 64, "learning_rate": 3e-3, "dropout": 0.0},
    )
    summary = study.summary()
    assert study.record["data"]["task"] == task
    rows = {row.design: row for row in summary.rows}
    headline = METRICS[task][0]
    for name in ("concat:hidden=32", "product", "image_only", "text_only"):
        assert rows[name].metric == headline
        assert list(rows[name].metrics) == METRICS[task]
        assert rows[name].metrics[headline] == pytest.approx(rows[name].mean)
    constant = "mean of the train rows" if task == "regression" else "most frequent label"
    assert any(f"Always answering the {constant} scores" in detail for detail in summary.details)
    assert "Every metric on test" in (tmp_path / "study" / "report.html").read_text()

    run = study.run("product", 0)
    source = Source(str(data), SourceSettings(), EncoderSettings(store=store))
    scored = evaluate(run, source, "all")
    assert list(scored)[1:] == METRICS[task]
    assert scored["rows"] == (192 if task == "matching" else 96)
    frame = predict(run, source).frame()
    assert frame.height == 96
    last = {"multilabel": "prob_white", "regression": "prediction", "matching": "prob_1"}[task]
    assert frame.columns[-1] == last
    table = read_table(run.folder / "predictions.parquet")
    if task == "regression":
        prices = pl.read_parquet(data)["price"].to_numpy()
        error = np.square(frame["prediction"].to_numpy() - prices).mean()
        assert scored["MSE"] == pytest.approx(error, rel=1e-3)
        assert rows["majority"].mean <= 0  # the train mean explains nothing of the test rows
        assert rows["concat:hidden=32"].mean > 0.3
        assert table["target"].to_pylist()[0] == pytest.approx(prices[table["row"].to_pylist()[0]])
        assert table["label"].to_pylist()[0] == []
    else:
        assert table["target"].null_count == table.num_rows
    if task == "matching":
        assert rows["majority"].mean == 0.5
        assert len(set(table["row"].to_pylist())) == table.num_rows


@pytest.mark.parametrize(
    "settings", [{"objective": "focal", "class_weights": "balanced"}, {"class_weights": "balanced"}]
)
def test_weighted_and_focal_objectives_train_in_a_run(shop, store, tmp_path, settings):
    read = SourceSettings(image="photo", text="caption", label="tags")
    source = Source(str(shop / "shop.parquet"), read, EncoderSettings(image_size=64, store=store))
    design = Design("concat", dim=16, epochs=2, batch_size=32, image_size=64, **settings)
    run = train_run(source, tmp_path / "run", design, progress=Silent())
    assert load_run(tmp_path / "run").design == design
    assert run.info["metrics"]["test"]["mAP"] > 0


@pytest.mark.parametrize("fusion", ["concat", "cross_attention"])
@pytest.mark.parametrize("lacking", ["image", "text"])
def test_a_table_without_one_modality_trains_all_the_same(shop, store, tmp_path, fusion, lacking):
    given = {"image": "photo", "text": "caption", "label": "tags", lacking: "none"}
    source = Source(str(shop / "shop.parquet"), SourceSettings(**given), EncoderSettings(image_size=64, store=store))
    design = Design(fusion, dim=16, epochs=1, batch_size=32, image_size=64)
    run = train_run(source, tmp_path / "run", design, progress=Silent())
    assert 0 <= run.info["metrics"]["test"]["mAP"] <= 1


@pytest.mark.parametrize(
    ("fusion", "why"),
    [
        ("late_logit", "Use late_mean, which averages them"),
        ("late_product", "Use late_mean, which averages them"),
        ("evidential", "opinions need 2 classes or more"),
    ],
)
def test_late_mechanisms_that_blend_probabilities_are_refused_for_numbers(shop, store, tmp_path, fusion, why):
    read = SourceSettings(image="photo", text="caption", label="price")
    source = Source(str(shop / "shop.parquet"), read, EncoderSettings(image_size=64, store=store))
    with pytest.raises(ConfigError, match=why):
        train_run(source, tmp_path / "run", Design(fusion, dim=16, image_size=64), progress=Silent())


def test_a_late_average_predicts_numbers_in_their_own_unit(shop, store, tmp_path):
    read = SourceSettings(image="photo", text="caption", label="price")
    source = Source(str(shop / "shop.parquet"), read, EncoderSettings(image_size=64, store=store))
    settings = {"dim": 16, "image_size": 64, "epochs": 6, "batch_size": 16, "learning_rate": 3e-3, "dropout": 0.0}
    run = train_run(source, tmp_path / "run", Design("late_mean", **settings), progress=Silent())
    assert run.info["metrics"]["test"]["R²"] > -0.5  # in the number's own unit: standardised it would be far below
    assert run.info["metrics"]["test"]["MAE"] < 150


def test_a_run_is_scored_again_on_the_very_pairs_of_its_test_split(shop, store, tmp_path):
    frame = pl.read_parquet(shop / "shop.parquet").with_columns(pl.Series("part", ["train", "train", "test"] * 32))
    read = SourceSettings(image="photo", text="caption", label="none", split="part", image_folder=shop)
    source = Source(frame, replace(read, hard_negatives=True), EncoderSettings(image_size=64, store=store))
    run = train_run(source, tmp_path / "run", Design("concat", dim=16, epochs=1, image_size=64), progress=Silent())
    again = evaluate(run, source, "test")
    assert again == pytest.approx({"rows": 64, **run.info["metrics"]["test"]})


def test_rows_without_a_modality_are_drawn_by_seed_one_fraction_within_another():
    features = make_known("known:xor", rows=(10, 10, 80))
    rows = features.splits["test"]
    taken = []
    for share in (0.0, 0.25, 0.5, 1.0):
        items = without(features, rows, {"image": share}, seed=3).image_items
        taken.append(set(rows[items[rows] < 0].tolist()))
        assert (items[features.splits["train"]] >= 0).all()
    assert [len(chosen) for chosen in taken] == [0, 20, 40, 80]
    assert taken[1] < taken[2] < taken[3]
    other = without(features, rows, {"image": 0.25}, seed=4).image_items
    assert set(rows[other[rows] < 0].tolist()) != taken[1]
    both = without(features, rows, {"image": 0.5, "text": 0.5}, seed=3)
    assert (both.text_items < 0).sum() == 40
    assert not (both.text_items < 0).equal(both.image_items < 0)
