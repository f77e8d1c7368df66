"""Diagnosis reads rows as every other command does."""

import inspect

import polars as pl
import pytest

from interfuse.cli.diagnose import diagnose_command
from interfuse.cli.evaluate import evaluate_command
from interfuse.cli.main import run as command_line
from interfuse.core.files import read_json
from tests.workflows.export.test_export import make_encoders
from tests.workflows.together import make_rows


def test_it_takes_every_option_of_rows_that_evaluate_takes():
    own = {"missing", "quarantine"}
    asked, given = (set(inspect.signature(f).parameters) for f in (evaluate_command, diagnose_command))
    assert asked - own <= given


def test_captions_in_another_file_are_joined(tmp_path):
    make_encoders(tmp_path)
    table = pl.read_csv(make_rows(tmp_path)).with_columns(key=pl.int_range(pl.len()))
    table.drop("caption").write_csv(tmp_path / "rows.csv")
    table.select("key", "caption").write_csv(tmp_path / "captions.csv")
    rows = [str(tmp_path / "rows.csv"), "--image", "photo", "--text", "caption", "--label", "answer", "--split", "part"]
    rows += ["--join", f"{tmp_path / 'captions.csv'}:key", "--store", str(tmp_path / "store")]
    encoders = ["--image-encoder", str(tmp_path / "see"), "--text-encoder", str(tmp_path / "read")]
    small = ["--dim", "16", "--num-heads", "2", "--epochs", "1"]
    run = tmp_path / "run"
    for command in (["train", *rows, *encoders, *small, "--out", str(run)], ["diagnose", str(run), *rows]):
        with pytest.raises(SystemExit) as stop:
            command_line(command)
        assert stop.value.code in (0, None)
    assert read_json(run / "diagnosis.json")["measures"]
