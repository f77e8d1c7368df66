"""The command line: help, exit codes, errors of one line, output that a program can read."""

import inspect
import json
import os
import re
import runpy
import subprocess
import sys
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from interfuse.cli.app import app
from interfuse.cli.main import run
from interfuse.cli.options import ELSEWHERE
from interfuse.cli.progress import ConsoleProgress
from interfuse.cli.train import train as train_command
from interfuse.core.design import Design
from interfuse.fusion import list_fusions
from interfuse.training.health import findings

COMMANDS = [
    "demo",
    "inspect",
    "compare",
    "train",
    "predict",
    "evaluate",
    "diagnose",
    "encode",
    "store",
    "export",
    "serve",
    "fusions",
    "doctor",
    "report",
    "rank",
    "plan",
]


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from interfuse.cli.main import run; run()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_command_is_there_and_its_help_has_a_real_example(capsys):
    groups = {group.name or group.typer_instance.info.name for group in app.registered_groups}
    assert {command.name for command in app.registered_commands} | groups == set(COMMANDS)
    for name in COMMANDS:
        with pytest.raises(SystemExit) as stop:
            run([name, "--help"])
        assert stop.value.code == 0
        assert f"interfuse {name}" in capsys.readouterr().out


def test_an_error_is_one_line_on_stderr_and_exits_1(capsys):
    with pytest.raises(SystemExit) as stop:
        run(["fusions", "cross_atention"])
    assert stop.value.code == 1
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.startswith("error: Unknown fusion mechanism 'cross_atention'. Did you mean 'cross_attention'?")
    assert caught.err.count("\n") == 1


def test_wrong_usage_exits_2():
    done = call("compare", "--no-such-option")
    assert done.returncode == 2
    assert "No such option" in done.stderr


