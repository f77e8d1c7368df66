"""Two processes that torchrun started do the work of one: the same losses, each row once, one table of predictions."""

import json
import socket

import numpy as np
import pytest

from interfuse.cli.main import run
from interfuse.core.files import read_json
from tests.patience import PATIENCE_S
from tests.workflows import together
from tests.workflows.export.test_export import make_encoders
from tests.workflows.forked import fork

BATCH = 4
TRAIN = 41  # five steps of eight rows and one of a single row: in it one process has none


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("together")
    make_encoders(made)
    together.make_rows(made, TRAIN)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = fork(together.launch, made, "two", BATCH, port)
    process.join(PATIENCE_S)
    assert process.exitcode == 0
    together.work(made, "one", 2 * BATCH)
    return made


@pytest.fixture(scope="module")
def told(folder):
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in ("one-0", "two-0", "two-1")}


def test_two_processes_were_there(told):
    assert [told[name]["world"] for name in ("one-0", "two-0", "two-1")] == [[0, 1], [0, 2], [1, 2]]


@pytest.mark.parametrize("stage", ["frozen", "finetuned"])
def test_losses_are_those_of_one_process_with_the_doubled_batch(told, stage):
    one = np.array(told["one-0"][stage])
    assert len(one) == 2
    for name in ("two-0", "two-1"):
        np.testing.assert_allclose(np.array(told[name][stage]), one, rtol=1e-4)


def test_each_row_is_seen_once_an_epoch_by_one_of_the_processes(told):
    epochs = len(told["one-0"]["seen"])
    assert epochs == 4  # two frozen, two with the encoders
    for epoch in range(epochs):
        first, second = told["two-0"]["seen"][epoch], told["two-1"]["seen"][epoch]
        assert sorted(first + second) == list(range(TRAIN)) == sorted(told["one-0"]["seen"][epoch])
        assert abs(len(first) - len(second)) <= 1 + TRAIN // (2 * BATCH)


def test_every_process_gets_all_predictions_in_the_rows_order(told):
    one = told["one-0"]
    for name in ("two-0", "two-1"):
        assert told[name]["rows"] == one["rows"] == sorted(one["rows"])
        np.testing.assert_allclose(told[name]["probs"], one["probs"], atol=1e-3)  # the runs differ by rounding
        assert told[name]["metrics"]["rows"] == one["metrics"]["rows"] == 12
    assert told["two-0"]["probs"] == told["two-1"]["probs"]


def test_the_run_of_two_processes_says_so_and_is_not_taken_for_one_processs(folder, capsys):
    assert read_json(folder / "two" / "run.json")["processes"] == 2
    assert "processes" not in read_json(folder / "one" / "run.json")
    source, design = together.make_source(folder, "store-two"), together.make_design(folder, BATCH)
    with pytest.raises(SystemExit):
        run(["train", str(folder / "rows.csv"), *_words(source, design), "--out", str(folder / "two-frozen")])
    assert "is not empty and does not hold this run" in capsys.readouterr().err


def test_commands_that_are_not_shared_are_refused_under_torchrun(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit):
        run(["compare", "known:xor"])
    told = capsys.readouterr().err
    assert "torchrun started 2 processes, and 'compare' is not shared" in told
    assert "compare takes --launcher ray" in told


def _words(source, design):
    read = [f"--{name}={getattr(source.read, name)}" for name in ("image", "text", "label", "split")]
    encode = [f"--image-encoder={design.image_encoder}", f"--text-encoder={design.text_encoder}"]
    terms = ["--dim=16", "--num-heads=2", "--epochs=2", "--dropout=0", f"--batch-size={BATCH}"]
    more = ["--modality-dropout=0.2", "--unimodal-heads=0.5", "--class-weights=balanced", "--precision=float32"]
    return [*read, *encode, *terms, *more, f"--store={source.encode.store}"]
