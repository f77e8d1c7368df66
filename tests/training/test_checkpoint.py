"""A training cut short goes on from its last epoch and ends with the same bytes."""

import json

import pytest
import torch
from safetensors import safe_open

from interfuse.core.design import make_design
from interfuse.data import make_known
from interfuse.training import Checkpoint, measure, predict_probs, train

BASE = {"dim": 32, "num_heads": 4, "epochs": 4, "batch_size": 32, "dropout": 0.2}
DESIGNS = {
    "product": {"modality_dropout": 0.3},
    "cross_attention": {"unimodal_heads": 0.5, "balance": "ogm_ge"},
    "gmu": {"balance": "gradient_blending", "warmup": 0.5},
    "late_product": {"clip": 0},
}


class CutError(Exception):
    """Stands for a power cut."""


@pytest.fixture(scope="module")
def features():
    return make_known("known:xor", rows=(256, 64, 64))


def run(features, fusion, checkpoint=None, on_step=None):
    rows = features.splits["train"]
    specs = (
        measure(features.image, features.image_items[rows]),
        measure(features.text, features.text_items[rows]),
    )
    design = make_design(fusion, DESIGNS[fusion], BASE)
    return train(design, 3, features, specs, "float32", on_step, checkpoint=checkpoint)


def cut_after(steps):
    done = 0

    def on_step(more, note):
        nonlocal done
        done += more
        if done >= steps:
            raise CutError

    return on_step


@pytest.mark.parametrize("fusion", DESIGNS)
@pytest.mark.parametrize("steps", [3, 11, 17, 26, 32])
def test_wherever_it_was_cut_it_ends_with_the_same_bytes(features, fusion, steps, tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", {"a": 1}, share=1e9)
    with pytest.raises(CutError):
        run(features, fusion, checkpoint, cut_after(steps))
    assert checkpoint.matches() == (steps > 8)
    torch.rand(steps)  # the stream outside must not matter
    whole, again = run(features, fusion), run(features, fusion, checkpoint)
    state = whole.network.state_dict()
    assert all(state[name].equal(value) for name, value in again.network.state_dict().items())
    assert whole.best_epoch == again.best_epoch
    drop_time = [[{**row, "seconds": 0} for row in one.history] for one in (whole, again)]
    assert drop_time[0] == drop_time[1]
    rows = features.splits["test"]
    assert predict_probs(whole.network, features, rows).equal(predict_probs(again.network, features, rows))


def test_what_was_done_is_told_as_done(features, tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", {}, share=1e9)
    with pytest.raises(CutError):
        run(features, "product", checkpoint, cut_after(20))
    told = []
    run(features, "product", checkpoint, lambda steps, note: told.append((steps, note)))
    assert told[0] == (16, "goes on after epoch 2")
    assert sum(steps for steps, _ in told) == 32


def test_it_is_one_safetensors_file_with_a_json_header(features, tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", {"seed": 3})
    run(features, "product", checkpoint)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    with safe_open(checkpoint.path, "pt") as file:
        header = json.loads(file.metadata()["interfuse"])
        names = set(file.keys())
    assert header["identity"] == {"seed": 3}
    assert header["state"]["kept"]["history"][0]["epoch"] == 1
    assert {"random.order", "random.global", "network.head.1.weight", "best.head.1.weight"} <= names
    checkpoint.remove()
    assert list(tmp_path.iterdir()) == []


def test_writing_takes_a_small_share_of_the_time(tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", {}, share=1e-6)
    assert checkpoint.due()
    checkpoint.write({"a": torch.ones(1)}, {})
    assert not checkpoint.due()


@pytest.mark.parametrize("spoil", ["identity", "torn", "empty", "plain"])
def test_a_checkpoint_of_another_training_or_a_broken_one_is_not_used(spoil, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    checkpoint = Checkpoint(path, {"seed": 1, "fold": 0})
    checkpoint.write({"a": torch.arange(100)}, {"steps": 5})
    tensors, state = checkpoint.read()
    assert tensors["a"].equal(torch.arange(100))
    assert state == {"steps": 5}
    if spoil == "identity":
        checkpoint = Checkpoint(path, {"seed": 2, "fold": 0})
    else:
        path.write_bytes({"torn": path.read_bytes()[:-20], "empty": b"", "plain": b"not a checkpoint"}[spoil])
    assert checkpoint.read() is None
