"""A run reads new rows as it read its own: the same columns, the same kind of pairs, whatever modality is absent."""

from dataclasses import replace

import polars as pl
import pytest
from PIL import Image

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError, DataError
from interfuse.core.files import read_json
from interfuse.core.progress import Silent
from interfuse.data import SourceSettings, load_examples
from interfuse.workflows import EncoderSettings, Source, encode_source, evaluate, predict, train_run

DESIGN = Design("concat", dim=16, epochs=1, image_size=32)


@pytest.fixture(scope="module")
def shop(make_shop):
    folder, _ = make_shop(
        40, lambda number: (Image.new("RGB", (20, 20), (6 * number, 90, 240 - 6 * number)),), ["image"]
    )
    return folder


def rows(**more) -> pl.DataFrame:
    columns = {
        "image": [f"{n}.png" for n in range(40)],
        "caption": [f"{'red' if n % 2 else 'blue'} {n}" for n in range(40)],
    }
    return pl.DataFrame({**columns, **more})


def trained(shop, out, frame, **read):
    settings = SourceSettings(image_folder=shop, **read)
    source = Source(frame, settings, EncoderSettings(image_size=32, store=shop / "store"))
    return train_run(source, out, DESIGN, progress=Silent())


@pytest.fixture(scope="module")
def run(shop):
    return trained(shop, shop / "run", rows(label=["ab"[n % 2] for n in range(40)]))


def answers(run, shop, frame, **read):
    source = Source(frame, SourceSettings(image_folder=shop, **read), EncoderSettings(store=shop / "store"))
    return predict(run, source, Silent())


def test_columns_that_were_guessed_are_kept_in_the_run_and_not_guessed_anew(run, shop):
    assert read_json(shop / "run" / "run.json")["columns"] == {"image": "image", "text": "caption", "label": "label"}
    plain = answers(run, shop, rows())
    first = rows(text=[f"other {n}" for n in range(40)])  # `text` is guessed before `caption`
    assert load_examples(first, SourceSettings(image_folder=shop)).columns["text"] == "text"
    assert (answers(run, shop, first).probs == plain.probs).all()
    assert (answers(run, shop, first, text="text").probs != plain.probs).any()


def test_a_run_of_texts_alone_does_not_take_up_pictures_that_new_rows_have(shop, tmp_path):
    run = trained(shop, tmp_path / "run", rows(label=["ab"[n % 2] for n in range(40)]), image="none")
    assert run.info["columns"]["image"] is None
    alone = answers(run, shop, rows().drop("image"))
    assert (answers(run, shop, rows()).probs == alone.probs).all()


def test_pairs_of_a_run_with_hard_negatives_are_drawn_hard_again_without_being_told(shop, tmp_path):
    frame = rows(part=["train"] * 20 + ["val"] * 10 + ["test"] * 10)
    run = trained(shop, tmp_path / "run", frame, hard_negatives=True, split="part")
    assert run.info["hard_negatives"] is True
    source = Source(frame, SourceSettings(image_folder=shop, split="part"), EncoderSettings(store=shop / "store"))
    again = evaluate(run, source, "test", Silent())
    assert again == pytest.approx({"rows": 20, **run.info["metrics"]["test"]})


def test_hard_negatives_are_refused_where_no_pairs_are_drawn(run, shop):
    labelled = rows(label=["ab"[n % 2] for n in range(40)])
    settings = SourceSettings(image_folder=shop, hard_negatives=True)
    with pytest.raises(
        ConfigError, match="hard_negatives=True is for matching .* the task is multiclass, from column 'la"
    ):
        load_examples(labelled, settings)
    source = Source(labelled, settings, EncoderSettings(store=shop / "store"))
    with pytest.raises(ConfigError, match="hard_negatives=True is for matching from captions, this run is for multi"):
        evaluate(run, source, "all", Silent())


@pytest.mark.parametrize("gone", ["blank", "no file"])
def test_rows_of_which_none_has_a_picture_are_predicted_and_it_is_said(run, shop, gone):
    told: list[str] = []

    class Tells(Silent):
        def say(self, message: str) -> None:
            told.append(message)

    names = [None if gone == "blank" else f"gone/{n}.png" for n in range(40)]
    frame = rows().with_columns(pl.Series("image", names, dtype=pl.String))
    source = Source(frame, SourceSettings(image_folder=shop), EncoderSettings(store=shop / "store"))
    found = predict(run, source, Tells())
    assert found.rows == list(range(40))
    assert (found.probs == answers(run, shop, rows(), image="none").probs).all()
    why = "every cell is blank" if gone == "blank" else "the file does not exist"
    assert any("warning: No picture of column 'image' could be read; the first: " + why in line for line in told)
    with pytest.raises(DataError, match="No picture of column 'image' could be read"):
        encode_source(source, Silent())


def test_rows_of_which_none_has_a_text_are_predicted_and_scored(run, shop):
    blank = rows(label=["ab"[n % 2] for n in range(40)]).with_columns(caption=pl.lit(" "))
    source = Source(blank, SourceSettings(image_folder=shop), EncoderSettings(store=shop / "store"))
    assert (predict(run, source, Silent()).probs == answers(run, shop, rows(), text="none").probs).all()
    assert evaluate(run, source, "all", Silent())["rows"] == 40


def test_a_denied_modality_leaves_the_other_to_be_guessed(shop):
    found = load_examples(rows(label=["ab"[n % 2] for n in range(40)]), SourceSettings(image="none"))
    assert found.columns == {"image": None, "text": "caption", "label": "label"}


def test_the_test_rows_of_a_split_that_was_made_are_found_again(run, shop):
    labelled = rows(label=["ab"[n % 2] for n in range(40)])
    source = Source(labelled, SourceSettings(image_folder=shop), EncoderSettings(store=shop / "store"))
    again = evaluate(run, source, "test", Silent())
    assert again == pytest.approx({"rows": again["rows"], **run.info["metrics"]["test"]})
    assert 0 < again["rows"] < 10
    with pytest.raises(DataError, match="these are not the rows that the run was trained on.*take on=all"):
        evaluate(run, replace(source, data=labelled.head(39)), "test", Silent())


def test_pairs_of_a_split_that_was_made_are_drawn_again(shop, tmp_path):
    run = trained(shop, tmp_path / "run", rows(), seed=3)
    source = Source(rows(), SourceSettings(image_folder=shop), EncoderSettings(store=shop / "store"))
    again = evaluate(run, source, "validation", Silent())
    assert again == pytest.approx({"rows": again["rows"], **run.info["metrics"]["validation"]})
