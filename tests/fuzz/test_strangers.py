"""What a stranger's file may ask for, and what a damaged one may answer: nothing, and nothing."""

import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from interfuse.core.errors import DataError, EncoderError
from interfuse.core.files import read_json, write_json
from interfuse.core.processes import is_running
from interfuse.core.records import read_table
from interfuse.core.weights import load_tensors
from interfuse.data import SourceSettings
from interfuse.encoders import check_is_here
from interfuse.encoders.hub import FETCH, check_config
from interfuse.estimator import FusionClassifier
from interfuse.training import load_run
from interfuse.workflows import EncoderSettings, Source, Study
from interfuse.workflows.export.export import remove_leftovers
from interfuse.workflows.predict.predict import answer_rows, source_of
from tests.fuzz.mutations import SETTINGS
from tests.fuzz.targets import known_features, write_sound

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    write_sound(folder)
    return folder


@pytest.fixture
def shop(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "files")
    return tmp_path / "files"


def change(path: Path, **entries) -> None:
    write_json(path, {**read_json(path), **entries})


def test_a_run_decides_columns_and_encoders_and_no_other_setting(shop):
    record = read_json(shop / "shop" / "run.json")
    columns, encoders = {**record["columns"], **SETTINGS}, {**record["encoder_settings"], **SETTINGS}
    change(shop / "shop" / "run.json", columns=columns, encoder_settings=encoders, made_split=SETTINGS)
    own = Source(str(shop / "rows.csv"), SourceSettings(), EncoderSettings(store=shop / "store"))
    source = source_of(load_run(shop / "shop"), own)
    assert source.read == SourceSettings(image="photo", text="title", label="kind")
    assert source.encode == EncoderSettings(store=shop / "store")


def test_an_estimator_brings_no_folder(shop):
    record = read_json(shop / "shop" / "estimator.json")
    record["params"] |= {"store": "/tmp/elsewhere", "image_folder": "/etc", "progress": "x"}
    write_json(shop / "shop" / "estimator.json", record)
    loaded = FusionClassifier.load(shop / "shop")
    assert (loaded.store, loaded.image_folder, loaded.progress) == (None, None, None)
    assert FusionClassifier.load(shop / "shop", store="mine").store == "mine"


def test_an_encoder_that_a_run_names_is_fetched_only_with_the_users_word(shop, monkeypatch):
    settings = read_json(shop / "shop" / "run.json")["encoder_settings"]
    change(shop / "shop" / "run.json", encoder_settings={**settings, "text_encoder": "evil/model"})
    monkeypatch.delenv(FETCH, raising=False)
    with pytest.raises(EncoderError, match=r"names the encoder 'evil/model'.*set INTERFUSE_FETCH=1"):
        source_of(load_run(shop / "shop"), Source(str(shop / "rows.csv")))
    monkeypatch.setenv(FETCH, "1")
    source_of(load_run(shop / "shop"), Source(str(shop / "rows.csv")))
    check_is_here("minilm")


@pytest.mark.parametrize(
    "entry",
    [
        {"attn_implementation": "evil/kernel"},
        {"text_config": {"_attn_implementation_internal": "evil/kernel"}},
        {"use_kernels": True},
    ],
)
def test_a_config_that_names_code_elsewhere_is_refused(tmp_path, entry):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", **entry}))
    with pytest.raises(EncoderError, match="may be code of another place and is never run"):
        check_config("model", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "attn_implementation": "sdpa"}))
    check_config("model", tmp_path)


@pytest.mark.parametrize(
    "setting",
    [{"encoder_layers": 10**6}, {"dim": 10**6}, {"settings": {"num_layers": 10**6}}, {"encoder_layers": 2}],
    ids=str,
)
def test_a_record_that_asks_for_more_than_its_weights_is_refused_before_it_is_made(shop, setting):
    path = shop / "known" / "run.json"
    change(path, design={**read_json(path)["design"], **setting})
    with pytest.raises(DataError, match="of another run|not of one run"):
        load_run(shop / "known")


@pytest.mark.parametrize(
    "entry",
    [
        *(
            {name: value}
            for name, value in (("task", "x"), ("task", None), ("label_names", "yes"), ("label_names", []))
        ),
        *({"design": value} for value in (None, [], {"fusion": 3}, {"fusion": "concat", "dim": "wide"})),
        *({"inputs": value} for value in ({}, {"image": {"dim": -1, "grid": None}})),
        *({"columns": value} for value in ("image", {"image": ["a"]})),
        *({name: []} for name in ("encoder_settings", "trained_on_missing", "metrics", "seed", "format")),
    ],
    ids=str,
)
def test_an_entry_of_another_kind_is_told(shop, entry):
    change(shop / "known" / "run.json", **entry)
    with pytest.raises(DataError, match=r"must be|is not 1|cannot be opened as a run|does not say"):
        load_run(shop / "known")


