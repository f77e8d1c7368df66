"""The scikit-learn face, held to scikit-learn's own tools: clone, cross-validation, grid search, pipelines."""

import inspect
import io
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from interfuse import FusionClassifier
from interfuse.core.design import Design
from interfuse.core.errors import ConfigError, DataError
from interfuse.core.settings import to_plain
from interfuse.data import SourceSettings
from interfuse.training import load_run
from interfuse.workflows import EncoderSettings, Source, train_run
from tests.estimator.conftest import SMALL


@pytest.fixture(scope="module")
def fitted(rows, store):
    return FusionClassifier(**SMALL, store=store).fit(rows, rows["answer"])


def test_the_constructor_stores_settings_and_nothing_else():
    names = list(inspect.signature(FusionClassifier.__init__).parameters)[1:]
    given = {name: object() for name in names}
    made = FusionClassifier().set_params(**given)
    assert vars(made) == given
    assert set(vars(FusionClassifier())) == set(FusionClassifier().get_params()) == set(names)
    assert is_classifier(FusionClassifier())


def test_defaults_are_those_of_the_design_the_source_and_the_encoders():
    made, design = FusionClassifier(), to_plain(Design("cross_attention"))
    for name, value in made.get_params().items():
        for home in (design, vars(SourceSettings()), vars(EncoderSettings())):
            if name in home and name not in ("image", "text", "store", "settings", "fusion"):
                assert value == home[name], name


def test_clone_keeps_every_setting_and_forgets_the_training(fitted):
    again = clone(fitted)
    assert again.get_params() == fitted.get_params()
    assert not hasattr(again, "run_")
    assert again.set_params(dim=16, fusion="concat").design.dim == 16


def test_it_learns_what_needs_both_modalities(fitted, rows):
    assert fitted.score(rows, rows["answer"]) >= 0.9
    probs = fitted.predict_proba(rows)
    assert fitted.classes_.tolist() == ["no", "yes"]
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)
    assert (fitted.classes_[probs.argmax(1)] == fitted.predict(rows)).all()


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(rows, store):
    small = {**SMALL, "epochs": 2}
    first, again, other = (
        FusionClassifier(**small, store=store, seed=seed).fit(rows, rows["answer"]).predict_proba(rows)
        for seed in (0, 0, 1)
    )
    assert (first == again).all()
    assert not np.allclose(first, other)


def test_cross_val_score_grid_search_and_pipelines_work(rows, store):
    made = FusionClassifier(**SMALL, store=store)
    scores = cross_val_score(made, rows, rows["answer"], cv=2, error_score="raise")
    assert scores.mean() >= 0.7
    grid = GridSearchCV(made, [{"fusion": ["product", "concat"]}, {"epochs": [1]}], cv=2, error_score="raise")
    grid.fit(rows, rows["answer"])
    assert grid.best_params_ == {"fusion": "product"}
    assert grid.predict(rows).shape == (len(rows),)
    lower = FunctionTransformer(lambda frame: frame.assign(question=frame["question"].str.upper()))
    piped = make_pipeline(lower, made).fit(rows, rows["answer"])
    assert piped.score(rows, rows["answer"]) >= 0.9


def test_polars_and_arrow_tables_go_through_cross_val_score(rows, store):
    made = FusionClassifier(**{**SMALL, "epochs": 1}, store=store)
    scores = [
        cross_val_score(made, table, rows["answer"], cv=2, error_score="raise").tolist()
        for table in (rows, pl.from_pandas(rows), pa.Table.from_pandas(rows))
    ]
    assert scores[0] == scores[1] == scores[2]


