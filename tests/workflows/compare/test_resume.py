"""SIGKILL at any moment, the same command again, the same bytes."""

import random
import shutil
import time

import pytest

from interfuse.cli.main import run
from interfuse.core.design import make_design
from interfuse.core.errors import ConfigError
from interfuse.core.files import read_json
from interfuse.workflows import Source, Study, train_run
from tests.patience import PATIENCE_S
from tests.workflows.forked import start_server

COMMON = ["known:xor", "--dim", "32", "--epochs", "4", "--batch-size", "64", "--dropout", "0.2"]
FEW = ["--train-rows", "400"]  # many short trainings: a kill falls between and within them


@pytest.fixture(scope="module")
def start():
    return start_server()


def finish(process) -> None:
    process.join(PATIENCE_S)
    assert process.exitcode == 0


def bytes_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.glob("**/predictions.parquet")}


def wait_for_checkpoint(folder, process) -> None:
    while process.is_alive() and not any(folder.glob("**/checkpoint.safetensors")):
        time.sleep(0.002)


@pytest.mark.parametrize(
    ("command", "kills", "files"),
    [
        (["compare", *COMMON, *FEW, "--fusions", "product", "--seeds", "1", "--format", "json"], 4, 8),
        (["train", *COMMON, "--fusion", "cross_attention", "--epochs", "10", "--batch-size", "200"], 4, 1),
        (["compare", *COMMON, *FEW, "--fusions", "product", "--seeds", "1", "--tune", "1", "--jobs", "2"], 2, 18),
    ],
    ids=["compare", "train", "compare side by side, tuned"],
)
def test_killed_at_random_moments_it_ends_with_the_bytes_of_an_undisturbed_one(start, tmp_path, command, kills, files):
    begun = time.monotonic()
    finish(start(*command, "--out", str(tmp_path / "whole")))
    whole = time.monotonic() - begun
    wanted = bytes_of(tmp_path / "whole")
    assert len(wanted) == files
    draw, done, resumed, rounds = random.Random(0), 0, 0, 0
    out = tmp_path / "cut"
    while (done < kills or not resumed) and rounds < 40:
        rounds += 1
        process = start(*command, "--out", str(out))
        if done < kills:
            time.sleep(draw.uniform(0.1, 0.9) * whole)
        else:  # no moment so far fell within a training that had ended an epoch
            wait_for_checkpoint(out, process)
        process.kill()
        process.join()
        done += process.exitcode == -9
        resumed += any(out.glob("**/checkpoint.safetensors"))
        if process.exitcode == 0:  # it was faster: begin anew
            assert bytes_of(out) == wanted
            shutil.rmtree(out)
    finish(start(*command, "--out", str(out)))
    assert bytes_of(out) == wanted
    assert (done >= kills, resumed > 0) == (True, True)
    assert not [path for path in out.glob("**/*") if path.name.startswith(("checkpoint", "."))]


def test_another_design_does_not_take_over_an_unfinished_run(start, tmp_path):
    command = ["train", *COMMON, "--epochs", "400", "--fusion", "product"]
    process = start(*command, "--out", str(tmp_path))
    wait_for_checkpoint(tmp_path, process)
    process.kill()
    process.join()
    with pytest.raises(ConfigError, match=r"is not empty and does not hold this run\. Give another out=…"):
        train_run(Source("known:xor"), tmp_path, make_design("gmu", {}, {"dim": 32}))
    assert not (tmp_path / "run.json").exists()


def test_files_left_by_a_kill_do_not_stop_a_study_and_are_removed(tmp_path):
    (tmp_path / ".study.json.0123.tmp").write_text("{")
    (tmp_path / ".majority.parquet.0123.tmp").write_text("")
    with pytest.raises(SystemExit) as stop:
        run(["compare", *COMMON, "--epochs", "1", "--fusions", "product", "--seeds", "1", "--out", str(tmp_path)])
    assert stop.value.code in (0, None)
    assert read_json(tmp_path / "study.json")["folds"] == 1
    assert len(Study.open(tmp_path).trials()) == 8
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
