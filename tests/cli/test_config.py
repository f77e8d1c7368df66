"""A file of settings for `compare`: what the command line does not say."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interfuse.cli.app import app
from interfuse.core.errors import ConfigError
from interfuse.workflows import Study

FILE = """
data = "known:xor"
fusions = "product"
seeds = 2
epochs = 1
dim = 16
batch_size = 256
balance = "ogm_ge"
ogm_alpha = 0.7
jobs = 1
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.toml").write_text(FILE)


def compare(*words: str, out: str = "study") -> dict:
    done = CliRunner().invoke(app, ["compare", *words, "--out", out], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    with open(f"{out}/study.json", encoding="utf-8") as record:
        return json.load(record)


@pytest.fixture
def asked(monkeypatch):
    """Train nothing: return the settings that each comparison is asked for."""
    requests = []
    monkeypatch.setattr(
        "interfuse.workflows.compare", lambda source, out, settings, progress: requests.append(settings)
    )
    monkeypatch.setattr("interfuse.cli.results.show", lambda study, format: None)
    return requests


def test_a_study_s_own_file_repeats_it_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ("--seeds", "1", "--epochs", "1", "--dim", "16", "--train-rows", "200", "--jobs", "1")
    first = compare("known:xor", "--fusions", "product,concat:hidden=8", *small)
    again = compare("--config", "study/study.toml", out="again")
    assert again["designs"] == first["designs"]
    assert Path("again/study.toml").read_text() == Path("study/study.toml").read_text()
    studies = [Study.open(folder) for folder in ("study", "again")]
    scores = [{design.key: study.run(design.name).info["metrics"] for design in study.designs()} for study in studies]
    assert len(scores[0]) == len(first["designs"])
    assert scores[0] == scores[1]


@pytest.mark.usefixtures("file")
def test_designs_of_the_command_line_stand_in_for_the_file_s(tmp_path, asked):
    (tmp_path / "own.toml").write_text('data = "known:xor"\n[designs.wide]\nfusion = "concat"\nhidden = 8\n')
    call = CliRunner().invoke
    call(app, ["compare", "--config", "study.toml", "--designs", "own.toml"], catch_exceptions=False)
    call(app, ["compare", "--config", "own.toml", "--fusions", "product"], catch_exceptions=False)
    call(app, ["compare", "--config", "own.toml"], catch_exceptions=False)
    chosen = [(settings.fusions, settings.designs) for settings in asked]
    assert chosen == [(None, Path("own.toml")), ("product", None), (None, Path("own.toml"))]


@pytest.mark.usefixtures("file")
def test_fusions_and_designs_in_one_place_are_refused(tmp_path):
    (tmp_path / "both.toml").write_text('data = "known:xor"\nfusions = "product"\ndesigns = "own.toml"\n')
    for words in (["--config", "both.toml"], ["known:xor", "--fusions", "product", "--designs", "own.toml"]):
        done = CliRunner().invoke(app, ["compare", *words])
        assert isinstance(done.exception, ConfigError)
        assert "Give fusions=… or designs=…, not both" in str(done.exception)


@pytest.mark.usefixtures("file")
def test_a_file_gives_what_the_command_line_does_not_say_and_the_command_line_wins():
    record = compare("--config", "study.toml", "--seeds", "1", "--unimodal-heads", "0.5")
    design = next(design for design in record["designs"] if design["fusion"] == "product")
    assert record["seeds"] == [0]
    assert {name: design[name] for name in ("epochs", "dim", "balance", "ogm_alpha", "unimodal_heads")} == {
        "epochs": 1, "dim": 16, "balance": "ogm_ge", "ogm_alpha": 0.7, "unimodal_heads": 0.5
    }  # fmt: skip


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize("line", ["seeds = 0", "folds = 1", 'track = "paper"', 'task = "ranking"'])
def test_a_value_that_no_option_takes_is_wrong_usage(line, tmp_path):
    (tmp_path / "bad.toml").write_text(f'data = "known:xor"\n{line}\n')
    assert CliRunner().invoke(app, ["compare", "--config", "bad.toml"]).exit_code == 2


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("epoch = 3", "Did you mean 'epochs'"),
        ("epochs = ", "bad.toml"),
        ('seeds = "many"', "bad.toml: seeds must be a whole number, got 'many'"),
        ('precision = "half"', "Unknown value of bad.toml: precision: 'half'"),
        ("dim = 1.5", "bad.toml: dim must be a whole number, got 1.5"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(words, message, tmp_path):
    (tmp_path / "bad.toml").write_text(words)
    done = CliRunner().invoke(app, ["compare", "known:xor", "--config", "bad.toml"])
    assert isinstance(done.exception, ConfigError)
    assert message in str(done.exception)
