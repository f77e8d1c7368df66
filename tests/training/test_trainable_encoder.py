"""Encoders that learn: which of their parameters do, at which rate, and what stays as it was."""

import pytest
import torch
from PIL import Image
from torch import nn

from interfuse.core.design import make_design
from interfuse.core.errors import ConfigError
from interfuse.core.tokens import Tokens
from interfuse.encoders import load_image_encoder, load_text_encoder
from interfuse.training import ModalitySpec, Network
from interfuse.training.optimiser import make_optimiser
from interfuse.training.trainable_encoder import TrainableEncoder, checkpoint_blocks, find_blocks, unfreeze
from interfuse.workflows.train.encoder_inputs import PictureTable, TextTable
from tests.workflows.export.test_export import make_encoders


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return make_encoders(tmp_path_factory.mktemp("towers"))


@pytest.fixture
def seeing(folders):
    encoder = load_image_encoder(str(folders[0]), dtype="float32")
    pictures = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue", "white")]
    return TrainableEncoder(encoder, 1e-3), PictureTable(encoder, [lambda p=picture: p for picture in pictures])


@pytest.fixture
def reading(folders):
    encoder = load_text_encoder(str(folders[1]), dtype="float32")
    return TrainableEncoder(encoder, 1e-4), TextTable(encoder, {"a": "a red square?", "b": "blue"})


def learning(tower):
    return {name for name, parameter in tower.network.named_parameters() if parameter.requires_grad}


def test_a_tower_gives_the_tokens_of_its_encoder(seeing, reading):
    tower, table = seeing
    found = tower(table.gather(torch.tensor([2, -1, 0])))
    pixels = torch.stack([tower.encoder.prepare(table.openers[item]()) for item in (2, 0)])
    torch.testing.assert_close(found.tokens[[0, 2]], tower.encoder.encode(pixels))
    assert found.mask.any(1).tolist() == [True, False, True]
    tower, table = reading
    found = tower(table.gather(torch.tensor([1, 0, -1])))
    wanted = tower.encoder.encode([table.ids[1], table.ids[0]])
    torch.testing.assert_close(found.tokens[:2][wanted.mask], wanted.tokens[wanted.mask])
    assert found.mask[:2].equal(wanted.mask)
    assert not found.mask[2].any()
    assert table.lengths(torch.tensor([1, -1])).tolist() == [len(table.ids[1]), 0]


def test_the_last_blocks_learn_and_nothing_before_them(reading, seeing):
    tower, table = reading
    unfreeze(tower, 1, table.gather(torch.tensor([0, 1])))
    assert {name.split(".")[2] for name in learning(tower)} == {"1"}
    assert all(name.startswith("encoder.layer.1.") for name in learning(tower))  # the pooler runs after, and is unused
    tower, table = seeing
    unfreeze(tower, 1, table.gather(torch.tensor([0, 1])))
    assert {name.split(".")[:3][2] for name in learning(tower)} == {"1"}


def test_what_runs_after_the_last_block_learns_too(tmp_path):
    from tests.encoders.test_hub import save_vit

    encoder = load_image_encoder(str(save_vit(tmp_path / "vit")), dtype="float32")
    tower, table = TrainableEncoder(encoder, 1e-3), PictureTable(encoder, [lambda: Image.new("RGB", (9, 9))])
    unfreeze(tower, 1, table.gather(torch.tensor([0])))
    assert {"layernorm.weight", "layernorm.bias"} < learning(tower)
    assert not any(name.startswith("embeddings") for name in learning(tower))


def test_all_that_tokens_depend_on_learns_and_what_they_do_not_stays_frozen(reading):
    tower, table = reading
    unfreeze(tower, None, table.gather(torch.tensor([0, 1])))
    every = {name for name, _ in tower.network.named_parameters()}
    assert every - learning(tower) == {"pooler.dense.weight", "pooler.dense.bias"}
    assert all(parameter.grad is None for parameter in tower.parameters())