def test_pictures_in_memory_give_what_their_files_give(fitted, rows, tmp_path):
    few = rows.head(6)
    wanted = fitted.predict_proba(few)
    images = [Image.open(path) for path in few["photo"]]
    turned = [image.transpose(Image.Transpose.ROTATE_90) for image in images]  # EXIF 6: turn by 270 degrees to see it
    exif = Image.Exif()
    exif[0x0112] = 6
    buffers = [io.BytesIO() for _ in images]
    for image, buffer in zip(turned, buffers):
        image.save(buffer, "PNG", exif=exif)
    columns = {
        "images": images,
        "arrays": [np.asarray(image) for image in images],
        "bytes": [Path(path).read_bytes() for path in few["photo"]],
        "exif": [Image.open(io.BytesIO(buffer.getvalue())) for buffer in buffers],
    }
    for name, pictures in columns.items():
        column = pd.Series(pictures, dtype=object)
        np.testing.assert_allclose(fitted.predict_proba(few.assign(photo=column)), wanted, atol=2e-3, err_msg=name)
    polars = pl.DataFrame({"photo": pl.Series(images, dtype=pl.Object), "question": few["question"].tolist()})
    np.testing.assert_allclose(fitted.predict_proba(polars), wanted, atol=2e-3)


def test_datasets_lists_of_rows_and_pictures_with_their_paths_are_tables_too(fitted, rows):
    datasets = pytest.importorskip("datasets")
    few = rows.head(4)
    wanted = fitted.predict_proba(few)
    questions, paths = few["question"].tolist(), few["photo"].tolist()
    held = [{"bytes": Path(path).read_bytes(), "path": "gone.png"} for path in paths]
    named = [{"bytes": None, "path": path} for path in paths]
    plain = {"photo": paths, "question": questions}
    pictured = datasets.Dataset.from_dict(plain).cast_column("photo", datasets.Image())
    tables = {
        "arrow, bytes": pa.table({"photo": held, "question": questions}),
        "arrow, paths": pa.table({"photo": named, "question": questions}),
        "list of rows": few.to_dict("records"),
        "dataset": datasets.Dataset.from_dict(plain),
        "dataset of pictures": pictured,
        "polars": pl.DataFrame({"photo": held, "question": questions}),
    }
    for name, table in tables.items():
        np.testing.assert_allclose(fitted.predict_proba(table), wanted, atol=2e-3, err_msg=name)
    with pytest.raises(DataError, match="Unknown column for image: 'photo'"):
        fitted.predict([{"question": "is it red?"}])
    with pytest.warns(UserWarning, match="1 rows have no text"):
        assert fitted.predict([{"photo": paths[0]}, {"question": "is it red?", "photo": paths[1]}]).shape == (2,)


def test_an_image_taken_from_memory_is_trained_on_too(rows, store):
    images = pd.Series([Image.open(path) for path in rows["photo"]], dtype=object)
    made = FusionClassifier(**SMALL, store=store).fit(rows.assign(photo=images), rows["answer"])
    assert made.score(rows, rows["answer"]) >= 0.9


def test_saved_and_loaded_it_predicts_the_same_and_is_a_run(fitted, rows, tmp_path, store):
    fitted.save(tmp_path / "model")
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"estimator.json", "run.json", "model.safetensors", "history.parquet", "predictions.parquet"}
    loaded = FusionClassifier.load(tmp_path / "model", store=store)
    assert loaded.get_params() == fitted.get_params()
    assert (loaded.predict(rows) == fitted.predict(rows)).all()
    assert load_run(tmp_path / "model").design == fitted.design
    taken = FusionClassifier.from_run(tmp_path / "model", store=store)
    assert taken.design == fitted.design
    assert (taken.predict_proba(rows) == fitted.predict_proba(rows)).all()
    loaded.save(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "run.json").read_text()) == json.loads(
        (tmp_path / "model" / "run.json").read_text()
    )
    with pytest.raises(ConfigError, match="is not empty"):
        fitted.save(tmp_path / "model")
    (tmp_path / "again" / "estimator.json").unlink()
    with pytest.raises(DataError, match="opened with FusionClassifier.from_run"):
        FusionClassifier.load(tmp_path / "again")


def test_a_fitted_estimator_goes_to_another_process_and_back(fitted, rows):
    import pickle

    again = pickle.loads(pickle.dumps(fitted))  # noqa: S301
    assert (again.predict_proba(rows.head(4)) == fitted.predict_proba(rows.head(4))).all()


