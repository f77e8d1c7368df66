"""Occlusion and deletion: what is known of each, on networks whose answer rests on one token."""

import pytest
import torch

from interfuse.core.design import make_design
from interfuse.core.tokens import Tokens
from interfuse.data import make_known
from interfuse.explain import GRADIENT, OCCLUSION, measure_deletion, occlusion, token_maps
from interfuse.training import train
from interfuse.workflows.train.training_set import make_training_set
from tests.training.networks import build, inputs

ASKED = 4
"""Place of the colour in "which shape is the <colour> object"."""


@pytest.fixture(scope="module")
def binding():
    """A trained network of `known:binding`, and some test rows."""
    features = make_known("known:binding", rows=(3000, 300, 200))
    settings = {"dim": 32, "num_heads": 4, "batch_size": 64, "dropout": 0.0, "epochs": 5, "learning_rate": 6e-3}
    design = make_design("cross_attention", {}, settings)
    training_set = make_training_set(features, (features.splits,), [design])
    network = train(design, 0, *training_set.fold(design, 0), "float32").network
    rows = features.splits["test"]
    image, text = (
        Tokens(*table.gather(items[rows])) for table, items in zip(features.tables, features.items, strict=True)
    )
    with torch.no_grad():
        classes = network(image, text).logits.argmax(1)
    assert (classes == features.labels[rows]).float().mean() > 0.95
    return token_maps(network, image, text, classes)


def test_occlusion_finds_the_asked_word_and_its_deletion_is_better_than_random(binding):
    asked = (binding.weights.text[OCCLUSION].argmax(1) == ASKED).float().mean()
    assert asked >= 0.9
    for deletions in binding.deletions:
        deletion = deletions[OCCLUSION]
        gain = deletion.random - deletion.area
        assert gain.mean() > 0.2
        assert gain.mean() > 5 * gain.std() / len(gain) ** 0.5


def test_gradient_times_attention_does_not_find_the_asked_word(binding):
    """Why it may not be called what moved the answer."""
    assert (binding.weights.text[GRADIENT].argmax(1) == ASKED).float().mean() < 0.5
    deletion = binding.deletions.text[GRADIENT]
    assert deletion.area.mean() > deletion.random.mean()


@pytest.mark.parametrize("fusion", ["concat", "cross_attention", "perceiver"])
def test_occlusion_is_the_difference_that_leaving_a_token_out_makes(fusion):
    network, (image, text) = build(fusion), inputs()
    classes = torch.tensor([0, 1, 2, 0])
    drops = occlusion(network, image, text, classes)
    with torch.no_grad():
        for row, place in ((0, 1), (1, 0), (3, 0)):  # the last is the only word of its row
            mask = text.mask.clone()
            mask[row, place] = False
            before, after = (
                network(image, Tokens(text.tokens, m)).logits[row].log_softmax(0) for m in (text.mask, mask)
            )
            own = int(classes[row])
            others = [c for c in range(3) if c != own]
            odds = [float(log[own] - log[others].mean()) for log in (before, after)]
            assert float(drops.text[row, place]) == pytest.approx(odds[0] - odds[1], abs=1e-5)
    assert not drops.text[~text.mask].any()


def test_the_deletion_score_of_an_order_is_the_area_under_its_curve():
    network, (image, text) = build("concat"), inputs()
    classes, weights = torch.tensor([0, 1, 2, 0]), torch.arange(24.0).reshape(4, 6)
    area = measure_deletion(network, image, text, classes, "image", {"map": weights})["map"].area
    curve = []
    with torch.no_grad():
        for step in range(11):
            kept = torch.arange(6) < 6 - round(0.6 * step)  # the greatest weight is the last token, and goes first
            masked = Tokens(image.tokens, image.mask & kept)
            curve.append(network(masked, text).logits.softmax(1).gather(1, classes[:, None])[:, 0])
    torch.testing.assert_close(area, torch.trapezoid(torch.stack(curve, 1), dx=0.1))


def test_a_map_that_points_at_nothing_is_as_good_as_a_random_order():
    network, (image, text) = build("concat"), inputs()
    many = [Tokens(part.tokens.repeat(40, 1, 1), part.mask.repeat(40, 1)) for part in (image, text)]
    flat = torch.ones(160, 6)
    found = measure_deletion(network, *many, torch.zeros(160, dtype=torch.int64), "image", {"flat": flat})["flat"]
    gain = (found.random - found.area).unflatten(0, (40, 4))
    error = gain.mean(1).std() / 40**0.5
    assert abs(gain.mean()) < 4 * error


def test_a_number_has_an_occlusion_and_no_deletion():
    network, (image, text) = build("concat"), inputs()
    maps = token_maps(network, image, text, torch.zeros(4, dtype=torch.int64), "regression")
    assert (maps.weights.image[OCCLUSION] >= 0).all()
    assert maps.deletions.image == maps.deletions.text == {}
