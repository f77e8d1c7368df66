"""Costs of a network, counted by hand where that is possible."""

import gc

import pytest
import torch

from interfuse.core.design import Design
from interfuse.data import make_known
from interfuse.training import measure_costs
from interfuse.training.costs import Tally, measure_memory
from interfuse.training.network import Network
from interfuse.training.statistics import measure


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


def test_a_wider_network_costs_more_of_everything_and_measuring_changes_nothing(features):
    small, large = (make(features, fusion="merged_attention", dim=dim) for dim in (16, 256))
    before = {name: value.clone() for name, value in large.state_dict().items()}
    cheap, dear = (measure_costs(n, features, features.splits["train"], 64) for n in (small, large))
    assert all(dear[name] > cheap[name] > 0 for name in ("flops", "latency_ms", "memory_mb"))
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
