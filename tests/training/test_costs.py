"""Costs of a network, counted by hand where that is possible."""

import copy
import dataclasses
import gc

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from interfuse.core.design import Design
from interfuse.core.tokens import Tokens
from interfuse.data import eval_batches, make_known
from interfuse.fusion import FUSIONS
from interfuse.training import measure_costs
from interfuse.training.costs import Tally, measure_memory
from interfuse.training.network import Network
from interfuse.training.token_statistics import measure


@pytest.fixture(scope="module")
def features():
    return make_known("known:xor", rows=(96, 8, 8))


def make(features, **settings):
    rows = features.splits["train"]
    specs = [
        measure(table, items[rows])
        for table, items in zip((features.image, features.text), (features.image_items, features.text_items))
    ]
    return Network(
        Design(**{"dim": 16, "num_heads": 4, "dropout": 0.0, "pool": "none", **settings}), *specs, 2, "multiclass"
    )


def test_flops_are_those_of_the_matrix_products(features):
    network = make(features, fusion="concat")
    costs = measure_costs(network, features, features.splits["train"], 8)
    adapters = 2 * 2 * (32 * 16 + 24 * 16)  # two tokens of each modality
    fusion = 2 * 32 * 16  # both means, one linear map
    head = 2 * 16 * 2
    assert costs["flops"] == adapters + fusion + head


def test_a_row_pays_for_its_own_picture_though_others_share_it(features):
    network = make(features, fusion="concat")
    alike = dataclasses.replace(features, image_items=torch.zeros_like(features.image_items))
    first, second = (measure_costs(network, rows, rows.splits["train"], 8)["flops"] for rows in (features, alike))
    assert first == second


@pytest.mark.parametrize(("fusion", "width"), [("text_only", 24), ("image_only", 32)])
def test_a_control_pays_nothing_for_what_it_ignores(features, fusion, width):
    costs = measure_costs(make(features, fusion=fusion), features, features.splits["train"], 8)
    assert costs["flops"] == 2 * (2 * width * 16) + 2 * 16 * 16 + 2 * 16 * 2  # two tokens, the fusion's map, the head


def test_attention_counts_both_its_products_and_its_four_projections(features):
    network = make(features, fusion="merged_attention", num_heads=2, settings={"num_layers": 1})
    costs = measure_costs(network, features, features.splits["train"], 8)
    adapters, tokens, dim = 2 * 2 * (32 * 16 + 24 * 16), 4, 16
    attention = 4 * 2 * tokens * dim * dim + 2 * 2 * tokens * tokens * dim
    forward = 2 * 2 * tokens * dim * 4 * dim
    into, out = 2 * tokens * dim * dim, 2 * 2 * dim * dim  # of each token, and of both modalities' means
    head = 2 * dim * 2
    assert costs["flops"] == adapters + into + attention + forward + out + head


@pytest.mark.parametrize("name", FUSIONS.names())
def test_every_mechanism_has_its_costs_and_they_are_those_of_its_modules(features, name):
    """Counted on the CPU as on the meta device, where torch's counter knows every attention."""
    network = make(features, fusion=name, dim=24, num_heads=2)
    costs = measure_costs(network, features, features.splits["train"], 8)
    assert all(np.isfinite(cost) and cost > 0 for cost in costs.values())
    batch = next(iter(eval_batches(features, features.splits["train"][:64], 64))).to(torch.device("meta"))
    still = copy.deepcopy(network).eval().requires_grad_(False).to("meta")
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        image, text = (
            Tokens(items.tokens[index], items.mask[index])
            for items, index in ((batch.image, batch.image_index), (batch.text, batch.text_index))
        )
        still(image, text)
    assert costs["flops"] == counter.get_total_flops() / 64


def test_a_wider_network_costs_more_and_measuring_changes_nothing(features):
    small, large = (make(features, fusion="merged_attention", dim=dim) for dim in (16, 256))
    before = {name: value.clone() for name, value in large.state_dict().items()}
    cheap, dear = (measure_costs(n, features, features.splits["train"], 64) for n in (small, large))
    assert all(dear[name] > cheap[name] > 0 for name in ("flops", "memory_mb"))  # a time is of a shared machine
    assert all(torch.equal(value, before[name]) for name, value in large.state_dict().items())
    assert all(parameter.grad is None for parameter in large.parameters())


def test_memory_holds_weights_gradients_and_moments_and_grows_with_the_batch(features):
    network = make(features, fusion="merged_attention", dim=64)
    weights = sum(p.nbytes for p in network.parameters())
    one, many = (measure_memory(network, features, features.splits["train"], size) for size in (1, 200))
    assert one > 4 * weights
    assert many > one + 150 * 4 * 64 * 4 * 2  # at least each token's adapted vector, before and after its norm


def test_the_tally_forgets_what_was_freed_and_does_not_count_views():
    with Tally() as tally:
        first = torch.ones(500)
        view = first.view(50, 10).t()
        first.add_(1)
        assert tally.alive == tally.peak == 2000
        del first, view
        gc.collect()
        assert tally.alive == 0
        torch.ones(100)
    assert tally.peak == 2000
