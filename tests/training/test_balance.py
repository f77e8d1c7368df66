"""Training-time methods: their formulas, and that they act on the groups they should and on nothing else."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from interfuse.core.design import make_design
from interfuse.core.modalities import Modalities
from interfuse.data import Features, make_known
from interfuse.fusion import FUSIONS, list_fusions
from interfuse.training import measure, train
from interfuse.training.balance import Losses, blending_weights, modulate, ogm_coefficients, true_class_score
from interfuse.training.distributed.split_batches import Share
from interfuse.training.loop import _accelerator, _Loop
from interfuse.training.network import Network, NetworkOutput

BASE = {"dim": 32, "num_heads": 4, "epochs": 2, "batch_size": 32, "dropout": 0.0}
FUSED = [name for name in list_fusions() if len(FUSIONS.entry(name).build.modalities) == 2]


@pytest.fixture(scope="module")
def features() -> Features:
    return make_known("known:unique_text", rows=(128, 64, 64))


def specs(features: Features):
    rows = features.splits["train"]
    return measure(features.image, features.image_items[rows]), measure(features.text, features.text_items[rows])


def loop(features: Features, fusion: str = "cross_attention", **given) -> _Loop:
    design = make_design(fusion, given, BASE)
    torch.manual_seed(0)
    network = Network(design, *specs(features), classes=len(features.label_names))
    return _Loop(design, 0, features, network, _accelerator("float32", "cpu"), lambda steps, note: None)


def gradients(this: _Loop, features: Features) -> dict[str, torch.Tensor]:
    """The gradients of one step, caught before the optimiser uses them."""
    from interfuse.data.batches import make_batch

    caught = {}
    this.optimiser.step = lambda: caught.update(
        {n: p.grad.clone() for n, p in this._plain().named_parameters() if p.grad is not None}
    )
    this.schedule.step = lambda: None
    this.design = dataclasses.replace(this.design, clip=0.0)
    torch.manual_seed(1)
    this.network.train()
    batch = make_batch(features, features.splits["train"][:32])
    this.step(Share((batch,), (1.0,), 32))
    return caught


def test_the_score_is_the_summed_probability_of_the_truth():
    logits, labels = torch.randn(5, 3, dtype=torch.float64), torch.tensor([0, 2, 1, 1, 0])
    probs = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(1, keepdims=True)
    expected = sum(probs[row, label] for row, label in enumerate(labels.tolist()))
    assert float(true_class_score(logits, labels, "multiclass")) == pytest.approx(expected)
    hot = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    two = torch.tensor([[2.0, -1.0], [0.0, 3.0]])
    on = 1 / (1 + np.exp(-two.numpy()))
    expected = (on[0, 0] + 1 - on[0, 1]) / 2 + (on[1, 0] + on[1, 1]) / 2
    assert float(true_class_score(two, hot, "multilabel")) == pytest.approx(expected, rel=1e-6)


def test_the_modality_ahead_is_held_back_by_one_minus_tanh_of_the_ratio():
    found = ogm_coefficients(torch.tensor(3.0), torch.tensor(2.0), 0.4)
    assert_close(found, torch.tensor([1 - math.tanh(0.4 * 1.5), 1.0]))
    found = ogm_coefficients(torch.tensor(1.0), torch.tensor(4.0), 0.4)
    assert_close(found, torch.tensor([1.0, 1 - math.tanh(0.4 * 4)]))
    assert ogm_coefficients(torch.tensor(2.0), torch.tensor(2.0), 0.4).tolist() == [1.0, 1.0]


def test_modulation_scales_the_gradient_and_adds_noise_of_its_own_deviation():
    torch.manual_seed(0)
    parameter, untouched = torch.nn.Parameter(torch.zeros(200, 300)), torch.nn.Parameter(torch.zeros(2))
    parameter.grad = 5 + 2 * torch.randn(200, 300)
    before = parameter.grad.clone()
    modulate([parameter, untouched], torch.tensor(0.25))
    noise = parameter.grad - 0.25 * before
    assert float(noise.mean()) == pytest.approx(0, abs=0.05)
    assert float(noise.std()) == pytest.approx(2, rel=0.02)
    assert untouched.grad is None


def test_blending_weights_are_gain_over_squared_overfitting():
    before = Losses(train=torch.tensor([1.0, 1.0, 1.0]), validation=torch.tensor([1.2, 1.1, 1.0]))
    after = Losses(train=torch.tensor([0.5, 0.4, 0.9]), validation=torch.tensor([0.9, 1.0, 1.1]))
    gain = [0.3, 0.1, 0.0]  # the last head's validation loss rose
    overfitting = [(0.9 - 0.5) - 0.2, (1.0 - 0.4) - 0.1, 0.2]
    raw = np.array([g / o**2 for g, o in zip(gain, overfitting, strict=True)])
    assert_close(blending_weights(before, after), torch.tensor(raw / raw.sum(), dtype=torch.float32))


def test_blending_weights_stay_finite_without_overfitting_and_equal_without_gain():
    still = Losses(train=torch.ones(3), validation=torch.ones(3))
    assert_close(blending_weights(still, still), torch.full((3,), 1 / 3))
    better = Losses(train=torch.tensor([0.5, 0.9, 1.0]), validation=torch.tensor([0.5, 0.9, 1.0]))
    assert_close(blending_weights(still, better), torch.tensor([5 / 6, 1 / 6, 0.0]))  # gains 0.5, 0.1, 0


def test_the_taught_loss_is_the_fused_loss_and_the_weighted_unimodal_losses(features):
    this = loop(features, unimodal_heads=0.25)
    logits, labels = torch.randn(3, 8, len(features.label_names)), torch.arange(8) % 2
    each = [float(torch.nn.functional.cross_entropy(head, labels)) for head in logits]
    loss, taught = this.loss(NetworkOutput(logits[0], Modalities(*logits[1:])), labels)
    assert float(loss) == pytest.approx(each[0])
    assert float(taught) == pytest.approx(each[0] + 0.25 * (each[1] + each[2]))


def test_ogm_holds_back_every_parameter_of_the_leading_adapter_and_touches_no_other(features, monkeypatch):
    plain = gradients(loop(features), features)
    held = loop(features, balance="ogm_ge")
    with torch.no_grad():  # the text head knows the answer, the image head guesses
        held._plain().unimodal_heads["text"].weight.mul_(50)
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)  # without the noise
    found = gradients(held, features)
    ratios = {name: float((found[name] / grad)[grad != 0].mean()) for name, grad in plain.items() if grad.any()}
    groups = {True: set(), False: set()}
    for name, ratio in ratios.items():
        groups[abs(ratio - 1) > 1e-3].add(name.split(".")[0])
    assert groups[True] in ({"text_adapter"}, {"image_adapter"})
    assert groups[False] == {"image_adapter", "text_adapter", "fusion", "head"} - groups[True]
    leader = next(iter(groups[True]))
    assert len({round(ratio, 4) for name, ratio in ratios.items() if name.startswith(leader)}) == 1
    assert {name for name in plain if name.startswith(leader)} == {n for n in found if n.startswith(leader)}


def test_heads_teach_the_adapters_only_where_they_are_weighted(features):
    plain = gradients(loop(features), features)
    taught = gradients(loop(features, unimodal_heads=1.0), features)
    name = "text_adapter.project.weight"
    assert not torch.allclose(plain[name], taught[name])
    assert_close(plain["fusion.streams.readout.weight"], taught["fusion.streams.readout.weight"])
    assert taught["unimodal_heads.text.weight"].any()


def test_gradient_blending_learns_other_weights_than_thirds(features):
    this = loop(features, balance="gradient_blending")
    assert_close(this.weights, torch.full((3,), 1 / 3))
    this.run()
    assert float(this.weights.sum()) == pytest.approx(1)
    assert float(this.weights.max()) > 0.34


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("method", [{"unimodal_heads": 0.5}, {"balance": "ogm_ge"}, {"balance": "gradient_blending"}])
def test_every_mechanism_trains_with_every_method(features, name, method):
    rows = features.splits["train"][:32]
    few = dataclasses.replace(features, splits={**features.splits, "train": rows})
    design = make_design(name, {**method, "epochs": 1}, {**BASE, "dim": 16, "num_heads": 2})
    trained = train(design, 0, few, specs(features), "float32")
    norms = dict(zip(trained.history[0]["block"], trained.history[0]["gradient_norm"], strict=True))
    assert all(math.isfinite(norm) for norm in norms.values())
    assert norms["unimodal_heads"] > 0
    assert norms["image_adapter"] > 0
    assert norms["text_adapter"] > 0


@pytest.mark.parametrize("method", [{"unimodal_heads": 0.5}, {"balance": "ogm_ge"}])
def test_a_control_has_nothing_to_balance_and_trains_as_before(features, method):
    design = make_design("text_only", {**method, "epochs": 1}, BASE)
    plain = make_design("text_only", {"epochs": 1}, BASE)
    first, second = (train(d, 0, features, specs(features), "float32").network.state_dict() for d in (design, plain))
    assert all(torch.equal(first[name], value) for name, value in second.items())
