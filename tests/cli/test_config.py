"""A file of settings for `compare`: what the command line does not say."""

import json

import pytest
from typer.testing import CliRunner

from interfuse.cli.app import app
from interfuse.core.errors import ConfigError

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


def compare(*words: str) -> dict:
    done = CliRunner().invoke(app, ["compare", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    with open("study/study.json", encoding="utf-8") as record:
        return json.load(record)


@pytest.mark.usefixtures("file")
def test_a_file_gives_what_the_command_line_does_not_say_and_the_command_line_wins():
    record = compare("--config", "study.toml", "--seeds", "1", "--unimodal-heads", "0.5")
    design = next(design for design in record["designs"] if design["fusion"] == "product")
    assert record["seeds"] == [0]
    assert {name: design[name] for name in ("epochs", "dim", "balance", "ogm_alpha", "unimodal_heads")} == {
        "epochs": 1, "dim": 16, "balance": "ogm_ge", "ogm_alpha": 0.7, "unimodal_heads": 0.5
    }  # fmt: skip


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize(
    ("line", "code"), [("seeds = 0", 2), ('seeds = "many"', 2), ('precision = "half"', 2), ("dim = 1.5", 2)]
)
def test_a_value_that_no_option_takes_is_wrong_usage(line, code, tmp_path):
    (tmp_path / "bad.toml").write_text(f'data = "known:xor"\n{line}\n')
    assert CliRunner().invoke(app, ["compare", "--config", "bad.toml"]).exit_code == code


@pytest.mark.usefixtures("file")
@pytest.mark.parametrize(
    ("words", "message"),
    [("epoch = 3", "Did you mean 'epochs'"), ("epochs = ", "bad.toml")],
)
def test_a_file_that_cannot_be_read_is_told(words, message, tmp_path):
    (tmp_path / "bad.toml").write_text(words)
    done = CliRunner().invoke(app, ["compare", "known:xor", "--config", "bad.toml"])
    assert isinstance(done.exception, ConfigError)
    assert message in str(done.exception)
