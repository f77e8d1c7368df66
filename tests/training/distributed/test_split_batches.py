"""Shares of a step: every row in one of them, weights that add up to the whole batch's mean, the same gradients."""

import dataclasses
import math

import pytest
import torch
from torch.testing import assert_close

from interfuse.core.design import make_design
from interfuse.core.errors import ConfigError
from interfuse.core.seeds import generator
from interfuse.data import make_known
from interfuse.training import Network, TrainingOptions, measure
from interfuse.training.distributed.processes import World
from interfuse.training.distributed.split_batches import check_shares, share_epoch
from interfuse.training.loop import train_on

BASE = {"dim": 16, "num_heads": 2, "epochs": 2, "batch_size": 4, "dropout": 0.0, "modality_dropout": 0.3}


@pytest.fixture(scope="module")
def features():
    return make_known("known:xor", rows=(49, 16, 16))


@pytest.mark.parametrize(("size", "accumulate"), [(1, 1), (2, 1), (3, 2), (1, 5)])
def test_every_row_is_in_one_share_and_the_weights_make_the_mean(features, size, accumulate):
    design = make_design("concat", {}, BASE)
    dealt = [
        list(share_epoch(features, design, generator(0, "order"), accumulate, World(rank, size)))
        for rank in range(size)
    ]
    rows = []
    for step in zip(*dealt, strict=True):
        pairs = [pair for share in step for pair in zip(share.batches, share.weights, strict=True)]
        assert sum(weight for _, weight in pairs) / size == pytest.approx(1.0)
        counted = [batch.rows for batch, weight in pairs if weight]
        assert {share.rows for share in step} == {sum(map(len, counted))}
        for batch, weight in pairs:
            assert weight in (0.0, pytest.approx(len(batch.rows) * size / step[0].rows))
        rows += torch.cat(counted).tolist()
    assert sorted(rows) == sorted(features.splits["train"].tolist())
    assert len(dealt[0]) == math.ceil(len(rows) / (4 * size * accumulate))


def test_a_step_has_the_rows_of_one_process_with_the_larger_batch(features):
    small, large = make_design("concat", {}, BASE), make_design("concat", {"batch_size": 16}, BASE)
    parts = [list(share_epoch(features, small, generator(0, "order"), 2, World(rank, 2))) for rank in range(2)]
    whole = share_epoch(features, large, generator(0, "order"), 1, World())
    for first, second, share in zip(*parts, whole, strict=True):
        batches = [batch for each in (first, second) for batch in each.batches]
        images = torch.cat([batch.image.mask.any(1)[batch.image_index] for batch in batches])
        found = dict(zip(torch.cat([b.rows for b in batches]).tolist(), images.tolist(), strict=True))
        only = share.batches[0]
        assert found == dict(zip(only.rows.tolist(), only.image.mask.any(1)[only.image_index].tolist(), strict=True))


@pytest.mark.parametrize("given", [{}, {"unimodal_heads": 0.5}, {"objective": "focal", "class_weights": "balanced"}])
def test_accumulated_batches_teach_what_one_larger_batch_does(features, given):
    rows = features.splits["train"]
    specs = [measure(table, items[rows]) for table, items in _tables(features)]
    trained = []
    for batch, accumulate in ((16, 1), (4, 4)):
        design = make_design("cross_attention", {**given, "batch_size": batch}, BASE)
        torch.manual_seed(0)
        network = Network(design, *specs, classes=2)
        trained.append(train_on(design, 0, features, network, accumulate, TrainingOptions("float32")))
    one, many = trained
    for name, value in one.network.state_dict().items():
        assert_close(many.network.state_dict()[name], value, rtol=1e-3, atol=1e-5)
    assert [row["train_loss"] for row in many.history] == pytest.approx([row["train_loss"] for row in one.history])


def test_methods_that_need_the_whole_batch_are_refused_where_it_is_split():
    plain = make_design("concat", {}, BASE)
    check_shares(plain, 4, World(0, 2))
    contrast = dataclasses.replace(plain, contrastive=0.5)
    check_shares(contrast, 1, World())
    with pytest.raises(ConfigError, match=r"contrastive compares .* accumulate=2 and 1 processes .* Fix: one process"):
        check_shares(contrast, 2, World())
    with pytest.raises(ConfigError, match=r"ogm_ge draws noise .* accumulate=1 and 2 processes .*gradient_blending"):
        check_shares(dataclasses.replace(plain, balance="ogm_ge"), 1, World(0, 2))


def _tables(features):
    return (features.image, features.image_items), (features.text, features.text_items)
