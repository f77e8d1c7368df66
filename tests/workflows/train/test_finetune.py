"""A run whose encoders learnt too: every use of it opens them as they are now, and nothing else changes."""

import dataclasses
import json
import shutil
import sys

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from interfuse import FusionClassifier
from interfuse.cli.main import run as command
from interfuse.core.errors import ConfigError, DataError, EncoderError
from interfuse.core.files import read_json
from interfuse.core.records import read_table
from interfuse.core.tokens import Tokens
from interfuse.data import open_picture
from interfuse.encoders import load_image_encoder, load_text_encoder
from interfuse.encoders.base import pad
from interfuse.training import FinetuneSettings, finetuning, load_run
from interfuse.workflows import Compute, StreamSettings, evaluate, finetune_run, predict, predict_stream, train_run
from interfuse.workflows.export.export import export_run, open_exported
from interfuse.workflows.serve.responder import Responder
from tests.workflows.export.test_export import make_encoders
from tests.workflows.together import make_design, make_rows, make_source

LAST = FinetuneSettings("last-1", 3e-3, 1e-3, epochs=2)
COMPUTE = Compute("float32")
LOADED = ((load_image_encoder, "see", "image"), (load_text_encoder, "read", "text"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("finetune")
    make_encoders(made)
    make_rows(made)
    return made


@pytest.fixture(scope="module")
def source(folder):
    return make_source(folder)


@pytest.fixture(scope="module")
def finetuned(folder, source):
    return finetune_run(source, folder / "finetuned", make_design(folder, 8), LAST, compute=COMPUTE)


@pytest.fixture(scope="module")
def found(finetuned, source):
    return predict(finetuned, source)


def test_the_frozen_run_stands_beside_and_the_head_starts_from_it(folder, finetuned, source):
    frozen = load_run(folder / "finetuned-frozen")
    assert not frozen.finetuned
    assert "finetune" not in frozen.info
    assert finetuned.info["finetune"]["unfreeze"] == "last-1"
    still = dataclasses.replace(LAST, encoder_learning_rate=1e-12, head_learning_rate=1e-12, epochs=1)
    same = finetune_run(source, folder / "still", folder / "finetuned-frozen", still, compute=COMPUTE)
    for name, value in frozen.network.state_dict().items():
        torch.testing.assert_close(same.network.state_dict()[name], value)
    assert same.info["metrics"]["test"]["accuracy"] == frozen.info["metrics"]["test"]["accuracy"]
    assert finetuned.info["metrics"]["test"]["NLL"] != pytest.approx(frozen.info["metrics"]["test"]["NLL"], abs=1e-4)


def test_only_what_learnt_is_kept_and_the_encoders_names_say_so(folder, finetuned):
    assert set(finetuned.finetuned) == {"image", "text"}
    weights = load_file(finetuned.finetuned["text"])
    assert all(name.startswith("encoder.layer.1.") for name in weights)
    base = load_text_encoder(str(folder / "read"), dtype="float32")
    own = dict(base.network.named_parameters())
    assert any(not own[name].equal(value) for name, value in weights.items())
    signature = finetuned.info["encoders"]["text"]
    assert signature["tuned_from"] == base.signature["weights"] != signature["weights"]
    parameters = sum(value.numel() for path in finetuned.finetuned.values() for value in load_file(path).values())
    assert finetuned.info["parameters"] == load_run(folder / "finetuned-frozen").info["parameters"] + parameters


def test_predictions_are_those_of_the_record_and_the_store_keeps_both_kinds_of_tokens(folder, finetuned, source, found):
    table = pl.from_arrow(read_table(finetuned.folder / "predictions.parquet")).sort("row")
    chosen = [found.rows.index(row) for row in table["row"].to_list()]
    np.testing.assert_allclose(found.probs[chosen], np.array(table["probs"].to_list()), atol=1e-6)
    frozen = load_run(folder / "finetuned-frozen")
    before = pl.from_arrow(read_table(frozen.folder / "predictions.parquet")).sort("row")
    again = predict(frozen, source)
    np.testing.assert_allclose(again.probs[chosen], np.array(before["probs"].to_list()), atol=1e-6)
    forgot = dataclasses.replace(finetuned, finetuned={})
    with pytest.raises(DataError, match=r"trained on image tokens of .*tuned_from"):
        predict(forgot, source)
    metrics = evaluate(finetuned, source, "test")
    assert metrics["accuracy"] == pytest.approx(finetuned.info["metrics"]["test"]["accuracy"])


def test_prediction_in_parts_opens_the_fine_tuned_encoders_too(finetuned, source, found, tmp_path):
    new = dataclasses.replace(source, read=dataclasses.replace(source.read, split=None, label=None))
    predict_stream(finetuned, new, tmp_path / "out.csv", StreamSettings(rows_per_part=20))
    table = pl.read_csv(tmp_path / "out.csv")
    assert table["row"].to_list() == found.rows
    np.testing.assert_allclose(table["prob_yes"].to_numpy(), found.probs[:, 1], atol=1e-5)


def test_serving_and_exporting_whole_give_the_runs_answers(folder, finetuned, source, found, tmp_path):
    rows = pl.read_csv(source.data)
    good = [row for row in found.rows if rows["photo"][row] and rows["caption"][row]][:6]
    pictures, texts = [str(folder / rows["photo"][row]) for row in good], [rows["caption"][row] for row in good]
    wanted = found.probs[[found.rows.index(row) for row in good]]
    answers = Responder(finetuned).answer(list(zip(pictures, texts, strict=True)))
    served = [[answer.probs[name] for name in finetuned.label_names] for answer in answers]
    np.testing.assert_allclose(served, wanted, atol=2e-3)
    done = export_run(finetuned, tmp_path / "whole", "torch", whole=True)
    assert done.largest <= 1e-4
    see, read = (
        load(str(folder / name), dtype="float32", finetuned=finetuned.finetuned[modality])
        for load, name, modality in LOADED
    )
    ids, mask = pad(read.prepare(texts).ids, 0)
    feed = {"pixels": torch.stack([see.prepare(open_picture(path)) for path in pictures]), "picture": torch.arange(6)}
    probs = open_exported(done.file)({**feed, "ids": ids, "ids_mask": mask})
    np.testing.assert_allclose(probs.detach().numpy(), wanted, atol=2e-2)


def test_a_copy_of_the_run_takes_the_weights_along(finetuned, source, found, tmp_path):
    store = str(source.encode.store)
    estimator = FusionClassifier.from_run(finetuned.folder, store=store, image_folder=source.read.image_folder)
    estimator.save(tmp_path / "copy")
    estimator.save_pretrained(tmp_path / "shared")
    assert "fine-tuned: image and text" in (tmp_path / "shared" / "README.md").read_text()
    for name in ("copy", "shared"):
        again = predict(load_run(tmp_path / name), source)
        np.testing.assert_array_equal(again.probs, found.probs)
    (tmp_path / "copy" / "text_encoder.safetensors").unlink()
    with pytest.raises(
        DataError, match=r"the text encoder of this run learnt too, and text_encoder.safetensors is not"
    ):
        load_run(tmp_path / "copy")


def test_weights_of_another_encoder_are_refused(folder, finetuned, tmp_path):
    with pytest.raises(EncoderError, match=r"is not of .*see: it holds encoder\.layer.* which is not there"):
        load_image_encoder(str(folder / "see"), finetuned=finetuned.finetuned["text"])
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    with pytest.raises(EncoderError, match=r"broken.safetensors cannot be read"):
        load_text_encoder(str(folder / "read"), finetuned=tmp_path / "broken.safetensors")


def test_the_same_run_is_not_trained_twice_and_another_does_not_take_its_folder(folder, finetuned, source):
    before = (finetuned.folder / "run.json").stat().st_mtime_ns
    again = finetune_run(source, finetuned.folder, make_design(folder, 8), LAST, compute=COMPUTE)
    assert again.info == finetuned.info
    assert (finetuned.folder / "run.json").stat().st_mtime_ns == before
    other = dataclasses.replace(LAST, epochs=1)
    with pytest.raises(ConfigError, match="is not empty and does not hold this run"):
        finetune_run(source, finetuned.folder, folder / "finetuned-frozen", other, compute=COMPUTE)
    with pytest.raises(ConfigError, match="is not empty and does not hold this run"):
        train_run(source, finetuned.folder, make_design(folder, 8), precision="float32")


class CutError(Exception):
    """Stands for a power cut."""


class Cut:
    """A watcher that cuts the power after some steps of fine-tuning."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def start(self, stage: str, total: int, unit: str) -> None: ...
    def finish(self, stage: str) -> None: ...
    def say(self, message: str) -> None: ...

    def advance(self, stage: str, amount: int = 1, note: str = "") -> None:
        self.left -= amount if stage == "fine-tune" else 0
        if self.left < 0:
            raise CutError


def test_cut_short_it_goes_on_and_ends_with_the_same_bytes(folder, finetuned, source):
    out, start = folder / "cut", folder / "finetuned-frozen"
    with pytest.raises(CutError):
        finetune_run(source, out, start, LAST, compute=COMPUTE, progress=Cut(9))
    assert (out / "checkpoint.safetensors").is_file()
    finetune_run(source, out, start, LAST, compute=COMPUTE)
    names = ("model.safetensors", "image_encoder.safetensors", "text_encoder.safetensors", "predictions.parquet")
    for name in names:
        assert (out / name).read_bytes() == (finetuned.folder / name).read_bytes()
    assert not (out / "checkpoint.safetensors").exists()


@pytest.mark.parametrize("given", [{"task": "regression", "label": "number"}, {"store_dim": 4, "unfreeze": "text"}])
def test_numbers_and_projected_tokens_are_fine_tuned_too(folder, given, tmp_path):
    rows = pl.read_csv(folder / "rows.csv").with_columns(number=pl.col("answer").eq("yes").cast(pl.Float64) * 40 + 100)
    rows.write_csv(folder / "numbers.csv")
    plain = make_source(folder)
    read = dataclasses.replace(plain.read, **{k: v for k, v in given.items() if k in ("task", "label")})
    encode = dataclasses.replace(plain.encode, store_dim=given.get("store_dim"), store=tmp_path / "store")
    source = dataclasses.replace(plain, data=str(folder / "numbers.csv"), read=read, encode=encode)
    design = make_design(folder, 8, store_dim=given.get("store_dim"))
    how = FinetuneSettings(given.get("unfreeze", "both"), 1e-9, 1e-9, epochs=1)
    done = finetune_run(source, tmp_path / "run", design, how, compute=COMPUTE)
    before = predict(load_run(tmp_path / "run-frozen"), source)
    after = predict(done, source)
    scale = 40.0 if given.get("task") else 1.0
    np.testing.assert_allclose(after.probs, before.probs, atol=scale * 0.02)


def test_a_run_on_other_rows_is_no_start(folder, finetuned, source):
    other = dataclasses.replace(source, read=dataclasses.replace(source.read, split=None))
    with pytest.raises(ConfigError, match=r"was trained on other rows, another split or other tokens"):
        finetune_run(other, folder / "none", folder / "finetuned-frozen", LAST, compute=COMPUTE)
    with pytest.raises(ConfigError, match=r"was fine-tuned itself: start_from=… takes a run with frozen encoders"):
        finetune_run(source, folder / "none", finetuned.folder, LAST, compute=COMPUTE)
    known = dataclasses.replace(source, data="known:xor")
    with pytest.raises(ConfigError, match="known-answer task has tokens and no encoders"):
        finetune_run(known, folder / "none", make_design(folder, 8), LAST)
    assert not (folder / "none").exists()


def test_a_modality_that_the_fusion_does_not_see_cannot_learn(folder, source):
    design = dataclasses.replace(make_design(folder, 8, epochs=1), fusion="text_only")
    with pytest.raises(ConfigError, match=r"text_only does not see the image, .* Give unfreeze=text\."):
        finetune_run(source, folder / "control", design, LAST, compute=COMPUTE)
    done = finetune_run(source, folder / "control", design, dataclasses.replace(LAST, unfreeze="text"), compute=COMPUTE)
    assert set(done.finetuned) == {"text"}
    assert "tuned_from" not in done.info["encoders"]["image"]


def test_a_training_that_the_memory_cannot_hold_is_refused_before_it_begins(folder, finetuned, source, monkeypatch):
    monkeypatch.setattr(finetuning, "available_bytes", lambda device: 400_000)
    with pytest.raises(ConfigError, match=r"Fine-tuning needs 0\.\d\d GB and 0\.00 GB are available: .* Fix: "):
        finetune_run(source, folder / "large", folder / "finetuned-frozen", LAST, compute=COMPUTE)
    assert not (folder / "large").exists()


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"unfreeze": "last-0"}, r"image, text, both or last-N .* got 'last-0'"),
        ({"unfreeze": "everything"}, r"got 'everything'"),
        ({"epochs": 0}, r"epochs must be at least 1"),
        ({"accumulate": 0}, r"accumulate must be at least 1"),
        ({"batch_size": 0}, r"batch_size must be at least 1"),
        ({"encoder_learning_rate": 0.0}, r"encoder_learning_rate must be above 0"),
    ],
)
def test_values_that_cannot_work_are_refused(given, match):
    with pytest.raises(ConfigError, match=match):
        FinetuneSettings(**{"unfreeze": "both", **given})


def test_the_command_line_fine_tunes(folder, finetuned, source, capsys):
    words = [f"--{name}={getattr(source.read, name)}" for name in ("image", "text", "label", "split")]
    words += [f"--image-encoder={folder / 'see'}", f"--text-encoder={folder / 'read'}", "--precision=float32"]
    base = ["train", source.data, *words, f"--store={source.encode.store}", f"--out={folder / 'typed'}"]
    start = f"--start-from={folder / 'finetuned-frozen'}"
    with pytest.raises(SystemExit) as usage:
        command([*base, start])
    assert usage.value.code == 2
    assert "--unfreeze" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command([*base, start, "--unfreeze=last-1", "--dim=32"])
    assert "takes the design of that run, whose dim is 16, got 32" in capsys.readouterr().err
    rates = ["--encoder-learning-rate=3e-3", "--head-learning-rate=1e-3", "--finetune-epochs=2"]
    shutil.rmtree(folder / "typed", ignore_errors=True)
    with pytest.raises(SystemExit) as done:
        command([*base, start, "--unfreeze=last-1", *rates])
    assert done.value.code == 0
    assert "accuracy" in capsys.readouterr().out
    record = read_json(folder / "typed" / "run.json")
    assert json.dumps(record["metrics"]) == json.dumps(dict(finetuned.info["metrics"]))


def test_a_text_of_which_only_the_encoder_that_learnt_makes_nan_is_listed_and_the_rest_is_scored(
    folder, source, monkeypatch
):
    """The run is scored without it: its row keeps the picture alone, and a row that had only the text is left out."""

    def load(name, dtype="auto", device="cpu", finetuned=None):
        encoder = load_text_encoder(name, dtype, device, finetuned)
        if finetuned is not None:
            honest = encoder.encode

            def encode(ids):
                tokens, mask = honest(ids)
                return Tokens(tokens.masked_fill((mask.sum(1) == 8).view(-1, 1, 1), torch.nan), mask)

            monkeypatch.setattr(encoder, "encode", encode)
        return encoder

    monkeypatch.setattr(sys.modules["interfuse.workflows.encode.tower"], "load_text_encoder", load)
    source = dataclasses.replace(source, encode=dataclasses.replace(source.encode, store=folder / "store-nan"))
    once = dataclasses.replace(LAST, epochs=1)
    run = finetune_run(source, folder / "nan", make_design(folder, 8), once, compute=COMPUTE)
    troubles = pl.read_csv(folder / "nan" / "quarantine.csv")
    listed = troubles.filter(pl.col("reason").str.contains("the encoder makes NaN or infinity of the text"))
    assert listed.height > 0
    scored = read_table(folder / "nan" / "predictions.parquet").num_rows
    whole = read_table(folder / "nan-frozen" / "predictions.parquet").num_rows
    assert scored == whole - listed.filter(pl.col("consequence").str.contains("left out")).height
    assert np.isfinite(run.info["metrics"]["test"]["NLL"])
