"""In-batch contrastive training: the loss against a slow loop, what is no negative, what it is for."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close
from transformers.models.clip.modeling_clip import image_text_contrastive_loss

from interfuse.core.design import make_design
from interfuse.core.errors import ConfigError
from interfuse.core.tokens import MemoryTable
from interfuse.data import Features
from interfuse.training import measure, train
from interfuse.training.contrastive import Contrast
from interfuse.training.network import Network

PAIRS, DIM, POINT = 6, 8, 6


def slow_loss(image, text, pictures, texts, scale):
    """The loss by loops over pairs, in plain Python."""
    total, count = 0.0, len(image)
    cosines = [
        [scale * sum(a * b for a, b in zip(v, t, strict=True)) / math.hypot(*v) / math.hypot(*t) for t in text]
        for v in image
    ]
    for i in range(count):
        allowed = [j for j in range(count) if j == i or (pictures[j] != pictures[i] and texts[j] != texts[i])]
        for row in ([cosines[i][j] for j in allowed], [cosines[j][i] for j in allowed]):
            total += math.log(sum(math.exp(value) for value in row)) - cosines[i][i]
    return total / 2 / count


def test_the_loss_equals_a_slow_loop_and_leaves_out_equal_pictures_and_texts():
    draw = torch.Generator().manual_seed(0)
    image, text = (torch.randn(PAIRS, DIM, generator=draw) for _ in range(2))
    pictures, texts = torch.tensor([0, 1, 1, 2, 3, 4]), torch.tensor([0, 1, 2, 3, 3, 4])
    wanted = slow_loss(image.tolist(), text.tolist(), pictures.tolist(), texts.tolist(), 20.0)
    assert_close(Contrast()(image, text, pictures, texts).item(), wanted, atol=1e-5, rtol=1e-5)
    plain = slow_loss(image.tolist(), text.tolist(), list(range(PAIRS)), list(range(PAIRS)), 20.0)
    cosines = F.normalize(image, dim=1) @ F.normalize(text, dim=1).T
    assert_close(image_text_contrastive_loss(20 * cosines).item(), plain, atol=1e-5, rtol=1e-5)
    assert abs(wanted - plain) > 1e-3


def test_fewer_than_two_pairs_have_no_loss_but_a_gradient_of_zero():
    contrast, one = Contrast(), torch.randn(1, DIM, requires_grad=True)
    loss = contrast(one, torch.randn(1, DIM), torch.tensor([0]), torch.tensor([0]))
    loss.backward()
    assert loss.item() == 0
    assert one.grad is not None
    assert not one.grad.any()


def make_pairs(rows: int = 600) -> Features:
    """Pictures and texts that fit where both show the same hidden point; only then is the label 1."""
    draw = torch.Generator().manual_seed(1)
    point, other = torch.randn(2, rows, POINT, generator=draw)
    fits = torch.rand(rows, generator=draw) < 0.5
    seen, read = torch.randn(POINT, 12, generator=draw), torch.randn(POINT, 10, generator=draw)
    image = point @ seen + 0.1 * torch.randn(rows, 12, generator=draw)
    text = point.where(fits.unsqueeze(1), other) @ read + 0.1 * torch.randn(rows, 10, generator=draw)
    items = torch.arange(rows)
    tables = (MemoryTable(x.unsqueeze(1), torch.ones(rows, 1, dtype=torch.bool)) for x in (image, text))
    splits = {"train": items[: rows // 2], "validation": items[rows // 2 :], "test": items[:0]}
    names = tuple(str(n) for n in range(rows))
    return Features(*tables, items, items, fits.long(), "matching", ("0", "1"), items, names, items, splits)


def specs_of(features: Features):
    return measure(features.image, features.image_items), measure(features.text, features.text_items)


def recall(**settings):
    """Share of validation pictures whose own text has the nearest vector of all that belong to some picture."""
    terms = {"dim": 32, "epochs": 12, "batch_size": 100, "learning_rate": 3e-3, "dropout": 0.0}
    features = make_pairs()
    network = train(make_design("two_tower", settings, terms), 0, features, specs_of(features)).network.eval()
    rows = features.splits["validation"]
    rows = rows[features.labels[rows] == 1]
    with torch.no_grad():
        seen, read = network(features.image.gather(rows), features.text.gather(rows), vectors=True).vectors
    return (seen @ read.T).argmax(1).eq(torch.arange(len(rows))).float().mean()


def test_contrast_brings_each_text_next_to_its_picture_which_labels_alone_do_not():
    assert recall(contrastive=1.0) > 0.7
    assert recall() < 0.1


def test_a_warm_start_leaves_the_head_as_it_was_made():
    design = make_design("product", {"contrastive": 1.0, "warm_start": 1}, {"dim": 16, "epochs": 2, "weight_decay": 0})
    features = make_pairs(200)
    torch.manual_seed(0)
    weights = {}

    def on_step(_, message):
        if message.startswith("epoch"):
            weights[message.split()[1]] = None

    trained = train(design, 0, features, specs_of(features), on_step=on_step)
    assert [*weights] == ["1/2", "2/2"]
    norms = [dict(zip(row["block"], row["gradient_norm"], strict=True)) for row in trained.history]
    assert norms[0]["head"] == 0
    assert norms[0]["image_adapter"] > 0
    assert norms[1]["head"] > 0


def test_it_is_for_matching_only_and_a_warm_start_needs_it():
    features = dataclasses.replace(make_pairs(200), task="multiclass")
    with pytest.raises(ConfigError, match=r"contrastive=1 draws each picture .* the task is multiclass"):
        train(make_design("product", {"contrastive": 1.0}, {"dim": 16, "epochs": 1}), 0, features, specs_of(features))
    with pytest.raises(ConfigError, match=r"warm_start=1 .* contrastive=0"):
        make_design("product", {"warm_start": 1}, {})
    with pytest.raises(ConfigError, match=r"warm_start=9 .* at most all 8 epochs"):
        make_design("two_tower", {"warm_start": 9, "contrastive": 1}, {})


@pytest.mark.parametrize(
    ("fusion", "besides"),
    [
        ("product", {}),
        ("cross_attention", {}),
        ("two_tower", {"residual": True}),
        ("two_tower", {"unimodal_heads": 0.5}),
        ("two_tower", {"balance": "ogm_ge"}),
    ],
)
def test_the_contrastive_loss_alone_is_refused_where_it_would_not_be_alone_or_leave_weights_untrained(fusion, besides):
    given = {"contrastive": 1.0, "warm_start": 2, "epochs": 2, "dim": 16, **besides}
    with pytest.raises(ConfigError, match=r"in all 2 epochs .* Fix: warm_start=1, or fusion two_tower"):
        train(make_design(fusion, given, {}), 0, features := make_pairs(200), specs_of(features))


def test_alone_the_towers_learn_by_contrast_as_if_there_were_no_labels_and_the_head_by_labels():
    """Another loss of the labels changes the head's gradient, and no other part's at any step."""
    features = make_pairs(400)
    given = {"contrastive": 1.0, "warm_start": 3, "epochs": 3, "dim": 16, "clip": 0.0, "dropout": 0.0}
    norms = []
    for objective in ("cross_entropy", "focal"):
        design = make_design("two_tower", {**given, "objective": objective}, {})
        history = train(design, 0, features, specs_of(features), precision="float32").history
        norms.append([dict(zip(row["block"], row["gradient_norm"], strict=True)) for row in history])
    for plain, focal in zip(*norms, strict=True):
        assert plain["head"] > 0
        assert plain["head"] != focal["head"]
        assert {**plain, "head": 0} == {**focal, "head": 0}
        assert plain["fusion"] > 0


def test_a_control_has_nothing_to_contrast_and_trains_as_ever():
    features = make_pairs(200)
    weights = []
    for contrastive in (0.0, 1.0):
        terms = {"dim": 16, "epochs": 2, "contrastive": contrastive, "warm_start": int(contrastive)}
        weights.append(train(make_design("text_only", terms, {}), 0, features, specs_of(features)).network.state_dict())
    assert weights[0].keys() == weights[1].keys()
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])


def test_feature_dropout_sets_whole_channels_to_their_mean_and_only_in_training():
    features = make_pairs(200)
    specs = specs_of(features)
    adapter = Network(
        make_design("product", {"feature_dropout": 0.5}, {"dim": 16}), *specs, 2, "matching"
    ).image_adapter
    tokens = torch.randn(400, 3, 12) + specs[0].mean
    dropped = adapter._drop(tokens)
    at_mean = dropped == specs[0].mean
    assert (at_mean == at_mean[:, :1]).all()  # a channel is dropped for all tokens of its row
    assert abs(at_mean.float().mean() - 0.5) < 0.05
    assert_close((dropped - specs[0].mean)[~at_mean], 2 * (tokens - specs[0].mean)[~at_mean], atol=1e-5, rtol=1e-5)
    assert_close(dropped.mean(0), tokens.mean(0), atol=0.35, rtol=0)
    mask = torch.ones(400, 3, dtype=torch.bool)
    adapter.eval()
    assert_close(adapter(tokens, mask)[0], adapter(tokens, mask)[0], atol=0, rtol=0)
