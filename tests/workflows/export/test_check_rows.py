"""An export beside `predict` on real rows: the same answers from float32 tokens, told where tokens are rounded."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score

from interfuse.cli.main import run as command_line
from interfuse.core.design import Design
from interfuse.core.progress import Silent
from interfuse.data import SourceSettings
from interfuse.training import load_run
from interfuse.workflows import EncoderSettings, Source, predict, train_run
from interfuse.workflows.export import check_rows as agreement
from interfuse.workflows.export import runtime
from interfuse.workflows.export.check_rows import check, read_rows
from interfuse.workflows.export.export import export_run
from tests.shape_checks import unchecked
from tests.workflows.export.test_export import make_encoders

COLOURS = ("red", "blue")


@pytest.fixture(scope="module")
def shop(make_shop):
    """60 rows of a noisy coloured square and a text, some of either missing; small encoders of transformers."""
    rng = np.random.default_rng(0)

    def row(number):
        colour = COLOURS[number % 2]
        noise = rng.integers(0, 200, (40, 36, 3), dtype=np.uint8)
        noise[..., 0 if colour == "red" else 2] //= 2
        text = None if number % 10 == 6 else f"a {COLOURS[number % 3 % 2]} square"
        return Image.fromarray(noise), text, colour

    folder, frame = make_shop(60, row, ("photo", "caption", "tag"), packaged=False)
    frame = frame.with_columns(photo=pl.when(pl.int_range(pl.len()) % 10 != 3).then("photo"))
    frame.write_parquet(folder / "shop.parquet")
    frame.drop("tag").write_parquet(folder / "bare.parquet")
    return folder, *make_encoders(folder)


def train(shop, out, store_dtype):
    folder, see, read = shop
    names = {"image_encoder": str(see), "text_encoder": str(read)}
    encode = EncoderSettings(**names, store=folder / "store", store_dtype=store_dtype)
    source = Source(str(folder / "shop.parquet"), SourceSettings(image="photo", text="caption", label="tag"), encode)
    # much is learnt, so that probabilities are far from 0.5 and a rounding of the tokens is seen
    design = Design("concat", **names, store_dtype=store_dtype, dim=32, epochs=6, batch_size=16, learning_rate=0.01)
    return train_run(source, out, design, progress=Silent()), source


@pytest.fixture(scope="module")
def exact(shop, tmp_path_factory):
    return train(shop, tmp_path_factory.mktemp("exact") / "run", "float32")


@pytest.fixture(scope="module")
def exported(exact, shop, tmp_path_factory):
    """What the command writes of the whole model with 8 bits."""
    out = tmp_path_factory.mktemp("exported") / "whole"
    ask(exact, shop, out, "--whole")
    return out


def ask(exact, shop, out, *more):
    run, source = exact
    asked = ["export", str(run.folder), "--int8", source.data, "--store", str(shop[0] / "store"), "--out", str(out)]
    with unchecked(), pytest.raises(SystemExit) as stop:
        command_line([*asked, *more])
    assert not stop.value.code


def test_a_run_on_float32_tokens_gives_its_own_answers_when_exported_whole(exact, exported, shop):
    run, source = exact
    assert {signature["dtype"] for signature in run.info["encoders"].values()} == {"float32"}
    assert {signature["coding"] for signature in run.info["encoders"].values()} == {"float32"}
    found = check(run, read_rows(run, source, Silent()), exported, Silent())
    assert found.rows == 60
    assert found.difference <= 1e-4
    assert found.same == 1
    table = pl.read_parquet(source.data)
    wanted = predict(run, source).probs
    pictures = [None if name is None else str(shop[0] / name) for name in table["photo"]]
    answers = runtime.Model(exported).predict(pictures, table["caption"].to_list(), batch=7)
    assert np.abs(answers - wanted).max() <= 1e-4
    assert np.ptp(wanted[:, 0]) > 0.2  # the rows differ
    kept = json.loads((exported / "model.json").read_text())["check"]
    truth = accuracy_score(table["tag"], np.array(run.label_names)[wanted.argmax(1)])
    assert kept["scores"] == {"run": pytest.approx(truth), "export": pytest.approx(truth)}
    assert (kept["rows"], kept["same_answers"], kept["difference"]) == (60, 1, found.difference)


@pytest.mark.parametrize("store_dtype", ["bfloat16", "int8"])
def test_where_tokens_are_rounded_the_difference_is_measured_and_told(shop, tmp_path, monkeypatch, store_dtype):
    run, source = train(shop, tmp_path / "run", store_dtype)
    with unchecked():
        export_run(run, tmp_path / "out", whole=True)
    monkeypatch.setattr(agreement, "LOUD", 1e-4)
    said: list[str] = []
    hears = Silent()
    monkeypatch.setattr(hears, "say", said.append)
    rows = read_rows(run, replace(source, data=str(shop[0] / "bare.parquet")), hears)
    found = check(run, rows, tmp_path / "out", hears)
    assert found.difference > 1e-4
    assert found.scores == {}  # no labels there
    assert f"a probability differs by {found.difference:.3f} from what `interfuse predict` gives" in said[-1]
    assert "Fix: train with store_dtype=float32" in said[-1]
    assert any("No scores are measured" in sentence for sentence in said)


@pytest.mark.parametrize("whole", [False, True])
def test_int8_is_written_and_measured_by_the_command(exact, exported, shop, tmp_path, capsys, whole):
    run, source = exact
    out = exported if whole else tmp_path / "head"
    if not whole:
        ask(exact, shop, out)
        assert "int8 on 60 rows: largest difference of a probability" in capsys.readouterr().out
    card = json.loads((out / "model.json").read_text())
    names = {path.name for path in out.iterdir()}
    assert {"model.onnx", "model.int8.onnx", "model.json", "predict.py"} <= names
    small, large = card["int8"]["bytes"], card["int8"]["bytes_float32"]
    assert small == (out / "model.int8.onnx").stat().st_size < large
    assert 1e-6 < card["int8"]["difference"] < 0.1  # 8 bits are not float32, and not far from it
    assert card["check"]["difference"] <= 1e-4
    assert set(card["int8"]["scores"]) == {"run", "int8"}
    assert card["int8"]["scores"]["run"] == card["check"]["scores"]["export"]
    if whole:
        table = pl.read_parquet(source.data)
        pictures = [None if name is None else str(shop[0] / name) for name in table["photo"]]
        model = runtime.Model(out, file="model.int8.onnx")
        answers = model.predict(pictures, table["caption"].to_list())
        wanted = predict(run, source).probs
        assert np.abs(answers - wanted).max() == pytest.approx(card["int8"]["difference"], abs=1e-6)


def test_what_cannot_be_quantised_is_refused_before_the_work(exact, shop, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    asked = ["export", str(exact[0].folder), "--to", "torch", "--int8", exact[1].data]
    with pytest.raises(SystemExit) as stop:
        command_line(asked)
    assert stop.value.code == 2
    assert "--int8, and --check of a whole model, need --to onnx" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "exported").exists()
    assert load_run(exact[0].folder).task == "multiclass"


def test_a_model_answers_many_rows_a_few_at_a_time(exported, shop, monkeypatch):
    model = runtime.Model(exported)
    seen: list[int] = []
    stack = np.stack
    monkeypatch.setattr(runtime.np, "stack", lambda pictures: seen.append(len(pictures)) or stack(pictures))
    paths = [str(shop[0] / f"{number}.png") for number in range(10)]
    together = model.predict(paths, ["a red square"] * 10, batch=10)
    np.testing.assert_allclose(model.predict(paths, ["a red square"] * 10, batch=4), together, atol=1e-5)
    assert seen == [10, 4, 4, 2]
    assert model.predict([], []).shape == (0, 2)
    with pytest.raises(ValueError, match="for each picture, got 2 and 1"):
        model.predict([None, None], ["a"])
