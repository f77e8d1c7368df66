"""Tuning: the same draws for all, chosen on validation, gone on with where it was cut; sizes; the declared contrast."""

import json
import sys
from types import ModuleType

import numpy as np
import pytest

import interfuse
from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.core.files import read_json, write_json
from interfuse.evaluation import expected_maximum
from interfuse.reports.tuned import expected_lines
from interfuse.training import load_run
from interfuse.workflows.compare.tune import _best, _score, draw
from interfuse.workflows.train.runs import Trial
from tests.shape_checks import unchecked

pytest.importorskip("optuna", reason="optuna is not installed: pip install 'interfuse[tune]'")
SMALL = {"dim": 16, "num_heads": 4, "epochs": 2, "dropout": 0.0, "seeds": 1, "batch_size": 200}
SPACE = "learning_rate=0.00001..0.03,dropout=0..0.3,batch_size=100|200"


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    out = tmp_path_factory.mktemp("tuned") / "study"
    with unchecked():
        return interfuse.compare("known:xor", fusions=["product"], out=out, tune=3, space=SPACE, **SMALL)


def test_every_design_is_tried_with_the_same_draws_and_keeps_its_best_on_validation(tuned):
    draws = tuned.record["tuning"]["draws"]
    assert len({json.dumps(one) for one in draws}) == 3
    tunable = [design for design in tuned.designs() if not design.linear]  # which have nothing to tune
    assert set(tuned.record["trials"]) == {design.name for design in tunable} < {d.name for d in tuned.designs()}
    for design in tunable:
        runs = [read_json(tuned.folder / "tuning" / design.slug / f"{n:03d}" / "run.json") for n in range(4)]
        for values, info in zip(draws, runs[1:], strict=True):
            assert {name: info["design"][name] for name in values} == values
        scores = [info["metrics"]["validation"]["accuracy"] for info in runs]
        assert tuned.record["trials"][design.name] == scores[1:]
        best = runs[int(np.argmax(scores))]
        assert load_run(tuned.trials()[0].folder.parents[1] / design.slug / "0").design.key == best["design_key"]
        assert "test" not in best["metrics"]
    assert not list((tuned.folder / "tuning").rglob("model.safetensors"))


def test_the_report_says_how_it_was_tuned_and_draws_the_curve(tuned):
    summary = tuned.summary()
    assert any(said.startswith("Tuned: 3 draws of learning_rate=") for said in summary.details)
    trials = tuned.record["trials"]["product"]
    assert expected_lines(summary.study)["product"] == pytest.approx(expected_maximum(np.array(trials)))
    assert "Tuning" in (tuned.folder / "report.html").read_text()


def test_a_tuning_cut_short_goes_on_and_the_same_command_trains_nothing_again(tuned, monkeypatch):
    again = {"fusions": ["product"], "out": tuned.folder, "tune": 3, "space": SPACE, **SMALL}
    before = {path: path.stat().st_mtime_ns for path in tuned.folder.rglob("run.json")}
    assert interfuse.compare("known:xor", **again).record["designs"] == tuned.record["designs"]
    assert {path: path.stat().st_mtime_ns for path in tuned.folder.rglob("run.json")} == before
    lost = tuned.folder / "tuning" / "product" / "002" / "run.json"
    found = read_json(lost)["metrics"]
    lost.unlink()
    interfuse.compare("known:xor", **again)
    assert read_json(lost)["metrics"] == found
    with pytest.raises(ConfigError, match="was tuned otherwise"):
        interfuse.compare("known:xor", **{**again, "tune": 4})


def test_a_draw_that_fails_counts_nothing_and_stops_nothing(tmp_path):
    study = interfuse.compare(
        "known:xor", fusions=["product"], out=tmp_path / "s", tune=2, space="learning_rate=1e30|1e31,clip=0|0", **SMALL
    )
    assert study.record["trials"]["product"] == [None, None]
    assert study.record["tuning"]["chosen"]["product"] == 0
    assert expected_lines(study.record) == {}
    assert "loss became" in read_json(tmp_path / "s" / "tuning" / "product" / "001" / "failed.json")["reason"]