@pytest.mark.parametrize("labels", [[3, 10], [False, True], [1.0, 2.0]], ids=["int", "bool", "float"])
def test_labels_come_back_as_what_they_were(rows, store, labels, tmp_path):
    y = np.where(rows["answer"] == "yes", *labels[::-1])
    made = FusionClassifier(**{**SMALL, "epochs": 10}, store=store).fit(rows, y)
    assert made.classes_.tolist() == labels
    assert made.predict(rows).dtype == y.dtype
    assert made.score(rows, y) >= 0.8
    made.save(tmp_path / "model")
    assert FusionClassifier.load(tmp_path / "model").classes_.dtype == y.dtype


def test_numbers_are_ordered_by_value_and_their_probabilities_with_them(rows, store):
    y = np.array([2, 10, 9])[np.arange(len(rows)) % 3]
    made = FusionClassifier(**{**SMALL, "epochs": 1}, store=store).fit(rows, y.astype(str))
    assert made.classes_.tolist() == ["10", "2", "9"]  # scikit-learn's order of texts
    assert made.run_.label_names == ("2", "9", "10")  # the run's own
    probs = made.predict_proba(rows)
    assert (probs[:, [1, 2, 0]] == made.predictions(rows).probs).all()


def test_a_matrix_of_labels_is_multilabel(rows, store):
    y = pd.DataFrame(
        {
            "red": rows["question"].str.contains("red").astype(int),
            "never": 0,
            "yes": (rows["answer"] == "yes").astype(int),
        }
    )
    made = FusionClassifier(**SMALL, store=store).fit(rows, y)
    assert made.run_.task == "multilabel"
    assert made.classes_.tolist() == ["red", "never", "yes"]
    probs, chosen = made.predict_proba(rows), made.predict(rows)
    assert probs.shape == chosen.shape == (len(rows), 3)
    assert (probs[:, 1] == 0).all()  # no row had it
    assert (chosen[:, 0] == y["red"]).mean() >= 0.9


def test_a_missing_modality_is_taken_and_told(rows, store):
    gaps = rows.copy()
    gaps.loc[[0, 1], "photo"] = None
    gaps.loc[[2, 3], "question"] = float("nan")
    made = FusionClassifier(**{**SMALL, "epochs": 1, "modality_dropout": 0.2}, store=store).fit(gaps, gaps["answer"])
    assert made.predict(gaps).shape == (len(rows),)
    whole = FusionClassifier(**{**SMALL, "epochs": 1}, store=store).fit(rows, rows["answer"])
    with pytest.warns(UserWarning, match="2 rows have no image, and this run never trained on rows without one"):
        whole.predict(gaps.head(2))
    gone = gaps.assign(photo=["/nowhere.png", *gaps["photo"][1:]])
    with pytest.warns(UserWarning, match="the image is treated as missing"):
        FusionClassifier(**{**SMALL, "epochs": 1}, store=store).fit(gone, gaps["answer"])


def test_one_modality_is_enough(rows, store):
    made = FusionClassifier(**{**SMALL, "image": None, "fusion": "text_only"}, store=store)
    y = rows["question"]
    assert made.fit(rows[["question"]], y).score(rows[["question"]], y) >= 0.9