@pytest.mark.parametrize("name", ["design", "inputs", "task", "label_names", "encoder_settings"])
def test_an_entry_that_is_missing_is_told(shop, name):
    path = shop / "known" / "run.json"
    write_json(path, {key: value for key, value in read_json(path).items() if key != name})
    with pytest.raises(DataError, match=f"does not say '{name}'"):
        source_of(load_run(shop / "known"), Source("known:additive"))


@pytest.mark.parametrize(
    "entry",
    [{"seeds": []}, {"seeds": 3}, {"designs": []}, {"folds": 10**9}, {"added": {"product": 10**9}}, {"baseline": "x"}],
    ids=str,
)
def test_a_study_of_another_kind_is_told(shop, entry):
    change(shop / "study" / "study.json", **entry)
    with pytest.raises(DataError, match=r"study\.json"):
        Study.open(shop / "study")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_answer_nothing(shop, value):
    path = shop / "known" / "model.safetensors"
    weights = load_file(path)
    save_file({name: torch.full_like(tensor, value) for name, tensor in weights.items()}, path)
    with pytest.raises(DataError, match="holds NaN or infinite numbers"):
        load_run(shop / "known")
    save_file({name: torch.full_like(tensor, 3e38) for name, tensor in weights.items()}, path)
    with pytest.raises(DataError, match="answers NaN or infinite numbers to 8 of 8 rows"):
        answer_rows(load_run(shop / "known"), known_features(), torch.arange(8))


@pytest.mark.parametrize(
    ("file", "read"),
    [
        ("known/model.safetensors", load_tensors),
        ("known/run.json", read_json),
        ("study/study.json", read_json),
        ("study/runs/product/0/predictions.parquet", read_table),
        ("study/majority.parquet", read_table),
    ],
)
def test_a_flipped_bit_is_an_error_and_never_another_answer(shop, file, read):
    whole, draw = (shop / file).read_bytes(), random.Random(0)
    before = read(shop / file)
    errors = 0
    for _ in range(60):
        changed = bytearray(whole)
        place = draw.randrange(len(changed))
        changed[place] ^= 1 << draw.randrange(8)
        (shop / file).write_bytes(changed)
        try:
            after = read(shop / file)
        except DataError:
            errors += 1
            continue
        assert str(after) == str(before) or _only_padding(file, whole, bytes(changed))
    assert errors >= 50


def _only_padding(file: str, whole: bytes, changed: bytes) -> bool:
    """Whether a change struck the name of the checksum itself, so that nothing was checked and all else is whole."""
    return file.endswith(".json") and b'"checksum"' in whole and b'"checksum"' not in changed


def test_files_are_for_whoever_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        write_sound(tmp_path)
    finally:
        os.umask(before)
    modes = {stat.S_IMODE((tmp_path / "known" / name).stat().st_mode) for name in ("model.safetensors", "run.json")}
    assert modes == {0o640}


def test_an_export_sweeps_what_a_killed_one_left(shop):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    left, other = shop / f".out.{dead.stdout.strip()}.0123.tmp", shop / f".out.{os.getpid()}.4567.tmp"
    for folder in (left, other):
        folder.mkdir()
        (folder / "model.pt2").write_text("x")
    remove_leftovers(shop / "out")
    assert not left.exists()
    assert other.exists()  # whoever writes it is alive


WORKER = """
import sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from interfuse.core.processes import Lifeline, begin_worker
if __name__ == "__main__":
    spawn = get_context("spawn")
    pool = ProcessPoolExecutor(2, mp_context=spawn, initializer=begin_worker, initargs=(Lifeline(), print))
    for _ in range(2):
        pool.submit(time.sleep, 60)
    while len(pool._processes) < 2:
        time.sleep(0.01)
    print(*pool._processes, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread of the worker watches, once it has begun")
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    (tmp_path / "start.py").write_text(WORKER)
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "start.py")], stdout=subprocess.PIPE, text=True, env={**os.environ, **paths}
    )
    assert parent.stdout is not None
    workers = [int(number) for number in parent.stdout.readline().split()]
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    patience = time.monotonic() + 60
    while any(map(_lives, workers)) and time.monotonic() < patience:
        time.sleep(0.05)
    assert len(workers) == 2
    assert not any(map(_lives, workers))


def _lives(number: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        state = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return is_running(number) and state != "Z"


def test_a_slice_of_the_fuzzer_finds_nothing():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.fuzz", "--cases", "80"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert done.stdout.startswith("80 cases in ")
