"""The front door: every public name, the example that `help(interfuse)` shows, one shape for all that takes rows."""

import inspect
import pydoc
import textwrap
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest

import interfuse
from interfuse.core.errors import ConfigError, DataError
from tests.pages.rows import make_rows
from tests.shape_checks import unchecked
from tests.workflows import together
from tests.workflows.export.test_export import make_encoders

COLUMNS = {"image": "photo", "text": "title", "label": "category"}
TAKES_ROWS = ("compare", "diagnose", "evaluate", "predict", "train")


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    make_rows(folder)
    return folder


@pytest.fixture
def inside(shop, monkeypatch) -> Path:
    """Stand in the folder of the rows, with a store beside them."""
    monkeypatch.chdir(shop)
    monkeypatch.setenv("INTERFUSE_STORE", str(shop / "store"))
    return shop


def example() -> str:
    """Return the code that the docstring of the package shows."""
    lines = str(interfuse.__doc__).splitlines()
    return textwrap.dedent("\n".join(line for line in lines if line.startswith("    ") or not line))


def test_every_public_name_is_listed_and_can_be_imported():
    assert set(interfuse.__all__) | {"__version__"} == set(dir(interfuse))
    assert all(inspect.getdoc(getattr(interfuse, name)) for name in interfuse.__all__)
    assert interfuse.__version__ == version("interfuse")
    with pytest.raises(AttributeError, match="'interfuse' has no attribute 'fuse'"):
        _ = interfuse.fuse


def test_help_shows_the_example_and_every_name():
    page = pydoc.plain(pydoc.render_doc(interfuse))
    assert all(line in page for line in example().strip().splitlines())
    assert all(name in page for name in interfuse.__all__)


def test_the_example_of_the_docstring_runs(inside, capsys):
    with unchecked():
        exec(compile(example(), "interfuse.__doc__", "exec"), {})
    assert "fusion" in capsys.readouterr().out
    assert len(pl.read_csv(inside / "predictions.csv")) == 12
    assert (inside / "study/runs/cross_attention/0/diagnosis.html").is_file()


def test_a_run_is_trained_used_scored_and_diagnosed_with_paths_as_texts(inside):
    rows = {**COLUMNS, "image_folder": str(inside / "photos"), "store": str(inside / "store")}
    table, out = str(inside / "products.csv"), str(inside / "run")
    run = interfuse.train(table, **rows, fusion="concat:hidden=16", out=out, epochs=3, dim=32, seed=1)
    assert (run.design.name, run.design.settings, run.info["seed"]) == ("concat:hidden=16", {"hidden": 16}, 1)
    assert run.design.dim == 32

    predictions = interfuse.predict(out, str(inside / "new.csv"), **rows)
    predictions.write(str(inside / "new-predictions.parquet"))
    assert pl.read_parquet(inside / "new-predictions.parquet").equals(predictions.frame())
    assert predictions.probs.shape == (12, 3)
    again = interfuse.predict(interfuse.load_run(out), pl.read_csv("new.csv"), image_folder=inside / "photos")
    assert (again.probs == predictions.probs).all()

    metrics = interfuse.evaluate(run, table, **rows, on="test", missing={"image": 1.0})
    assert metrics["rows"] < 20
    assert 0 <= metrics["accuracy"] <= 1

    diagnosis = interfuse.diagnose(out, table, **rows, rows=20, threads=1, out=str(inside / "page.html"))
    assert (diagnosis.split, diagnosis.seed) == ("test", 1)
    assert (inside / "page.html").is_file()


def test_encoders_that_learn_too_are_asked_for_by_name(tmp_path):
    image_encoder, text_encoder = map(str, make_encoders(tmp_path))
    rows = {"image": "photo", "text": "caption", "label": "answer", "split": "part", "store": tmp_path / "store"}
    design = {"fusion": "concat", "dim": 16, "epochs": 2, "image_encoder": image_encoder, "text_encoder": text_encoder}
    learning = {"unfreeze": "last-1", "finetune_epochs": 1, "finetune_batch": 8, "accumulate": 2}
    table = together.make_rows(tmp_path)
    run = interfuse.train(table, **rows, **design, **learning, out=tmp_path / "run", precision="float32", seed=3)
    settings = run.info["finetune"]
    assert {"unfreeze": "last-1", "epochs": 1, "batch_size": 8, "accumulate": 2}.items() <= settings.items()
    assert (set(run.finetuned), run.design.epochs, run.info["seed"]) == ({"image", "text"}, 2, 3)
    frozen = interfuse.load_run(tmp_path / "run-frozen")
    assert (frozen.finetuned, frozen.info["seed"]) == ({}, 3)


def test_settings_of_fine_tuning_are_refused_where_nothing_learns():
    with pytest.raises(ConfigError, match=r"finetune_epochs=2, accumulate=1 would change nothing: .*unfreeze=last-2"):
        interfuse.train("nothing.csv", finetune_epochs=2, accumulate=1)
    with pytest.raises(ConfigError, match="unfreeze=… is image, text, both or last-N .* got 'last'"):
        interfuse.train("nothing.csv", unfreeze="last")
    with pytest.raises(ConfigError, match="leave unfreeze=… out"):
        interfuse.train("known:xor", fusion="concat", unfreeze="both")


def test_an_unknown_setting_is_refused_with_the_nearest_before_any_row_is_read():
    for name in ("compare", "train"):
        with pytest.raises(ConfigError, match="Unknown setting 'lerning_rate'. Did you mean 'learning_rate'"):
            getattr(interfuse, name)("nothing.csv", **COLUMNS, lerning_rate=0.1)
    for name in ("predict", "evaluate", "diagnose"):
        with pytest.raises(ConfigError, match="Unknown setting 'image_foldr'. Did you mean 'image_folder'"):
            getattr(interfuse, name)("no-run", "nothing.csv", image_foldr="photos")
    with pytest.raises(ConfigError, match="Unknown setting 'fusion'. Did you mean 'fusions'"):
        interfuse.compare("nothing.csv", fusion="concat")
    with pytest.raises(ConfigError, match="Unknown setting 'fusions'. Did you mean 'fusion'"):
        interfuse.train("nothing.csv", fusions="concat")


def test_a_run_is_not_given_other_encoders():
    with pytest.raises(ConfigError, match="image_size is the run's own.*leave image_size out"):
        interfuse.predict("no-run", "nothing.csv", image_size=96)


def test_train_takes_one_design_and_a_path_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="train takes one design, got 2: 'concat,gmu'"):
        interfuse.train("known:xor", fusion="concat,gmu")
    with pytest.raises(DataError, match="holds no finished run"):
        interfuse.load_run(str(tmp_path))


@pytest.mark.parametrize("name", TAKES_ROWS)
def test_all_that_takes_rows_has_one_shape(name):
    parameters = list(inspect.signature(getattr(interfuse, name)).parameters.values())
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == (["data"] if name in ("compare", "train") else ["run", "data"])
    keywords = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    assert keywords[:3] == ["image", "text", "label"]
    assert keywords[-1] == "progress"
    assert parameters[-1].kind is inspect.Parameter.VAR_KEYWORD
