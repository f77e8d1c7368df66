"""The main job end to end: known answers, equal terms, resume, prediction in another process."""

import json
import re
import shutil
import subprocess
import sys
import warnings

import numpy as np
import polars as pl
import pytest

import interfuse
from interfuse.cli.main import run
from interfuse.core.design import make_design
from interfuse.core.errors import ConfigError, DataError
from interfuse.core.files import read_json, write_json
from interfuse.core.progress import Silent
from interfuse.core.records import read_table
from interfuse.data import SourceSettings
from interfuse.fusion import OneKeyAttentionWarning
from interfuse.reports import to_json
from interfuse.training import load_run
from interfuse.workflows import (
    CompareSettings,
    EncoderSettings,
    Source,
    Study,
    compare,
    evaluate,
    predict,
    prepare,
    train_run,
)
from tests.shape_checks import unchecked
from tests.shop import draw_square

_ONE_CLASS = r"AUC is undefined on the 20 test rows: all of them are of class '1'\. .* another metric: accuracy or mac"
SMALL = {"dim": 64, "num_heads": 4, "batch_size": 64, "dropout": 0.0}


class Listener(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


def rows_of(study: Study) -> dict[str, dict]:
    return {row["design"]: row for row in json.loads(to_json(study.summary()))}


def run_here(capsys, *words: str) -> tuple[str, str]:
    """Run a command in this process, as from the shell; return what it wrote to stdout and to stderr."""
    with unchecked(), warnings.catch_warnings(), pytest.raises(SystemExit) as stop:
        warnings.simplefilter("default")
        run(list(words))
    out, said = capsys.readouterr()
    assert stop.value.code in (0, None), said
    return out, said


def test_token_attention_binds_and_no_pooled_design_can(tmp_path):
    with unchecked(), pytest.warns(OneKeyAttentionWarning, match="attention over one key"):
        study = interfuse.compare(
            "known:binding",
            fusions=["cross_attention", "cross_attention:pool=mean", "product", "concat:hidden=64"],
            seeds=1,
            out=tmp_path,
            **{**SMALL, "dim": 32, "epochs": 6, "learning_rate": 5e-3, "train_rows": 2_000},
        )
    rows = rows_of(study)
    assert rows["cross_attention"]["mean"] >= 0.98
    for pooled in ("cross_attention:pool=mean", "product", "concat:hidden=64", "concat"):
        assert rows[pooled]["mean"] <= 0.52, pooled
    assert rows["cross_attention"]["verdict"].endswith("wins")
    assert study.summary().verdict.startswith("No verdict on fusion from one seed")


@pytest.mark.parametrize(
    ("task", "verdict"),
    [
        ("additive", "Fusion beats "),
        ("unique_text", "(No evidence that fusion beats|Fusion and) (text only|logistic_text)"),
        ("unique_image", "(No evidence that fusion beats|Fusion and) (image only|logistic_image)"),
        ("redundant", "(No evidence that fusion beats|Fusion and) "),
        ("xor", "Fusion beats "),
    ],
)
def test_the_harness_reaches_the_known_verdict(tmp_path, task, verdict):
    with unchecked():
        study = interfuse.compare(
            f"known:{task}",
            fusions=["cross_attention", "product", "concat:hidden=64"],
            baseline="concat",
            seeds=3,
            out=tmp_path,
            **{**SMALL, "dim": 32, "batch_size": 250, "epochs": 4, "learning_rate": 1e-2},
        )
    rows, summary = rows_of(study), study.summary()
    assert re.match(verdict, summary.verdict)
    contenders = {name: rows[name]["verdict"] for name in ("cross_attention", "product", "concat:hidden=64")}
    if task == "xor":
        assert set(contenders.values()) <= {"wins", "surely wins"}
    else:
        assert not {"wins", "surely wins"} & set(contenders.values())


@pytest.fixture(scope="module")
def shop(make_shop):
    """Rows whose label needs both: the colour in the picture and the word in the text."""
    draw = np.random.default_rng(0)

    def row(number):
        colour, word = draw.integers(2), draw.integers(2)
        picture = draw_square(("red", "blue")[colour], draw)
        return picture, f"a {('cup', 'plate')[word]} number {number}", f"{colour}{word}"

    folder, table = make_shop(96, row, ("photo", "title", "kind"))
    table.write_csv(folder / "shop.csv")
    return folder


def source(shop, store, **given) -> Source:
    settings = SourceSettings(image="photo", text="title", label="kind", **given)
    return Source(str(shop / "shop.csv"), settings, EncoderSettings(image_size=64, store=store))


@pytest.fixture(scope="module")
def study(shop, tmp_path_factory) -> Study:
    out = tmp_path_factory.mktemp("out")
    return interfuse.compare(
        shop / "shop.csv",
        image="photo",
        text="title",
        label="kind",
        image_size=64,
        store=out / "store",
        out=out / "study",
        fusions="concat:hidden=32,cross_attention",
        seeds=2,
        **{**SMALL, "epochs": 6, "batch_size": 64},
    )


def test_the_floors_are_always_in_the_table_and_every_field_is_there(study):
    rows = rows_of(study)
    named = {"majority", "text_only", "image_only", "concat", "concat:hidden=32", "cross_attention", "merged_attention"}
    named |= (linear := {"tfidf", "logistic_image", "logistic_text", "logistic"})
    (matched,) = set(rows) - named
    assert set(rows) == {*named, matched}
    assert matched.startswith("concat:hidden=")
    largest = max(row["parameters"] for name, row in rows.items() if name not in {matched, *linear})
    assert rows[matched]["parameters"] == pytest.approx(largest, rel=0.01)
    floors = {name for name, row in rows.items() if row["verdict"] == "floor"}
    assert floors == {"majority", "text_only", "image_only", "concat", matched, *linear}
    needed = {
        *("design", "fusion", "baseline", "metric", "mean", "ci_low", "ci_high", "seeds", "parameters"),
        *("train_seconds", "delta", "delta_ci_low", "delta_ci_high", "verdict"),
    }
    assert all(needed <= set(row) for row in rows.values())
    assert [name for name, row in rows.items() if row["baseline"]] == ["concat:hidden=32"]
    assert rows["cross_attention"]["mean"] > 0.9
    assert rows["majority"]["parameters"] == 0
    assert rows["text_only"]["verdict"] == rows["concat"]["verdict"] == "floor"


def test_seeds_are_paired_every_design_sees_the_same_rows_in_the_same_order(study):
    tables = [read_table(trial.folder / "predictions.parquet") for trial in study.trials()]
    assert len(tables) == 18  # two seeds of seven designs, and each linear model once
    assert all(
        table.select(["row", "group", "split"]).equals(tables[0].select(["row", "group", "split"])) for table in tables
    )


def test_rows_in_trouble_are_counted_by_reason(shop, tmp_path):
    titles = [None if number == 3 else f"thing {number}" for number in range(30)]
    kinds = [None if number in (5, 7, 9) else "ab"[number % 2] for number in range(30)]
    rows = pl.DataFrame({"title": titles, "kind": kinds})
    listener = Listener()
    read = SourceSettings(text="title", label="kind", image="none")
    prepare(Source(rows, read, EncoderSettings(store=tmp_path / "store")), listener)
    told = [said for said in listener.said if "×" in said]
    assert told == [
        "3 × the row is left out; the first: row 5 (5): it has no label.",
        "1 × the row is left out; the first: row 3 (3): it has neither picture nor text.",
    ]


def test_a_second_study_encodes_nothing_and_says_so(study, shop):
    listener = Listener()
    prepare(source(shop, study.folder.parent / "store"), listener)
    assert any(
        said.startswith("Pictures: 0 encoded, 96 already in the store. Texts: 0 encoded, 96") for said in listener.said
    )


def test_started_again_it_finishes_the_same_study_with_the_same_numbers(study, shop, tmp_path):
    copy = tmp_path / "study"
    shutil.copytree(study.folder, copy)
    before = {t.folder.relative_to(study.folder): read_table(t.folder / "predictions.parquet") for t in study.trials()}
    cut, half = list(before)[1], list(before)[3]
    shutil.rmtree(copy / cut)
    (copy / half / "run.json").unlink()  # killed after the weights were written
    again = interfuse.compare(
        shop / "shop.csv",
        image="photo",
        text="title",
        label="kind",
        image_size=64,
        store=study.folder.parent / "store",
        out=copy,
        fusions="concat:hidden=32,cross_attention",
        seeds=2,
        **{**SMALL, "epochs": 6, "batch_size": 64},
    )
    for name, table in before.items():
        assert read_table(copy / name / "predictions.parquet").equals(table), name
    first, second = (s.summary() for s in (study, again))
    assert [(r.design, r.mean, r.ci_low) for r in first.rows] == [(r.design, r.mean, r.ci_low) for r in second.rows]


@pytest.mark.processes
def test_worker_processes_give_the_numbers_of_one_process(tmp_path, capsys):
    words = [
        "compare",
        "known:xor",
        "--fusions",
        "product,cross_attention:pool=mean",
        "--seeds",
        "1",
        "--format",
        "json",
    ]
    words += ["--epochs", "2", "--dim", "32", "--train-rows", "1000"]
    one = run_here(capsys, *words, "--jobs", "1", "--out", str(tmp_path / "1"))
    program = [sys.executable, "-c", "from interfuse.cli.main import run; run()"]  # so that we see what workers say too
    command = [*program, *words, "--jobs", "2", "--out", str(tmp_path / "2")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tables = []
    for jobs, out, said in (("1", *one), ("2", done.stdout, done.stderr)):
        assert len(json.loads(out)) == 10
        assert said.count("attention over one key") == said.count("warning: CrossAttentionFusion") == 1
        trials = Study.open(tmp_path / jobs).trials()
        tables.append([read_table(trial.folder / "predictions.parquet") for trial in trials])
    assert all(a.equals(b) for a, b in zip(*tables, strict=True))


def test_another_comparison_does_not_get_into_the_same_folder(study, shop):
    given = {"image": "photo", "text": "title", "label": "kind", "store": study.folder.parent / "store"}
    common = {**SMALL, "epochs": 6, "batch_size": 64, "image_size": 64, "out": study.folder, "seeds": 2, **given}
    with pytest.raises(ConfigError, match=r"holds another comparison: its designs are .*Give another out=…"):
        interfuse.compare(shop / "shop.csv", fusions="concat:hidden=32,product", **common)
    with pytest.raises(ConfigError, match="its baseline is concat:hidden=32, now given: cross_attention. Give another"):
        interfuse.compare(
            shop / "shop.csv", fusions="concat:hidden=32,cross_attention", baseline="cross_attention", **common
        )
    with pytest.raises(ConfigError, match="holds another comparison: its seeds are"):
        interfuse.compare(shop / "shop.csv", fusions="concat:hidden=32,cross_attention", **{**common, "seeds": 3})
    with pytest.raises(ConfigError, match=r"is not empty and holds no study\. Give another out=…"):
        interfuse.compare(shop / "shop.csv", fusions="concat", **{**common, "out": shop})


def test_predict_gives_the_numbers_of_training_s_own_evaluation_in_another_process(study, shop, tmp_path):
    run = study.trials()[-1].folder
    out = tmp_path / "predictions.parquet"
    command = [
        *(
            sys.executable,
            "-c",
            "from interfuse.cli.main import run; run()",
            "predict",
            str(run),
            str(shop / "shop.csv"),
        ),
        *("--store", str(study.folder.parent / "store"), "--out", str(out)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = pl.read_parquet(out)
    assert found["row"].to_list() == list(range(96))
    stored = read_table(run / "predictions.parquet").to_pylist()
    columns = [column for column in found.columns if column.startswith("prob_")]
    probs = found.select(columns).to_numpy()
    for row in stored:
        np.testing.assert_allclose(probs[row["row"]], row["probs"], rtol=0, atol=1e-6)
        assert found["label"][row["row"]] == load_run(run).label_names[int(np.argmax(row["probs"]))]


def test_rows_that_miss_a_modality_are_predicted_and_warned_of(study, shop):
    run = load_run(study.trials()[-1].folder)
    rows = pl.DataFrame({"photo": ["0.png", None, "gone.png"], "title": [None, "a cup", "a plate"]})
    listener = Listener()
    settings = SourceSettings(image_folder=shop)
    found = predict(run, Source(rows, settings, EncoderSettings(store=study.folder.parent / "store")), listener)
    assert found.probs.shape == (3, 4)
    assert np.isfinite(found.probs).all()
    assert found.probs.sum(1) == pytest.approx(1.0, abs=1e-5)
    assert any(
        said.startswith("warning: 2 rows have no image, and this run never trained on rows without one")
        for said in listener.said
    )
    assert any("the file does not exist" in said for said in listener.said)


def test_evaluate_gives_the_metrics_that_training_recorded(study, shop, tmp_path):
    trial = study.trials()[-1]
    run = load_run(trial.folder)
    rows = read_table(trial.folder / "predictions.parquet").to_pylist()
    test_rows = [row["row"] for row in rows if row["split"] == "test"]
    part = pl.read_csv(shop / "shop.csv", infer_schema=False)[test_rows]
    settings = SourceSettings(image_folder=shop, image="photo", text="title", label="kind")
    given = Source(part, settings, EncoderSettings(store=study.folder.parent / "store"))
    found = evaluate(run, given, "all")
    assert found["rows"] == len(test_rows)
    for name, value in run.info["metrics"]["test"].items():
        assert found[name] == pytest.approx(value, abs=1e-6), name
    with pytest.raises(DataError, match="DATA says of no row that it is test, and these are not the rows that the run"):
        evaluate(run, given, "test")


def test_tokens_of_another_encoder_are_refused(study, shop, tmp_path):
    run_folder = tmp_path / "run"
    shutil.copytree(study.trials()[0].folder, run_folder)
    info = read_json(run_folder / "run.json")
    info["encoders"]["image"]["weights"] = "of another"
    write_json(run_folder / "run.json", info)
    rows = pl.DataFrame({"photo": ["0.png"], "title": ["a cup"]})
    given = Source(rows, SourceSettings(image_folder=shop), EncoderSettings(store=study.folder.parent / "store"))
    with pytest.raises(DataError, match=r"trained on image tokens of .*Use the same encoder, weights and image size"):
        predict(load_run(run_folder), given)


def test_the_second_run_of_a_study_calls_no_encoder(shop, study, tmp_path, monkeypatch):
    assert study.record  # the first run filled the store
    calls: list[str] = []
    room = sys.modules["interfuse.workflows.encode.tower"]

    def counted(load):
        def run(*given, **named):
            encoder = load(*given, **named)
            plain = encoder.encode
            encoder.encode = lambda batch: calls.append(encoder.name) or plain(batch)
            return encoder

        return run

    for name in ("load_image_encoder", "load_text_encoder"):
        monkeypatch.setattr(room, name, counted(getattr(room, name)))
    store = study.folder.parent / "store"
    prepare(source(shop, store), Silent())
    assert calls == []
    prepare(source(shop, tmp_path / "empty"), Silent())
    assert set(calls) == {"efficientnet-lite0", "minilm"}


def test_the_report_needs_no_data_for_the_rows_that_it_shows(study, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(study.folder, moved)
    page = Study.open(moved).report().read_text(encoding="utf-8")
    rows = read_table(moved / "examples.parquet").to_pylist()
    assert 0 < len(rows) <= 24
    assert page.count("data:image/jpeg;base64,") == sum(row["picture"] is not None for row in rows) > 0
    assert all(row["text"] in page for row in rows)
    data = study.record["data"]
    assert sum(sum(by_split.values()) for by_split in data["classes"].values()) == 96
    assert data["missing"]["image"] == dict.fromkeys(data["rows"], 0)
    assert data["leaks"] == {"picture": 0, "near-copy": 0, "picture and text": 0, "text": 0}


def test_a_study_can_be_read_by_a_metric_that_is_no_mean_over_rows(study):
    declared, found = study.summary(), study.summary("macro-f1")
    assert {row.metric for row in declared.rows} == {"accuracy"}
    assert {row.metric for row in found.rows} == {"macro F1"}
    for row in found.rows:
        if row.design != "majority":
            assert row.mean == pytest.approx(row.metrics["macro F1"], abs=1e-6)
            assert row.ci_low <= row.mean <= row.ci_high
    constant = next(row for row in found.rows if row.design == "majority")
    assert constant.mean < next(row.mean for row in declared.rows if row.design == "majority")
    assert any("accuracy before it began; macro F1 was chosen afterwards" in detail for detail in found.details)
    assert not any("chosen afterwards" in detail for detail in declared.details)
    with pytest.raises(ConfigError, match="comparison of multiclass is by accuracy or macro F1; got 'auc'"):
        study.summary("auc")


def test_a_metric_is_declared_with_the_study_and_cannot_be_changed_by_compare(tmp_path):
    given = {"fusions": "product", "seeds": 1, "dim": 8, "epochs": 1, "batch_size": 500, "out": tmp_path / "study"}
    found = interfuse.compare("known:xor", metric="Macro_F1", **given)
    assert found.record["metric"] == "macro F1"
    assert {design.batch_size for design in found.designs()} == {500}
    assert not any("chosen afterwards" in detail for detail in found.summary().details)
    with pytest.raises(ConfigError, match="its metric is macro F1, now given: accuracy"):
        interfuse.compare("known:xor", **given)


def test_folds_score_every_row_out_of_fold(shop, tmp_path):
    study = interfuse.compare(
        shop / "shop.csv",
        image="photo",
        text="title",
        label="kind",
        image_size=64,
        store=tmp_path / "store",
        out=tmp_path / "study",
        fusions="product",
        folds=3,
        seeds=1,
        **{**SMALL, "epochs": 2, "batch_size": 64},
    )
    tables = [
        read_table(t.folder / "predictions.parquet").to_pylist() for t in study.trials() if t.design.name == "product"
    ]
    tested = sorted(row["row"] for table in tables for row in table if row["split"] == "test")
    assert tested == list(range(96))
    assert rows_of(study)["product"]["mean"] == pytest.approx(
        np.mean([row["score"] for table in tables for row in table if row["split"] == "test"])
    )
    assert (study.trials()[0].folder.name, study.record["folds"]) == ("fold-0", 3)
    assert study.record["data"]["tested"] == 96
    runs = [read_json(t.folder / "run.json") for t in study.trials() if t.design.name == "product"]
    row = next(row for row in study.summary("macro-f1").rows if row.design == "product")
    assert row.mean == pytest.approx(np.mean([run["metrics"]["test"]["macro F1"] for run in runs]))  # fold by fold
    assert row.delta_ci_low < row.delta < row.delta_ci_high
    assert any("the training sets of 3 folds" in detail for detail in study.summary().details)


@pytest.fixture(scope="module")
def resplit(shop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("resplit")
    given = {"image": "photo", "text": "title", "label": "kind", "image_size": 64, "store": folder / "store"}
    return interfuse.compare(
        shop / "shop.csv",
        **{**given, **SMALL, "epochs": 2, "batch_size": 64},
        out=folder / "study",
        fusions="product",
        resplit=3,
    )


def test_splits_made_anew_come_each_with_a_seed_of_its_own(resplit):
    trials = [trial for trial in resplit.trials() if trial.design.name == "product"]
    assert [(trial.seed, trial.fold, trial.folder.name) for trial in trials] == [(0, 0, "0"), (1, 1, "1"), (2, 2, "2")]
    tables = [read_table(trial.folder / "predictions.parquet").to_pylist() for trial in trials]
    tested = [frozenset(row["row"] for row in table if row["split"] == "test") for table in tables]
    assert len(set(tested)) == 3
    assert (resplit.record["folds"], resplit.record["resplit"], resplit.record["seeds"]) == (1, 3, [0, 1, 2])
    assert resplit.record["data"]["test_share"] == pytest.approx(np.mean([len(rows) for rows in tested]) / 96)
    means = [np.mean([row["score"] for row in table if row["split"] == "test"]) for table in tables]
    row = rows_of(resplit)["product"]
    assert (row["mean"], row["seeds"]) == (pytest.approx(np.mean(means)), 3)


def test_the_interval_over_splits_is_the_corrected_one_and_says_so(resplit):
    for metric, name in ((None, "accuracy"), ("macro-f1", "macro F1")):
        summary = resplit.summary(metric)
        runs = {
            design: [
                read_json(trial.folder / "run.json")["metrics"]["test"][name]
                for trial in resplit.trials()
                if trial.design.name == design
            ]
            for design in ("product", resplit.record["baseline"])
        }
        delta = np.subtract(*runs.values())
        share = resplit.record["data"]["test_share"]
        error = np.sqrt((1 / 3 + share / (1 - share)) * delta.var(ddof=1))
        row = next(row for row in summary.rows if row.design == "product")
        assert row.delta == pytest.approx(delta.mean())
        assert row.delta_ci_high == pytest.approx(min(1.0, delta.mean() + 4.302653 * error))  # t of 2 df
        assert any("the rows were split anew 3 times" in detail for detail in summary.details)
    majority = next(row for row in resplit.summary().rows if row.design == "majority")
    assert 0 < majority.mean < 1
    assert "over 3 splits made anew, each with a seed of its own" in (resplit.folder / "report.html").read_text()


def test_tuning_is_redrawn_with_each_split(shop, tmp_path):
    pytest.importorskip("optuna", reason="optuna is not installed: pip install 'interfuse[tune]'")
    given = {"image": "photo", "text": "title", "label": "kind", "image_size": 64, "store": tmp_path / "store"}
    given |= {**SMALL, "epochs": 1, "dim": 16, "fusions": "product", "resplit": 2, "tune": 1, "out": tmp_path / "study"}
    study = interfuse.compare(shop / "shop.csv", **given, space="learning_rate=0.001..0.002")
    splits = study.record["tuning"]["splits"]
    assert splits[0]["draws"] != splits[1]["draws"]
    for trial in study.trials():
        if trial.design.model != "network":  # its strength is chosen on each split's validation, and nothing is drawn
            continue
        number = splits[trial.fold]["chosen"][trial.design.name]
        run = load_run(trial.folder)
        own = next(design for design in study.designs() if design.name == trial.design.name)
        drawn = splits[trial.fold]["draws"][number - 1]["learning_rate"] if number else own.learning_rate
        assert run.design.learning_rate == drawn
        assert run.info["seed"] == trial.fold
    assert any(
        1 in split["chosen"].values() for split in splits
    )  # some draw was chosen, so that the above says something
    assert any(detail.startswith("Tuned anew on each of 2 splits: 1 draws") for detail in study.summary().details)
    before = {path: path.stat().st_mtime_ns for path in study.folder.rglob("run.json")}
    interfuse.compare(shop / "shop.csv", **given, space="learning_rate=0.001..0.002")
    assert {path: path.stat().st_mtime_ns for path in study.folder.rglob("run.json")} == before


def test_seeds_beside_splits_made_anew_are_refused(shop, tmp_path):
    given = {"image": "photo", "text": "title", "label": "kind", "out": tmp_path}
    with pytest.raises(ConfigError, match=r"resplit=4 trains every design 4 times.*seeds=3 is for one split"):
        interfuse.compare(shop / "shop.csv", resplit=4, seeds=3, **given)
    with pytest.raises(ConfigError, match=r"resplit=4 splits the rows anew 4 times, and folds=3 deals them"):
        interfuse.compare(shop / "shop.csv", resplit=4, folds=3, **given)
    with pytest.raises(ConfigError, match="store_dim=… is fitted on the train rows, and with resplit=…"):
        interfuse.compare(shop / "shop.csv", resplit=4, store_dim=8, **given)
    with pytest.raises(ConfigError, match="give it to compare"):
        interfuse.train(shop / "shop.csv", resplit=4, **given)
    with pytest.raises(ConfigError, match=r"known:xor is made of .*: resplit=… would change nothing"):
        interfuse.compare("known:xor", resplit=4, out=tmp_path)


def test_fewer_train_rows_leave_validation_and_test_alone(shop, tmp_path):
    every, few = (prepare(source(shop, tmp_path), Silent(), limit).folds[0] for limit in (None, 20))
    assert len(few["train"]) == 20
    assert set(few["train"].tolist()) < set(every["train"].tolist())
    assert few["test"].equal(every["test"])


def test_what_a_known_answer_task_would_not_heed_is_refused(tmp_path):
    given = {"fusions": "product", "seeds": 1, "out": tmp_path / "study"}
    with pytest.raises(
        ConfigError, match=r"known:xor is made of .*: label=…, hard_negatives=…, folds=…, image_size=… would change not"
    ):
        interfuse.compare("known:xor", folds=3, label="kind", hard_negatives=True, image_size=64, **given)
    with pytest.raises(ConfigError, match=r": task=… would change nothing\. Leave it out"):
        interfuse.compare("known:xor", task="regression", **given)
    Source("known:xor", SourceSettings(seed=3, task="multiclass"), EncoderSettings(store=tmp_path)).check_known()


def test_what_cannot_be_compared_is_told(tmp_path):
    with pytest.raises(ConfigError, match="The baseline 'nobody' is no design of this comparison"):
        interfuse.compare("known:xor", fusions="product", baseline="nobody", out=tmp_path / "a")
    with pytest.raises(ConfigError, match="The margin is a fraction from 0 to below 1, got 1"):
        interfuse.compare("known:xor", fusions="product", margin=1.0, out=tmp_path / "a")
    with pytest.raises(ConfigError, match="A comparison needs at least 1 seed, got seeds=0"):
        interfuse.compare("known:xor", fusions="product", seeds=0, out=tmp_path / "b")
    with pytest.raises(
        ConfigError, match=r"Unknown fusion mechanism 'crossattention'\. Did you mean 'cross_attention'"
    ):
        interfuse.compare("known:xor", fusions="crossattention", out=tmp_path / "c")
    with pytest.raises(ConfigError, match="focal_gamma=5.0 changes nothing without objective=focal"):
        interfuse.compare("known:xor", fusions="product", focal_gamma=5.0, out=tmp_path / "c")
    with pytest.raises(ConfigError, match="ogm_alpha=0.9 changes nothing without balance=ogm_ge"):
        train_run(Source("known:xor"), tmp_path / "run", make_design("product", {}, {"ogm_alpha": 0.9}))
    with pytest.raises(DataError, match="holds no study"):
        Study.open(tmp_path)


@pytest.mark.parametrize(
    "given",
    [
        {"fusions": "product,cross_attention", "dim": 18, "num_heads": 4, "match_parameters": "20000"},
        {"fusions": "product", "focal_gamma": 3.0, "tune": 1, "space": "objective=cross_entropy|focal"},
        {
            "fusions": "product,concat:hidden=4:name=narrow",
            "baseline": "concat:hidden=4",
            "match_parameters": "20000",
        },
    ],
    ids=["a width that is matched", "a setting that tuning needs", "a baseline whose width is matched"],
)
def test_what_is_settled_later_is_not_refused_too_early(given, tmp_path):
    small = {"seeds": 1, "epochs": 1, "train_rows": 200, "batch_size": 200, "out": tmp_path / "study"}
    study = interfuse.compare("known:xor", **small, **given)
    assert study.record["baseline"] == ("narrow" if "baseline" in given else study.record["baseline"])


@pytest.mark.parametrize("fusions", ["late_logit:residual=true", "concat:encoder_layers=1:num_heads=3"])
def test_a_network_that_cannot_be_made_is_told_before_anything_is_encoded(shop, tmp_path, fusions):
    rows = source(shop, tmp_path / "store")
    with pytest.raises(ConfigError, match="residual=True adds|multiple of num_heads"):
        compare(rows, tmp_path / "study", CompareSettings(fusions=fusions))
    assert not rows.encode.store.exists()


def test_a_wrong_design_is_told_before_anything_is_encoded(shop, tmp_path):
    (tmp_path / "designs.toml").write_text('["mine"]\nfusion = "late"\n')
    rows = source(shop, tmp_path / "store")
    with pytest.raises(ConfigError, match="Unknown fusion mechanism 'late'"):
        compare(rows, tmp_path / "study", CompareSettings(designs=tmp_path / "designs.toml"))
    with pytest.raises(ConfigError, match="Unknown setting of concat: 'hiden'"):
        compare(rows, tmp_path / "study", CompareSettings(fusions="product,concat:hiden=3"))
    with pytest.raises(ConfigError, match="num_heads"):
        train_run(rows, tmp_path / "run", make_design("cross_attention", {"num_heads": 7}, {}))
    assert not rows.encode.store.exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"metric": "nonsense"}, r"No task has the metric 'nonsense'\. A comparison of multiclass is by accuracy or"),
        ({"metric": "auc"}, "A comparison of multiclass is by accuracy or macro F1; got 'auc'"),
        ({"baseline": "nobody"}, r"The baseline 'nobody' is no design of this comparison\. It has: .*, product\."),
        ({"baseline": "two_tower:contrastive=1"}, "The baseline 'two_tower:contrastive=1' is no design"),
        ({"primary": "product beats concat"}, "primary=… takes two designs .* got 'product beats concat'. It has: "),
        ({"primary": "product vs nobody"}, "primary=… takes two designs .* got 'product vs nobody'"),
        ({"primary": "product vs product"}, "primary=… takes two designs"),
        ({"fusions": "two_tower:contrastive=1"}, r"contrastive=1 .* is for matching; the task is multiclass"),
        ({"label": "price", "class_weights": "balanced"}, "class_weights=balanced is for classes, and the task is reg"),
        ({"label": "price", "objective": "focal"}, "objective=focal is for classes, and the task is regression"),
        ({"label": "fits", "task": "matching", "metric": "auc", "split": "part"}, _ONE_CLASS),
    ],
)
def test_what_the_rows_do_not_allow_is_told_before_anything_is_encoded(shop, tmp_path, given, message):
    rows = pl.read_csv(shop / "shop.csv").with_columns(
        pl.int_range(pl.len()).mul(1.5).alias("price"),
        pl.Series("part", ["train"] * 56 + ["validation"] * 20 + ["test"] * 20),
        pl.Series("fits", [0, 1] * 38 + [1] * 20),
    )
    columns = {"image": "photo", "text": "title", "label": "kind", "image_folder": shop, "fusions": "product"}
    with pytest.raises(ConfigError, match=message):
        interfuse.compare(rows, store=tmp_path / "store", out=tmp_path / "study", **{**columns, **given})
    assert not (tmp_path / "store").exists()


def test_a_design_may_be_named_in_any_spelling(tmp_path):
    given = {"fusions": "product,product:learning_rate=1e-2,concat:hidden=4:name=narrow", "seeds": 1, "epochs": 1}
    base = {"dim": 8, "batch_size": 500, "train_rows": 500, "out": tmp_path / "study"}
    words = {"baseline": "concat:hidden=4", "primary": "product:learning_rate=0.0100 vs concat:hidden=match"}
    study = interfuse.compare("known:xor", **given, **base, **words)
    assert study.record["baseline"] == "narrow"
    matched = next(d.name for d in study.designs() if d.name.startswith("concat:hidden="))
    assert study.record["primary"] == {"first": "product:learning_rate=0.01", "second": matched}
    words["primary"] = f"product:learning_rate=0.01 vs {matched}"  # as the table calls it
    assert interfuse.compare("known:xor", **given, **base, **words).record == study.record


def test_a_small_comparison_on_real_easy_vqa_pictures_ends_in_a_report(tmp_path, capsys):
    """700 questions about real pictures, real encoders, from the shell to the report."""
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra encoders is not installed")
    easy_vqa = pytest.importorskip("interfuse.data.readers.easy_vqa")
    pytest.importorskip("easy_vqa", reason="the extra demo is not installed")
    every = easy_vqa.read_easy_vqa()
    parts = [every.filter(pl.col("split") == name).head(count) for name, count in (("train", 500), ("test", 200))]
    pl.concat(parts).write_csv(tmp_path / "rows.csv")
    out, said = run_here(
        capsys,
        *("compare", str(tmp_path / "rows.csv")),
        *("--image", "image", "--text", "text", "--label", "label", "--split", "split", "--id", "id"),
        *("--fusions", "product,cross_attention", "--seeds", "2", "--epochs", "6", "--batch-size", "32"),
        *("--image-size", "96", "--store", str(tmp_path / "store"), "--out", str(tmp_path / "study")),
        *("--format", "json", "--dim", "32", "--num-heads", "4"),
    )
    rows = {row["design"]: row for row in json.loads(out)}
    assert rows["text_only"]["mean"] > rows["image_only"]["mean"] + 0.1
    assert max(rows[name]["mean"] for name in ("product", "cross_attention")) > rows["majority"]["mean"] + 0.1
    assert "pictures/s" in said or "pictures in" in said
    page = (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
    assert "cross_attention" in page
    assert "Validation score" in page or "validation score" in page
