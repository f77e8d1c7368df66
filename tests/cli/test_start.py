"""A command starts at once: help, errors and completion import nothing heavy, and Ctrl-C is one sentence."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from importlib.abc import MetaPathFinder
from typing import Any

import pytest

from interfuse.cli.app import COMMANDS
from interfuse.cli.completions import read_columns
from interfuse.cli.main import run
from interfuse.cli.progress import ConsoleProgress
from interfuse.core.tasks import HEADLINES, METRICS, RELATIVE_MSE, TASKS, find_metric, spell_metrics
from interfuse.data import COLLECTIONS
from interfuse.encoders import PACKAGED_IMAGE, PACKAGED_TEXT, EfficientNetLiteFine
from interfuse.encoders.hub import ALIASES
from interfuse.evaluation import WEIGHTED
from interfuse.fusion import list_fusions
from interfuse.settings import IMAGE_ENCODERS, TEXT_ENCODERS, fusion_names
from interfuse.settings import KINDS as COLLECTION_KINDS

HEAVY = (
    *("PIL", "accelerate", "datasets", "gradio", "jinja2", "jaxtyping", "matplotlib", "numpy", "onnx", "optuna"),
    *("pandas", "polars", "pyarrow", "ray", "safetensors", "scipy", "sklearn", "torch", "transformers"),
)
RARE = ("datasets", "gradio", "matplotlib", "onnx", "optuna", "ray", "scipy.stats", "sklearn", "transformers")
"""What no workflow needs before it is asked for something that does."""
LOOK = """
import contextlib, io, json, sys
def loaded(names): return [name for name in names if name in sys.modules]
heavy, rare, commands, errors = json.loads(sys.argv[1])
import interfuse
dir(interfuse)
answers = {"package": loaded([*heavy, "typer"])}
from interfuse.cli.completions import read_columns
from interfuse.cli.main import run
from interfuse.cli.progress import ConsoleProgress
for words in ([], *([name] for name in commands)):
    page = io.StringIO()
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(page):
        run([*words, "--help"])
    assert "Usage" in page.getvalue(), words
answers["help"] = loaded(heavy)
for words in errors:
    try:
        run(words)
    except SystemExit as stop:
        assert stop.code in (1, 2), words
answers["errors"] = loaded(heavy)
answers["workflows"] = loaded(rare)
print(json.dumps(answers))
"""
ERRORS = (
    ["compare", "known:xor", "--no-such-option"],
    ["compare", "nothing.csv"],
    ["compare", "known:xor", "--fusions", "concta"],
    ["compare", "known:xor", "--metric", "auk"],
    ["compare", "known:xor", "--device", "gpu"],
    ["train", "known:xor", "--fusion", "concta"],
    ["train", "coco:nowhere"],
    ["predict", "no-run", "nothing.csv"],
    ["diagnose", "no-run", "nothing.csv"],
    ["report", "no-study"],
    ["rank", "no-study", "no-other"],
    ["fusions", "concta"],
    ["doctor", "concta"],
)


def names_of_commands() -> list[str]:
    return [module.__name__.rpartition(".")[2] for module in COMMANDS]


def test_help_errors_and_the_package_import_nothing_heavy_and_workflows_nothing_rare(tmp_path):
    words = [sys.executable, "-c", LOOK, json.dumps([HEAVY, RARE, names_of_commands(), ERRORS])]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(done.stdout) == {"package": [], "help": [], "errors": [], "workflows": []}
    assert done.stderr.count("\nerror: ") + done.stderr.startswith("error: ") == len(ERRORS) - 1


def test_names_that_the_command_line_knows_are_those_of_the_library():
    assert list(fusion_names()) == list_fusions()
    assert {task: names[1:] for task, names in METRICS.items() if task != "regression"} == {
        task: tuple(names) for task, names in WEIGHTED.items()
    }
    assert METRICS["regression"] == (HEADLINES["regression"], RELATIVE_MSE)
    assert set(METRICS) == set(TASKS)
    every = {name for names in METRICS.values() for name in names}
    known = {(word, task) for word in spell_metrics() for task in TASKS if find_metric_or_none(word, task)}
    assert {find_metric(word, task) for word, task in known} == every
    assert len(spell_metrics()) == len(every)
    assert {PACKAGED_IMAGE, EfficientNetLiteFine.name, PACKAGED_TEXT, *ALIASES} == {*IMAGE_ENCODERS, *TEXT_ENCODERS}
    assert set(COLLECTION_KINDS) == set(COLLECTIONS)


def find_metric_or_none(word: str, task: str) -> str | None:
    try:
        return find_metric(word, task)
    except ValueError:
        return None


@pytest.fixture
def complete(monkeypatch, capsys):
    """Complete a line as bash asks for it."""

    def answer(line: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["interfuse"])
        monkeypatch.setenv("_INTERFUSE_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        with pytest.raises(SystemExit):
            run()
        return list(filter(None, capsys.readouterr().out.split("\n")))

    return answer


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("interfuse compare --fusions concat,gm", ["concat,gmu"]),
        ("interfuse train --fusion cross_", ["cross_attention"]),
        ("interfuse compare --metric macro", ["macro-f1"]),
        ("interfuse train --image-encoder efficientnet-lite0-", ["efficientnet-lite0-stride16"]),
        ("interfuse train --text-encoder mi", ["minilm"]),
        ("interfuse compare --copies ", ["near", "exact"]),
        ("interfuse doctor gm", ["gmu"]),
        ("interfuse compare rows.csv --image ", ["photo", "the title", "kind"]),
        ("interfuse compare rows.csv --label k", ["kind"]),
        ("interfuse predict run rows.tsv --text t", ["title"]),
        ("interfuse inspect rows.jsonl --split pa", ["part"]),
        ("interfuse compare absent.csv --image p", []),
        ("interfuse compare --image p", []),
    ],
)
def test_the_shell_completes_values(line, values, complete, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text('\ufeffphoto,"the title",kind\r\n1,2,3\r\n', encoding="utf-8")
    (tmp_path / "rows.tsv").write_text("photo\ttitle\n")
    (tmp_path / "rows.jsonl").write_text('{"photo": "a", "part": "test"}\n')
    assert complete(line) == values


def test_a_file_without_a_header_that_can_be_read_has_no_columns(tmp_path):
    contents = {"csv": [b"\xff\xfe,\x00", b""], "jsonl": [b'{"photo": ', b"[1]", b""], "parquet": [b"PAR1"]}
    for ending, several in contents.items():
        for content in several:
            path = tmp_path / f"rows.{ending}"
            path.write_bytes(content)
            assert read_columns(path) == []
    assert read_columns(tmp_path) == []


def interrupt(*_: Any) -> None:
    signal.raise_signal(signal.SIGINT)


def interrupt_inside_an_import(*_: Any) -> None:
    """Turn Ctrl-C into another error, as an extension module does that is half imported."""
    try:
        interrupt()
    except KeyboardInterrupt:
        raise ImportError("initialisation failed") from None


class Interrupting(MetaPathFinder):
    """Presses Ctrl-C where a module is imported."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        if name == "interfuse.cli.results":
            interrupt()


