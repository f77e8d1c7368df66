"""Linear floors in a study and after it: trained once for all seeds, judged as controls, and used as any run."""

import numpy as np
import polars as pl
import pytest

import interfuse
from interfuse.core.errors import ConfigError, ExportError
from interfuse.core.files import read_json
from interfuse.core.progress import Silent
from interfuse.data import SourceSettings
from interfuse.workflows import EncoderSettings, Source, StreamSettings, predict_stream
from interfuse.workflows.export import runtime
from interfuse.workflows.export.export import export_run
from interfuse.workflows.hub.hub import write_shared
from interfuse.workflows.serve import Responder
from tests.shape_checks import unchecked
from tests.shop import draw_square
from tests.workflows.export.test_export import make_encoders

COLOURS = ("红色", "蓝色")
THINGS = ("杯子", "汽车", "自行车", "盘子")


@pytest.fixture(scope="module")
def shop(make_shop):
    """72 rows whose text alone tells the label, by letters that the text encoder does not know; some lack a text."""
    draw = np.random.default_rng(0)

    def row(number):
        colour, thing = draw.integers(2), draw.integers(4)
        text = None if number % 12 == 5 else f"{COLOURS[colour]}{THINGS[thing]}，编号{number}"
        return draw_square("white", draw, (32, 32), 24), text, ("warm", "cold")[colour]

    folder, frame = make_shop(72, row, ("photo", "caption", "tag"), packaged=False)
    frame.write_csv(folder / "shop.csv")
    return folder, *make_encoders(folder)


@pytest.fixture(scope="module")
def study(shop, tmp_path_factory):
    folder, see, read = shop
    with unchecked():
        return interfuse.compare(
            folder / "shop.csv",
            **{"image": "photo", "text": "caption", "label": "tag"},
            **{"image_encoder": str(see), "text_encoder": str(read), "store": folder / "store"},
            **{
                "fusions": "product,concat:model=tfidf",
                "seeds": 2,
                "confirm": True,
                "epochs": 1,
                "dim": 8,
                "num_heads": 2,
            },
            out=tmp_path_factory.mktemp("out") / "study",
        )


@pytest.fixture(scope="module")
def run(study):
    return study.run("tfidf")


def test_a_linear_floor_is_trained_once_and_is_a_control_that_the_verdict_speaks_of(study):
    summary = study.summary()
    rows = {row.design: row for row in summary.rows}
    linear = {"tfidf", "logistic_text", "logistic_image", "logistic", "concat:model=tfidf"}
    assert {rows[name].verdict for name in linear} == {"floor"}
    assert {rows[name].seeds for name in linear} == {2}
    for name in linear:
        assert [trial.seed for trial in study.trials() if trial.design.name == name] == [0]
        assert study.run(name, seed=1).folder == study.run(name).folder
    assert rows["tfidf"].mean > rows["text_only"].mean + 0.2  # 91 % have a text, and letters tell its label
    assert "tfidf" in summary.verdict
    by, _, scores = study.score()
    assert study.record["confirmation"]["control"] == "tfidf"  # fresh trainings of the fusion against the one it has
    assert study.judge(by, scores).contrast.components.seeds == 2
    assert {name for name, entry in scores.items() if entry.outside} == {*linear, "majority"}
    assert {name for name in linear if scores[name].unimodal} == {"tfidf", "logistic_text", "logistic_image"}
    judged = [result for result in study.contrasts("product") if result.delta is not None]
    assert [result.p_holm for result in judged if result.outside] == [r.delta.p for r in judged if r.outside]
    assert not {*linear, "majority"} & {name for pair in summary.pairs for name in (pair.first, pair.second)}
    assert not linear & set(summary.histories)
    assert study.report(study.folder / "report.md").read_text(encoding="utf-8").count("tfidf") > 1


def test_it_predicts_new_texts_whole_part_by_part_and_scores_them(shop, run, tmp_path):
    folder, *_ = shop
    new = pl.DataFrame({"caption": [f"{COLOURS[n % 2]}的门" for n in range(8)], "tag": ["warm", "cold"] * 4})
    new.write_csv(tmp_path / "new.csv")
    given = {"image": "none", "store": folder / "store"}
    assert interfuse.predict(run, new, **given).frame()["label"].to_list() == new["tag"].to_list()
    assert interfuse.evaluate(run, new, **given)["accuracy"] == 1.0
    source = Source(str(tmp_path / "new.csv"), SourceSettings(image="none"), EncoderSettings(store=folder / "store"))
    predict_stream(run, source, tmp_path / "out.csv", StreamSettings(rows_per_part=3), Silent())
    assert pl.read_csv(tmp_path / "out.csv")["label"].to_list() == new["tag"].to_list()


def test_it_answers_questions_and_what_is_missing_decides_nothing(run):
    text, _, nothing = Responder(run).answer([(None, "红色的门"), (None, " "), (None, None)])
    assert (text.label, text.decided, text.words) == ("warm", "text", ())
    assert nothing.error == "Give a picture, a text, or both."


def test_an_export_weighs_texts_by_itself_as_the_run_does(run, tmp_path):
    with unchecked():
        exported = export_run(run, tmp_path / "exported", "torch")
    assert exported.largest <= 1e-4
    model = runtime.Model.__new__(runtime.Model)  # its session would need ONNX, which torch's format has not
    model.config = read_json(tmp_path / "exported" / "model.json")
    model.vocabulary = read_json(tmp_path / "exported" / "vocabulary.json")
    texts = ["红色汽车，编号3", "", None, "Two words, TWO words", "a\tb  ccccc"]
    np.testing.assert_allclose(
        model.bag(texts)[:, 0], run.network.bag.weigh([text or "" for text in texts]).toarray(), atol=1e-6
    )
    with pytest.raises(ExportError, match="reads texts by TF-IDF, and no graph does that"):
        export_run(run, tmp_path / "whole", whole=True)


def test_it_is_diagnosed_as_the_sum_that_it_is(shop, study):
    folder, *_ = shop
    given = {"image": "photo", "text": "caption", "label": "tag", "image_folder": folder, "store": folder / "store"}
    measures = {
        one.key: one
        for one in interfuse.diagnose(study.run("concat:model=tfidf"), folder / "shop.csv", **given).measures
    }
    assert "no interaction at all" in measures["emap"].verdict


def test_no_encoder_learns_with_it(shop, tmp_path):
    folder, see, read = shop
    given = {"image": "photo", "text": "caption", "label": "tag", "store": folder / "store"}
    given |= {"image_encoder": str(see), "text_encoder": str(read)}
    with pytest.raises(ConfigError, match="tfidf is a linear model of features: no encoder learns with it"):
        interfuse.train(folder / "shop.csv", fusion="tfidf", unfreeze="text", out=tmp_path / "run", **given)


def test_what_is_published_holds_the_vocabulary(run, tmp_path):
    write_shared(run.folder, tmp_path / "up")
    assert interfuse.load_run(tmp_path / "up").network.bag.dim == run.network.bag.dim
    assert "A linear model" in (tmp_path / "up" / "README.md").read_text(encoding="utf-8")
