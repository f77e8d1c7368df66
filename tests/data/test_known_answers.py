"""Known-answer tasks: what each modality tells alone and together, by counting and by fitting."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from interfuse.data import Features, make_known

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