def test_a_failed_draw_is_never_chosen_before_a_score_below_zero(tmp_path):
    folders = [tmp_path / name for name in ("bad", "failed")]
    for folder in folders:
        folder.mkdir()
    write_json(folders[0] / "run.json", {"metrics": {"validation": {"R²": -0.4}}})
    write_json(folders[1] / "failed.json", {"reason": "the loss became nan"})
    trials = [Trial(Design("concat"), 0, 0, folder, tuning=True) for folder in folders]
    scores = [_score(trial, "R²") for trial in (trials[1], *trials, None)]
    assert scores == [None, -0.4, None, None]
    assert _best(scores) == 1
    assert expected_lines({"trials": {"concat": [-0.4, None]}}) == {"concat": [-0.4, -0.4]}


def test_draws_are_from_the_space_and_the_same_each_time():
    assert draw("warm_start=0..2,contrastive=0..1", 2)
    draws = draw("learning_rate=0.0001..0.01,dropout=0.1..0.5,epochs=2..4,gate=none|glu", 1000)
    assert draws == draw("learning_rate=0.0001..0.01,dropout=0.1..0.5,epochs=2..4,gate=none|glu", 1000)
    rates = np.array([one["learning_rate"] for one in draws])
    assert rates.min() >= 0.0001
    assert rates.max() <= 0.01
    assert np.median(rates) == pytest.approx(0.001, rel=0.3)  # even in the logarithm
    assert np.mean([one["dropout"] for one in draws]) == pytest.approx(0.3, abs=0.03)
    assert {one["epochs"] for one in draws} == {2, 3, 4}
    assert {one["gate"] for one in draws} == {"none", "glu"}


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("", "is empty"),
        ("learning_rate", "write name=low..high"),
        ("learning_rat=1..2", "Did you mean"),
        ("dropout=0.5..0.1", "the lower first"),
        ("dropout=a..b", "two numbers"),
        ("epochs=1.5..2.5", "epochs is a whole number, got epochs=1.5..2.5"),
        ("batch_size=0..10", "batch_size must be at least 1, got batch_size=0"),
        ("dropout=0.5..1", "dropout must be from 0 to below 1"),
        ("fusion=concat|product", "setting to tune"),
    ],
)
def test_a_space_that_cannot_be_read_is_told(space, said):
    with pytest.raises(ConfigError, match=said):
        draw(space, 1)


def test_folds_and_a_foreign_folder_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds no tuning"):
        interfuse.compare("known:xor", fusions=["product"], out=tmp_path, tune=1, **SMALL)
    with pytest.raises(ConfigError, match="0 or more"):
        interfuse.compare("known:xor", fusions=["product"], out=tmp_path / "s", tune=-1, **SMALL)


@pytest.mark.parametrize("target", ["merged_attention", "20000"])
def test_designs_are_made_of_one_size(tmp_path, target):
    study = interfuse.compare(
        "known:xor",
        fusions=["merged_attention", "product", "mfb"],
        out=tmp_path / "s",
        match_parameters=target,
        **{**SMALL, "dim": 32},
    )
    linear = {design.name for design in study.designs() if design.linear}
    sizes = {row.design: row.parameters for row in study.summary().rows if row.parameters and row.design not in linear}
    aim = sizes["merged_attention"] if target == "merged_attention" else 20_000
    assert len(sizes) == 7
    for design, size in sizes.items():
        assert size == pytest.approx(aim, rel=0.1), design
    dims = {design.name: design.dim for design in study.designs()}
    assert all(dim % 4 == 0 for dim in dims.values())
    assert (dims["merged_attention"] == 32) == (target == "merged_attention")
    with pytest.raises(
        ConfigError, match=r"image_only .* parameters at the nearest .*; 500,000,000 is more than twice"
    ):
        interfuse.compare("known:xor", fusions=["product"], out=tmp_path / "t", match_parameters="500000000", **SMALL)
    with pytest.raises(ConfigError, match="a count or to a design"):
        interfuse.compare("known:xor", fusions=["product"], out=tmp_path / "t", match_parameters="large", **SMALL)