@pytest.mark.parametrize("moment", ["import", "work", "inside an import"])
def test_ctrl_c_is_one_sentence(moment, capsys, monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    if moment == "import":
        monkeypatch.delitem(sys.modules, "interfuse.cli.results", raising=False)
        monkeypatch.delattr(sys.modules["interfuse.cli"], "results", raising=False)
        monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    else:
        work = interrupt if moment == "work" else interrupt_inside_an_import
        monkeypatch.setattr("interfuse.workflows.compare", work)
    with pytest.raises(SystemExit) as stop:
        run(["compare", "known:xor"])
    assert stop.value.code == 130
    assert capsys.readouterr().err == "Stopped. The same command goes on where it stopped.\n"
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_promises_nothing_where_the_command_begins_anew(capsys, monkeypatch):
    monkeypatch.setattr("interfuse.workflows.inspect_source", interrupt)
    with pytest.raises(SystemExit) as stop:
        run(["inspect", "known:xor"])
    assert (stop.value.code, capsys.readouterr().err) == (130, "Stopped.\n")


def test_a_second_ctrl_c_ends_the_command_at_once(capsys, monkeypatch):
    codes = []

    def hold(*_: Any) -> None:
        try:
            interrupt()
        finally:
            interrupt()

    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr("interfuse.workflows.compare", hold)
    with pytest.raises(SystemExit):
        run(["compare", "known:xor"])
    assert codes == [130]


def test_ctrl_c_ends_the_trainings_side_by_side_too(capfd, monkeypatch, tmp_path):
    pressed, advance = [], ConsoleProgress.advance

    def press(progress: ConsoleProgress, stage: str, amount: int = 1, note: str = "") -> None:
        advance(progress, stage, amount, note)
        if not pressed and multiprocessing.active_children():  # a worker has told of its first steps
            pressed.append(multiprocessing.active_children())
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(ConsoleProgress, "advance", press)
    size = ["--train-rows", "200", "--dim", "16", "--epochs", "5000", "--seeds", "1", "--jobs", "2"]
    with pytest.raises(SystemExit) as stop:
        run(["compare", "known:xor", "--fusions", "product", *size, "--out", str(tmp_path / "study")])
    assert stop.value.code == 130
    assert len(pressed[0]) == 2
    assert not multiprocessing.active_children()
    lines = capfd.readouterr().err.splitlines()
    assert lines[-1] == "Stopped. The same command goes on where it stopped."
    assert not [line for line in lines if "Traceback" in line or "Interrupt" in line]