def test_more_blocks_than_there_are_is_told_with_their_number(reading):
    tower, table = reading
    assert len(find_blocks(tower.network)) == 2
    with pytest.raises(ConfigError, match=r"last-3: .* has 2 blocks\. Give last-1 to last-2, or both\."):
        unfreeze(tower, 3, table.gather(torch.tensor([0])))


def test_batch_norm_statistics_and_dropout_of_the_encoder_stay_as_they_are(seeing):
    tower, table = seeing
    unfreeze(tower, None, table.gather(torch.tensor([0, 1])))
    network = Network(make_design("concat", {}, {"dim": 8}), *_specs(tower.encoder), classes=2)
    network.towers["image"] = tower
    before = {name: value.clone() for name, value in tower.network.named_buffers()}
    assert any(name.endswith("running_mean") for name in before)
    network.train()
    assert network.training
    assert not any(module.training for module in tower.modules())
    tower(table.gather(torch.tensor([0, 1, 2]))).tokens.sum().backward()
    assert all(before[name].equal(value) for name, value in tower.network.named_buffers())


def test_a_missing_item_gives_finite_gradients_of_zero(seeing, reading):
    for tower, table in (seeing, reading):
        unfreeze(tower, None, table.gather(torch.tensor([0, 1])))
        found = tower(table.gather(torch.tensor([-1, -1])))
        found.tokens.where(found.mask.unsqueeze(-1), torch.zeros(())).sum().backward()
        grads = [parameter.grad for parameter in tower.parameters() if parameter.requires_grad]
        assert all(grad is not None and grad.eq(0).all() for grad in grads)


def test_activations_computed_again_give_the_same_gradients(reading):
    tower, table = reading
    raw = table.gather(torch.tensor([0, 1]))
    unfreeze(tower, None, raw)
    grads, kept = [], []
    for again in (False, True):
        undo = checkpoint_blocks(tower) if again else lambda: None
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept[-1].append(t.nbytes) or t, lambda t: t):
            kept.append([])
            loss = tower(raw).tokens.square().sum()
        loss.backward()
        grads.append([p.grad.clone() for p in tower.parameters() if p.requires_grad])
        tower.zero_grad()
        undo()
    for one, two in zip(*grads, strict=True):
        torch.testing.assert_close(one, two)
    assert sum(kept[1]) < sum(kept[0]) / 2
    assert all("forward" not in block.__dict__ for block in find_blocks(tower.network))


def test_each_encoder_has_its_own_rate_and_decay_goes_by_the_kind_of_module(seeing, reading):
    design = make_design("concat", {"learning_rate": 0.5, "weight_decay": 0.1}, {"dim": 8})
    network = Network(design, *_specs(seeing[0].encoder, reading[0].encoder), classes=2)
    for (tower, table), name in ((seeing, "image"), (reading, "text")):
        unfreeze(tower, None, table.gather(torch.tensor([0, 1])))
        network.towers[name] = tower
    optimiser = make_optimiser(network, design)
    rate = {id(p): (group["lr"], group["weight_decay"]) for group in optimiser.param_groups for p in group["params"]}
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                decayed = isinstance(module, nn.Linear | nn.Conv2d) and name == "weight"
                assert rate.pop(id(parameter))[1] == (0.1 if decayed else 0.0)
    assert not rate
    assert {group["lr"] for group in optimiser.param_groups} == {0.5, 1e-3, 1e-4}


def _specs(image, text=None):
    widths = (image.dim, getattr(image, "grid", None)), (text.dim if text else 5, None)
    return [ModalitySpec(dim, grid, torch.zeros(dim), torch.ones(dim)) for dim, grid in widths]


def test_a_network_without_towers_takes_tokens(seeing):
    network = Network(make_design("concat", {}, {"dim": 8}), *_specs(seeing[0].encoder), classes=2).eval()
    mask = torch.ones(2, 3, dtype=torch.bool)
    assert network(Tokens(torch.randn(2, 3, 12), mask), Tokens(torch.randn(2, 3, 5), mask)).logits.shape == (2, 2)
    assert not any(name.startswith("towers") for name in network.state_dict())