def test_the_contrast_declared_beforehand_comes_first_and_is_kept(tmp_path):
    terms = {"fusions": ["product", "film"], "out": tmp_path / "s", **SMALL, "epochs": 4, "learning_rate": 0.01}
    study = interfuse.compare("known:xor", primary="product vs text_only", **terms)
    said = study.summary().details[0]
    assert said.startswith("Declared beforehand: product beats text_only by ")
    with pytest.raises(ConfigError, match="primary.first is product, now given: film"):
        interfuse.compare("known:xor", primary="film vs text_only", **terms)
    with pytest.raises(ConfigError, match="two designs of this comparison"):
        interfuse.compare("known:xor", primary="film vs nothing", **{**terms, "out": tmp_path / "t"})


def test_costs_stand_in_the_record_and_in_the_report(tuned):
    info = read_json(tuned.trials()[0].folder / "run.json")
    assert min(info[name] for name in ("flops", "latency_ms", "memory_mb")) > 0
    costs = tuned.summary().costs["product"]
    assert costs["flops"] == read_json(tuned.folder / "runs" / "product" / "0" / "run.json")["flops"]
    page = (tuned.folder / "report.html").read_text()
    assert all(word in page for word in ("FLOPs", "ms a row"))


def test_curves_are_sent_to_tensorboard_once(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for _ in range(2):
        study = interfuse.compare("known:xor", fusions=["product"], out=tmp_path / "s", track="tensorboard", **SMALL)
    folder = tmp_path / "s" / "tensorboard" / "product" / "0"
    assert len(list(folder.iterdir())) == 1
    events = EventAccumulator(str(folder)).Reload()
    history = study.summary().histories["product"][0]
    sent = [event.value for event in events.Scalars("validation_score")]
    assert sent == pytest.approx([row["validation_score"] for row in history])
    assert events.Scalars("test/accuracy")[0].value == pytest.approx(
        study.run("product").info["metrics"]["test"]["accuracy"]
    )


class Client:
    """What MLflow's client is asked for, kept in memory."""

    def __init__(self):
        self.runs, self.metrics, self.params, self.tags, self.ended = [], [], [], {}, []

    def get_experiment_by_name(self, name):
        return None

    def create_experiment(self, name):
        return name

    def search_runs(self, experiments, filter_string, max_results):
        return [run for run, key in self.tags.items() if f"'{key}'" in filter_string]

    def create_run(self, experiment, run_name):
        self.runs.append((experiment, run_name))
        return type("Run", (), {"info": type("Info", (), {"run_id": len(self.runs)})})

    def log_param(self, run, name, value):
        self.params.append((run, name, value))

    def log_metric(self, run, name, value, step):
        self.metrics.append((run, name, value, step))

    def set_tag(self, run, name, value):
        self.tags[run] = value

    def set_terminated(self, run):
        self.ended.append(run)


def test_curves_are_sent_to_mlflow_once(tmp_path, monkeypatch):
    client = Client()
    module = ModuleType("mlflow")
    module.MlflowClient = lambda: client
    monkeypatch.setitem(sys.modules, "mlflow", module)
    for _ in range(2):
        study = interfuse.compare("known:xor", fusions=["product"], out=tmp_path / "s", track="mlflow", **SMALL)
    assert len(client.runs) == len(study.trials()) == len(client.ended)
    assert ("s", "product seed 0") in client.runs
    number = client.runs.index(("s", "product seed 0")) + 1
    sent = [value for run, name, value, _ in client.metrics if run == number and name == "validation_score"]
    assert sent == [row["validation_score"] for row in study.summary().histories["product"][0]]
    assert (number, "dim", 16) in client.params


def test_another_tracker_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="tensorboard or mlflow"):
        interfuse.compare("known:xor", fusions=["product"], out=tmp_path / "s", track="wandb", **SMALL)
