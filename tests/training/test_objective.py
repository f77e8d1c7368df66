"""The objectives against their formulas, written out row by row."""

import dataclasses
import math

import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.data import make_known
from interfuse.training import measure, predict_probs, train
from interfuse.training.objective import Objective, make_objective


@pytest.fixture(scope="module")
def features():
    return make_known("known:unique_text", rows=(256, 64, 1))


def probs_of(logits: list[float]) -> list[float]:
    powers = [math.exp(value) for value in logits]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize("task", ["multiclass", "matching"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("weights", [None, (0.5, 2.0, 1.5)])
def test_class_losses_equal_the_formula(task, gamma, weights):
    logits, labels = torch.randn(7, 3, generator=torch.Generator().manual_seed(0)) * 3, [0, 1, 2, 2, 1, 0, 1]
    slow = []
    for row, label in zip(logits.tolist(), labels, strict=True):
        p = probs_of(row)[label]
        slow.append((weights[label] if weights else 1.0) * (1 - p) ** gamma * -math.log(p))
    objective = Objective(task, gamma, None if weights is None else torch.tensor(weights))
    assert float(objective(logits, torch.tensor(labels))) == pytest.approx(sum(slow) / 7, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 2.0])
@pytest.mark.parametrize("weights", [None, (0.5, 2.0, 1.5)])
def test_label_losses_equal_the_formula(gamma, weights):
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(1)) * 2
    labels = (torch.rand(5, 3, generator=torch.Generator().manual_seed(2)) < 0.5).float()
    slow = []
    for row, truths in zip(logits.tolist(), labels.tolist(), strict=True):
        for place, (value, truth) in enumerate(zip(row, truths, strict=True)):
            p = 1 / (1 + math.exp(-value))
            q, weight = (p, weights[place] if weights else 1.0) if truth else (1 - p, 1.0)
            slow.append((1 - q) ** gamma * -weight * math.log(q))
    objective = Objective("multilabel", gamma, None if weights is None else torch.tensor(weights))
    assert float(objective(logits, labels)) == pytest.approx(sum(slow) / 15, rel=1e-5)


def test_a_sure_answer_has_a_finite_focal_gradient():
    for task, labels in (("multiclass", torch.tensor([0])), ("multilabel", torch.tensor([[1.0, 0.0]]))):
        logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
        Objective(task, 0.5)(logits, labels).backward()
        assert logits.grad.isfinite().all()


def test_balanced_weights_are_those_of_scikit_learn_and_average_to_one_over_the_rows(features):
    train_rows = features.splits["train"]
    labels = features.labels.clone()
    labels[train_rows[:150]] = 0
    labels[labels == 3] = 1  # a class that never occurs
    skewed = dataclasses.replace(features, labels=labels)
    weights = make_objective(Design("concat", class_weights="balanced"), skewed).weights
    truth = labels[train_rows].numpy()
    expected = compute_class_weight("balanced", classes=torch.arange(3).numpy(), y=truth)
    assert weights[:3].tolist() == pytest.approx(expected.tolist())
    assert weights[3] == 1
    assert float(weights[labels[train_rows]].mean()) == pytest.approx(1.0)


def test_balanced_weights_of_labels_even_out_set_and_unset(features):
    labels = torch.zeros(len(features.ids), 2)
    labels[features.splits["train"][:64], 0] = 1.0
    several = dataclasses.replace(features, labels=labels, label_names=("a", "b"), task="multilabel")
    weights = make_objective(Design("concat", class_weights="balanced"), several).weights
    assert weights.tolist() == [(256 - 64) / 64, 1.0]


def test_regression_standardises_by_the_train_rows_and_builds_the_scale_into_the_last_map(features):
    target = 50.0 + 9.0 * features.labels.float()
    numbers = dataclasses.replace(features, labels=target, label_names=("price",), task="regression")
    objective = make_objective(Design("concat"), numbers)
    known = target[features.splits["train"]]
    assert objective.mean == pytest.approx(float(known.mean()))
    assert objective.std == pytest.approx(float(known.std(correction=0)))
    logits = torch.randn(9, 1)
    head = nn.Sequential(nn.Dropout(), nn.Linear(1, 1)).eval()
    before = objective.decode(head(logits)).detach()
    objective.unstandardise(head)
    assert torch.allclose(head(logits), before, atol=1e-4)
    slow = sum(((y - objective.mean) / objective.std - float(z)) ** 2 for y, z in zip([50.0, 70.0], logits[:2, 0]))
    assert float(objective(logits[:2], torch.tensor([50.0, 70.0]))) == pytest.approx(slow / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("fusion", "balance"),
    [("concat", "none"), ("concat", "ogm_ge"), ("concat", "gradient_blending"), ("late_mean", "none")],
)
def test_a_number_is_learned_in_its_own_unit_and_comes_back_so(features, fusion, balance):
    target = 5000.0 + 900.0 * features.labels.float()
    numbers = dataclasses.replace(features, labels=target, label_names=("price",), task="regression")
    rows = features.splits["train"]
    specs = (measure(features.image, features.image_items[rows]), measure(features.text, features.text_items[rows]))
    design = Design(fusion, dim=16, epochs=5, batch_size=32, learning_rate=5e-3, dropout=0.0, balance=balance)
    trained = train(design, 0, numbers, specs, "float32")
    predicted = predict_probs(trained.network, numbers, features.splits["validation"])
    assert predicted.shape == (64, 1)
    error = (predicted[:, 0] - target[features.splits["validation"]]).square().mean()
    best = trained.history[trained.best_epoch - 1]["validation_score"]
    spread = target[features.splits["validation"]].var(correction=0)
    assert best == pytest.approx(float(1 - error / spread), abs=1e-4)
    assert best > 0.5  # a tenth of the labels is noise: about 0.8 can be explained


@pytest.mark.parametrize("settings", [{"objective": "focal"}, {"class_weights": "balanced"}])
def test_objectives_of_classes_are_refused_for_numbers(features, settings):
    numbers = dataclasses.replace(features, labels=features.labels.float(), label_names=("price",), task="regression")
    with pytest.raises(ConfigError, match="is for classes, and the task is regression"):
        make_objective(Design("concat", **settings), numbers)