def test_what_a_user_gets_wrong_is_told(fitted, rows, store):
    y = rows["answer"]
    made = FusionClassifier(**{**SMALL, "epochs": 1}, store=store)
    with pytest.raises(NotFittedError, match="This FusionClassifier is not fitted: call fit, load or from_run"):
        made.predict(rows)
    with pytest.raises(DataError, match="Unknown column for image: 'photo'. Did you mean 'photos'"):
        made.fit(rows.rename(columns={"photo": "photos"}), y)
    with pytest.raises(DataError, match="Unknown column for text: 'question'"):
        fitted.predict(rows[["photo"]])
    with pytest.raises(DataError, match="X is a ndarray; a pandas, polars, Arrow or datasets table is expected"):
        made.fit(rows.to_numpy(), y)
    with pytest.raises(DataError, match="X has no row"):
        fitted.predict(rows.head(0))
    with pytest.raises(DataError, match="y has no label"):
        made.fit(rows.head(0), y.head(0))
    with pytest.raises(DataError, match="X has 80 rows and y 79|X has 72 rows and y 71"):
        made.fit(rows, y[1:])
    with pytest.raises(DataError, match="Row 2 of y has no label"):
        made.fit(rows, y.where(y.index != 2, None))
    with pytest.raises(DataError, match=r"MultiLabelBinarizer\(\)"):
        made.fit(rows, pd.Series([["a"]] * len(rows)))
    with pytest.raises(DataError, match="expected .rows,., or a 0/1 matrix"):
        made.fit(rows, np.full((len(rows), 2), 3))
    with pytest.raises(ConfigError, match="Unknown fusion mechanism 'produkt'. Did you mean 'product'"):
        clone(made).set_params(fusion="produkt").fit(rows, y)
    with pytest.raises(ConfigError, match="Unknown setting of product: 'hiden'"):
        clone(made).set_params(settings={"hiden": 3}).fit(rows, y)
    with pytest.raises(ConfigError, match="fusion names one design, got 2"):
        clone(made).set_params(fusion="product,concat").fit(rows, y)
    with pytest.raises(ConfigError, match="Give image=… and text=…"):
        FusionClassifier(image=None, text=None).fit(rows, y)
    with pytest.raises(DataError, match="Row 0 of the picture column is a ndarray .float64, shape .4, 4, 3.."):
        fitted.predict(pd.DataFrame({"photo": [np.zeros((4, 4, 3))], "question": ["?"]}))
    with pytest.raises(DataError, match="mixes 1 paths with 1 pictures in memory"):
        fitted.predict(pd.DataFrame({"photo": ["a.png", Image.new("RGB", (9, 9))], "question": ["?", "?"]}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(DataError, match="1 rows have neither a readable picture nor a text.*the first: row 1"):
            fitted.predict(rows.head(2).assign(question=["?", None], photo=[rows["photo"][0], None]))


def test_a_group_column_is_wanted_to_fit_and_not_to_predict(rows, store):
    made = FusionClassifier(**{**SMALL, "epochs": 1}, group="maker", store=store)
    table = rows.assign(maker=np.arange(len(rows)) // 4)
    made.fit(table, rows["answer"])
    assert (made.predict_proba(rows) == made.predict_proba(table)).all()


@pytest.mark.parametrize(("task", "no", "yes"), [("multiclass", 0, 1), ("matching", "no", "yes")])
def test_a_run_from_disk_gives_labels_the_type_they_had(rows, store, tmp_path, task, no, yes):
    table = rows.assign(answer=[yes if answer == "yes" else no for answer in rows["answer"]])
    table.to_csv(tmp_path / "rows.csv", index=False)
    read = SourceSettings(image="photo", text="question", label="answer", task=task, image_folder="/")
    source = Source(str(tmp_path / "rows.csv"), read, EncoderSettings(image_size=64, store=store))
    train_run(source, tmp_path / "run", Design("product", image_size=64, dim=16, epochs=1))
    made = FusionClassifier.from_run(tmp_path / "run", store=store)
    assert made.classes_.tolist() == [no, yes]
    probs = made.predict_proba(table)
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)
    wanted = (np.array([no, yes])[probs.argmax(1)] == table["answer"]).mean()
    assert made.score(table, pd.read_csv(tmp_path / "rows.csv")["answer"]) == wanted


def test_a_run_on_captions_alone_says_whether_a_pair_fits(rows, store, tmp_path):
    read = SourceSettings(image="photo", text="question", image_folder="/")
    frame = rows.assign(question=[f"number {place}" for place in range(len(rows))])
    source = Source(frame[["photo", "question"]], read, EncoderSettings(image_size=64, store=store))
    train_run(source, tmp_path / "run", Design("product", image_size=64, dim=16, epochs=1))
    made = FusionClassifier.from_run(tmp_path / "run", store=store)
    assert made.classes_.tolist() == [0, 1]
    assert set(made.predict(frame)) <= {0, 1}


def test_whole_numbers_come_back_from_a_run_without_the_estimators_record(rows, store, tmp_path):
    numbers = (rows["answer"] == "yes").astype(int)
    FusionClassifier(**{**SMALL, "epochs": 1}, store=store).fit(rows, numbers).save(tmp_path / "model")
    made = FusionClassifier.from_run(tmp_path / "model", store=store)
    assert made.classes_.tolist() == [0, 1]
    assert 0 <= made.score(rows, numbers) <= 1