def test_the_version_is_told_without_loading_torch(capsys):
    look = "import sys; from interfuse.cli.main import run\ntry: run()\nfinally: print(*sys.modules)"
    command = [sys.executable, "-c", look, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told, modules = done.stdout.splitlines()
    assert told == f"interfuse {version('interfuse')}"
    assert not {"torch", "typer", "polars", "interfuse.cli.app"} & set(modules.split())
    with pytest.raises(SystemExit) as stop:
        run(["--version", "fusions"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip() == told


def test_debug_shows_the_traceback():
    done = call("--debug", "fusions", "nothing")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "none.csv", "--image", "a", "--text", "b", "--label", "c"], "There is no file none.csv"),
        (["compare", "known:xor", "--fusions", "concat:hidden"], "Cannot read 'hidden' in design 'concat:hidden'"),
        (["predict", "nowhere", "rows.csv"], r"holds no finished run \(no run.json\)"),
        (["report", "nowhere"], r"holds no study \(no study.json\)"),
        (["rank", "nowhere", "there"], r"nowhere holds no study \(no study.json\)"),
    ],
)
def test_what_a_user_gets_wrong_is_told(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        run(arguments)
    assert stop.value.code == 1
    assert re.search(message, capsys.readouterr().err)


def test_fusions_lists_every_mechanism_and_shows_one(capsys):
    with pytest.raises(SystemExit):
        run(["fusions"])
    out = capsys.readouterr().out
    assert all(name in out for name in list_fusions())
    with pytest.raises(SystemExit):
        run(["fusions", "concat"])
    shown = capsys.readouterr().out
    assert "fused = W [v; t] + b" in shown
    assert "hidden = 0: Width of a hidden layer" in shown
    assert "https://arxiv.org/abs/1705.09406" in shown


def test_train_then_evaluate_then_predict_from_the_shell(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    common = ["--dim", "16", "--epochs", "2", "--batch-size", "128"]
    with pytest.raises(SystemExit) as stop:
        run(["train", "known:xor", "--fusion", "product", "--out", "run", *common])
    assert stop.value.code == 0
    trained = capsys.readouterr()
    accuracy = re.search(r"test: accuracy ([\d.]+)", trained.out)
    assert accuracy
    with pytest.raises(SystemExit):
        run(["evaluate", "run", "known:xor", "--on", "test", "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 4000
    assert found["accuracy"] == pytest.approx(float(accuracy[1]), abs=1e-4)
    with pytest.raises(SystemExit):
        run(["evaluate", "run", "known:xor", "--on", "test", "--missing", "image=1", "--missing", "text=0.25"])
    caught = capsys.readouterr()
    assert "4,000 rows have no image" in caught.err
    assert "1,000 rows have no text" in caught.err
    assert float(re.search(r"accuracy: ([\d.]+)", caught.out)[1]) < 0.6  # half of xor's answers, whatever is guessed
    for word, message in (
        ("image", "--missing is image=FRACTION"),
        ("image=2", "that go without image is from 0 to 1, got 2"),
        ("sound=0.5", "Unknown modality 'sound'"),
    ):
        with pytest.raises(SystemExit):
            run(["evaluate", "run", "known:xor", "--missing", word])
        assert re.search(message, capsys.readouterr().err)
    with pytest.raises(SystemExit):
        run(["predict", "run", "known:xor", "--out", "predictions.csv"])
    assert pl.read_csv("predictions.csv").columns == ["row", "id", "label", "prob_0", "prob_1"]
    with pytest.raises(SystemExit):
        run(["train", "known:xor", "--fusion", "product", "--out", "run", *common])
    assert "holds this very run already: nothing to train" in capsys.readouterr().err


def test_compare_prints_json_alone_on_stdout_and_a_report_can_be_had_again(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["compare", "known:xor", "--fusions", "product", "--seeds", "1", "--dim", "16", "--epochs", "1"]
    with pytest.raises(SystemExit):
        run([*arguments, "--format", "json"])
    caught = capsys.readouterr()
    rows = json.loads(caught.out)
    assert "Plan: 8 trainings" in caught.err
    with pytest.raises(SystemExit):
        run([*arguments, "--format", "json"])
    again = capsys.readouterr()
    assert json.loads(again.out) == rows
    assert "Every training of this study is already on disk: nothing to train." in again.err
    with pytest.raises(SystemExit):
        run(["report", "study", "--out", "table.md"])
    assert "| product |" in (tmp_path / "table.md").read_text()
    told = capsys.readouterr()
    assert [line for line in told.out.splitlines() if line.startswith("Report: ")] == ["Report: table.md"]
    for name, words in (("table.tex", "product & \\textbf{"), ("table.csv", "product,product,")):
        with pytest.raises(SystemExit):
            run(["report", "study", "--out", name])
        assert words in (tmp_path / name).read_text()
    assert (tmp_path / "study" / "report.html").stat().st_size > 50_000
    with pytest.raises(SystemExit) as stop:
        run(["report", "study", "--out", "table.docx"])
    assert stop.value.code == 1
    assert "A report ends in .html, .md, .csv, .tex, .json, got 'table.docx'" in capsys.readouterr().err


def test_a_log_gets_plain_lines_and_a_terminal_gets_bars(tmp_path):
    with (tmp_path / "log").open("w") as handle:
        console = Console(file=handle, width=200)
        with ConsoleProgress(console) as progress:
            progress.start("train", 10, "steps")
            progress.stages["train"].last_line -= 60
            progress.advance("train", 4, "epoch 1")
            progress.advance("train", 6)
            progress.finish("train")
            progress.say("done")
    lines = (tmp_path / "log").read_text().splitlines()
    assert re.match(r"train: 4 of 10 steps, [\d,]+ steps/s, 0 s left\. epoch 1", lines[0])
    assert re.match(r"train: 10 steps in \d+\.\d s\.", lines[1])
    assert lines[2] == "done"
    with (tmp_path / "bars").open("w") as handle:
        console = Console(file=handle, width=200, force_terminal=True)
        with ConsoleProgress(console) as progress:
            progress.start("train", 10, "steps")
            progress.advance("train", 10, "epoch 1")
    assert "10/10" in (tmp_path / "bars").read_text()


def test_threads_that_wait_do_not_spin_unless_told_to():
    look = "import interfuse.cli, os; print(os.environ['OMP_WAIT_POLICY'])"
    for given, policy in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
        environment |= {"OMP_WAIT_POLICY": given} if given else {}
        done = subprocess.run([sys.executable, "-c", look], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == policy


@pytest.mark.parametrize("command", ["train", "compare"])
def test_every_fix_that_a_finding_names_is_an_option_of_the_command(command, capsys):
    named = {field.name for field in fields(Design)} - {"fusion", "name", "settings"}
    words = set(re.findall(r"[a-z_]+", Path(findings.__file__).read_text()))
    fixes = {f"--{name.replace('_', '-')}" for name in named & words}
    assert fixes > {"--norm", "--clip", "--warmup", "--gate", "--balance", "--unimodal-heads", "--modality-dropout"}
    with pytest.raises(SystemExit):
        run([command, "--help"])
    offered = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert fixes <= offered
    assert {"--contrastive", "--warm-start", "--feature-dropout", "--pool", "--weight-decay", "--batch-size"} <= offered


def test_a_term_on_the_command_line_reaches_the_trained_design(tmp_path):
    with pytest.raises(SystemExit) as stop:
        words = ["--epochs", "1", "--dim", "16", "--gate", "glu", "--clip", "0.5", "--weight-decay", "0.2"]
        run(["train", "known:xor", "--fusion", "product", "--out", str(tmp_path / "run"), *words])
    assert stop.value.code == 0
    design = json.loads((tmp_path / "run" / "run.json").read_text())["design"]
    assert {name: design[name] for name in ("epochs", "dim", "gate", "clip", "weight_decay", "norm")} == {
        "epochs": 1, "dim": 16, "gate": "glu", "clip": 0.5, "weight_decay": 0.2, "norm": "standard"
    }  # fmt: skip
    with pytest.raises(SystemExit) as stop:
        run(["train", "known:xor", "--gate", "glue"])
    assert stop.value.code == 2


def test_each_field_of_a_design_is_an_option_or_set_elsewhere():
    names = {field.name for field in fields(Design)}
    assert names > set(ELSEWHERE)
    assert names - {*ELSEWHERE, "settings"} <= set(inspect.signature(train_command).parameters)


def test_the_package_is_a_command_too(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["interfuse", "fusions", "concat"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("interfuse", run_name="__main__")
    assert stop.value.code == 0
    assert "concat" in capsys.readouterr().out
