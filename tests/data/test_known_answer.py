"""Known-answer tasks: what their best answer is, and what each modality tells alone and together."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from interfuse.core.errors import DataError
from interfuse.data import Features, make_known
from interfuse.data.known_answer import CEILING, OBJECTS, SHAPES, TASKS

ROWS = (2_000, 4, 4_000)


def pooled(features: Features, modality: str) -> np.ndarray:
    """The mean token of each row, along its main directions (all signal lies there, the rest is noise)."""
    mean = getattr(features, modality).gather(torch.arange(len(features.ids))).tokens.double().mean(1)
    centred = mean - mean.mean(0)
    _, spread, directions = torch.linalg.svd(centred[:2_000], full_matrices=False)
    return (centred @ directions[spread > 0.3 * spread[0]].T / centred.std()).numpy()


def accuracy(features: Features, inputs: np.ndarray) -> float:
    """Accuracy in points on test of a linear model fitted to train."""
    train, test = (features.splits[name].numpy() for name in ("train", "test"))
    labels = features.labels.numpy()
    return 100 * LogisticRegression(max_iter=2_000).fit(inputs[train], labels[train]).score(inputs[test], labels[test])


@pytest.fixture(scope="module")
def scores():
    def score(task: str) -> dict[str, float]:
        features = make_known(f"known:{task}", rows=ROWS)
        inputs = {name: pooled(features, name) for name in ("image", "text")}
        concat = np.hstack(list(inputs.values()))
        product = np.hstack([concat, np.einsum("ni,nj->nij", *inputs.values()).reshape(len(concat), -1)])
        found = {**inputs, "concat": concat, "product": product}
        return {name: accuracy(features, values) for name, values in found.items()}

    return score


def test_the_ceiling_of_a_pooled_predictor_on_binding_is_the_mean_share_of_the_commonest_shape():
    """Knowing only the shapes, the best answer is the commonest: all 4^5 draws are counted."""
    draws = itertools.product(range(SHAPES), repeat=OBJECTS)
    shares = [max(draw.count(shape) for shape in range(SHAPES)) / OBJECTS for draw in draws]
    assert sum(shares) / len(shares) == pytest.approx(CEILING, abs=1e-4)


def test_binding_asks_for_a_colour_that_is_there_once_and_answers_its_shape():
    features = make_known("known:binding", seed=3, rows=(50, 10, 10))
    tokens = features.image.gather(torch.arange(70)).tokens
    assert tokens.shape == (70, 16, 32)
    assert features.image.grid == (4, 4)
    assert features.labels.bincount(minlength=4).min() > 5


def test_xor_has_a_quarter_of_the_rows_in_each_cell():
    features = make_known("known:xor", rows=(400, 100, 100))
    image = features.image.gather(torch.arange(400)).tokens[:, 1]
    text = features.text.gather(torch.arange(400)).tokens[:, 1]
    bits = [(x @ x[0] > 0.5 * (x[0] @ x[0])).long() for x in (image, text)]
    same = (bits[0] == bits[1]).long()
    cells = (2 * bits[0] + bits[1]).bincount(minlength=4)
    assert cells.tolist() == [100] * 4
    agrees = (same == features.labels[:400]).float().mean()
    assert agrees in (0.0, 1.0)


@pytest.mark.parametrize("task", sorted(TASKS))
def test_the_seed_decides_the_rows_and_splits_do_not_overlap(task):
    first, again, other = (make_known(f"known:{task}", seed, (40, 20, 20)) for seed in (1, 1, 2))
    assert torch.equal(first.labels, again.labels)
    assert torch.equal(first.image.tokens, again.image.tokens)
    assert not torch.equal(first.image.tokens, other.image.tokens)
    rows = torch.cat(list(first.splits.values()))
    assert sorted(rows.tolist()) == list(range(80))


def test_an_unknown_task_is_answered_with_the_known_ones():
    with pytest.raises(DataError, match=r"Unknown known-answer task 'known:bindin'\. Did you mean 'known:binding'"):
        make_known("known:bindin")


def test_xor_needs_the_product_of_both(scores):
    found = scores("xor")
    assert found["product"] == 100
    assert max(found["image"], found["text"], found["concat"]) < 55


def test_additive_is_learned_by_a_linear_model_of_both_and_by_no_modality_alone(scores):
    found = scores("additive")
    assert found["concat"] > max(found["image"], found["text"]) + 8
    assert found["product"] < found["concat"] + 1


@pytest.mark.parametrize("modality", ["image", "text"])
def test_a_unique_task_is_told_by_its_modality_alone(scores, modality):
    found = scores(f"unique_{modality}")
    other = {"image": "text", "text": "image"}[modality]
    assert found[modality] == pytest.approx(92.5, abs=1.5)
    assert found[other] == pytest.approx(25, abs=2.5)
    assert found["product"] < found[modality] + 1


def test_a_redundant_task_is_told_by_either(scores):
    found = scores("redundant")
    assert found["image"] == pytest.approx(found["text"], abs=0.5)
    assert found["product"] < found["image"] + 1


def test_no_pooled_linear_model_passes_the_ceiling_of_binding(scores):
    found = scores("binding")
    assert found["image"] < 50
    assert found["product"] <= 52


def test_every_row_has_its_own_picture_and_is_its_own_group():
    features = make_known("known:redundant", rows=(40, 20, 20))
    tokens = features.image.gather(torch.arange(80)).tokens.flatten(1)
    assert len(tokens.unique(dim=0)) == 80
    assert features.groups.tolist() == list(range(80))
