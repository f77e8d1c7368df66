"""Linear models: at the optimum of their own loss, chosen on validation alone, and the same after a trip to disk."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from interfuse.core.design import make_design
from interfuse.core.errors import ConfigError, DataError
from interfuse.core.tokens import MemoryTable
from interfuse.data import Features
from interfuse.evaluation import example_scores
from interfuse.training import fit_linear, load_run, measure, predict_probs, read_texts, save_run
from interfuse.training.linear import PATIENCE, STRENGTHS, gather
from interfuse.training.objective import make_objective

NAMES = ("tfidf", "logistic_text", "logistic_image", "logistic")
TASKS = ("multiclass", "multilabel", "regression")
ROWS = 240


def make_features(task: str = "multiclass", classes: int = 3) -> Features:
    """Rows whose label is told by text and picture, with noise; row 5 has no picture, row 7 no text."""
    draw = torch.Generator().manual_seed(0)
    kind = torch.randint(classes, (ROWS,), generator=draw)
    told = torch.nn.functional.one_hot(kind, classes).float()
    signal = 3 * told
    image, text = (
        torch.randn(ROWS, 2, dim, generator=draw) + torch.nn.functional.pad(signal, (0, dim - classes))[:, None]
        for dim in (6, 5)
    )
    words = [f"{['red', 'green', 'blue'][number % 3]} thing {row % 7}" for row, number in enumerate(kind.tolist())]
    numbers = torch.arange(ROWS)
    labels = {"multiclass": kind, "multilabel": told, "regression": kind * 100.0 + image[:, 0, 0]}[task]
    names = ("size",) if task == "regression" else tuple(f"class {number}" for number in range(classes))
    splits = {"train": numbers[:140], "validation": numbers[140:190], "test": numbers[190:]}
    mask = torch.ones(ROWS, 2, dtype=torch.bool)
    tables = MemoryTable(image, mask), MemoryTable(text, mask)
    items = torch.where(numbers == 5, -1, numbers), torch.where(numbers == 7, -1, numbers)
    ids = tuple(map(str, range(ROWS)))
    return Features(*tables, *items, labels, task, names, numbers, ids, numbers, splits, pa.chunked_array([words]))


def fit(name: str, features: Features, **settings):
    rows = features.splits["train"]
    specs = measure(features.image, features.image_items[rows]), measure(features.text, features.text_items[rows])
    return fit_linear(make_design(name, settings, {}), features, specs)


def best_of(strengths: list[dict[str, float]]) -> dict[str, float]:
    return max(strengths, key=lambda one: (one["validation_score"], -one["validation_loss"]))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("balanced", [False, True])
def test_the_weights_are_where_the_penalised_loss_is_flat(task, balanced):
    if balanced and task == "regression":
        return  # has no class weights
    features = make_features(task)
    design = make_design("logistic", {"class_weights": "balanced"} if balanced else {}, {})
    trained = fit("logistic", features, **({"class_weights": "balanced"} if balanced else {}))
    layer = trained.network.fusion.project[-1]
    objective, rows = make_objective(design, features), features.splits["train"]
    inputs = torch.from_numpy(gather(trained.network, features, rows)).double()
    weight = ((layer.weight.detach().double()) / objective.std).requires_grad_()
    bias = ((layer.bias.detach().double() - objective.mean) / objective.std).requires_grad_()
    logits, labels = inputs @ weight.T + bias, features.labels[rows]
    if task == "multiclass":
        losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        losses = losses * (1 if objective.weights is None else objective.weights[labels])
    elif task == "multilabel":
        losses = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, labels.double(), pos_weight=objective.weights, reduction="none"
        )
    else:
        losses = 0.5 * (logits[:, 0] - (labels - objective.mean) / objective.std) ** 2
    strength = best_of(trained.facts["strengths"])["strength"]
    (losses.sum() + weight.square().sum() / (2 * strength)).backward()
    assert weight.grad.abs().max() / len(rows) < 2e-3  # L-BFGS stops at 1e-4 of the mean loss, float32 inputs
    assert bias.grad.abs().max() / len(rows) < 2e-3


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
def test_it_learns_what_its_modality_tells_and_no_test_row_is_looked_at(name, task):
    features = make_features(task)
    trained = fit(name, features)
    strengths, network = trained.facts["strengths"], trained.network
    grid = list(STRENGTHS["tfidf" if name == "tfidf" else "linear"])
    assert [one["strength"] for one in strengths] == grid[: len(strengths)]
    after = len(strengths) - 1 - strengths.index(best_of(strengths))
    assert after == PATIENCE or (after < PATIENCE and len(strengths) == len(grid))
    seen = read_texts(network, features)
    score = score_of(network, seen, "validation")
    assert score == pytest.approx(best_of(strengths)["validation_score"], abs=1e-5)
    assert score_of(network, seen, "test") > 0.6
    blind = replace(features, labels=features.labels.clone())
    blind.labels[features.splits["test"]] = features.labels[0]
    again = fit(name, blind).network
    assert all(torch.equal(one, other) for one, other in zip(network.parameters(), again.parameters(), strict=True))
    parts = {"image": seen.image_items, "text": seen.text_items}
    ignored = {"tfidf": "image", "logistic_text": "image", "logistic_image": "text"}.get(name)
    if ignored:
        without = replace(seen, **{f"{ignored}_items": torch.full_like(parts[ignored], -1)})
        rows = features.splits["test"]
        assert torch.equal(predict_probs(network, seen, rows), predict_probs(network, without, rows))


def score_of(network, features: Features, split: str) -> float:
    rows = features.splits[split]
    probs = predict_probs(network, features, rows).numpy()
    return float(example_scores(probs, features.labels[rows].numpy(), features.task).mean())


@pytest.mark.parametrize("name", ["tfidf", "logistic", "concat:model=tfidf"])
def test_a_run_comes_back_from_disk_without_pickle_and_reads_new_texts(name, tmp_path):
    features = make_features()
    fusion, _, model = name.partition(":model=")
    trained = fit(fusion, features, **({"model": model} if model else {}))
    design = make_design(fusion, {"model": model} if model else {}, {})
    info = {"task": features.task, "label_names": list(features.label_names), "encoders": {}}
    save_run(tmp_path / "run", trained.network, design, info, [])
    assert {path.suffix for path in (tmp_path / "run").iterdir()} == {".safetensors", ".json", ".parquet"}
    run = load_run(tmp_path / "run")
    rows = torch.arange(ROWS)  # some without a picture, some without a text
    probs = predict_probs(run.network, read_texts(run.network, features), rows)
    assert torch.equal(probs, predict_probs(trained.network, read_texts(trained.network, features), rows))
    assert probs.isfinite().all()
    if run.network.bag is not None:
        new = pa.chunked_array([["blue and blue"] * ROWS])
        answers = predict_probs(run.network, read_texts(run.network, replace(features, texts=new)), rows)
        assert fusion == "concat" or int(answers[0].argmax()) == 2
        broken = {
            "does not say 'idf'": '{"words": ["red"], "characters": []}',
            "has 1 terms, and the network beside it reads": '{"words": ["red"], "characters": [], "idf": [1.0]}',
            "words must be a list": '{"words": 3, "characters": [], "idf": []}',
        }
        for message, vocabulary in broken.items():
            (tmp_path / "run" / "vocabulary.json").write_text(vocabulary)
            with pytest.raises(DataError, match=message):
                load_run(tmp_path / "run")


def test_classes_that_no_train_row_has_are_unlikely_and_one_class_alone_is_learnt():
    features = make_features()
    rare = features.splits["train"][features.labels[features.splits["train"]] != 2]
    for kept in (rare, rare[features.labels[rare] == 1]):
        few = replace(features, splits={**features.splits, "train": kept})
        probs = predict_probs(fit("logistic", few).network, few, features.splits["test"])
        assert probs.isfinite().all()
        assert float(probs[:, 2].max()) < 0.05
        if kept is not rare:
            assert probs.argmax(1).unique().tolist() == [1]


def test_what_cannot_be_fitted_is_refused_with_the_way_out():
    features = make_features()
    with pytest.raises(ConfigError, match="There is no validation row"):
        fit("logistic", replace(features, splits={**features.splits, "validation": torch.arange(0)}))
    with pytest.raises(ConfigError, match="tfidf reads texts, and a known-answer task has tokens alone"):
        fit("tfidf", replace(features, texts=None))
    for name, settings in (
        ("product", {"model": "linear"}),
        ("image_only", {"model": "tfidf"}),
        ("logistic", {"hidden": 4}),
    ):
        with pytest.raises(ConfigError, match="without settings of their own"):
            make_design(name, settings, {})


def test_a_text_s_numbers_are_the_same_whatever_rows_are_read_beside_it():
    features = make_features()
    network = fit("tfidf", features).network
    part = replace(
        features,
        **{name: getattr(features, name)[9:12] for name in ("image_items", "text_items", "labels", "rows", "groups")},
        ids=features.ids[9:12],
        texts=features.texts[9:12],
        splits={},
    )
    whole = read_texts(network, features)
    np.testing.assert_allclose(
        predict_probs(network, read_texts(network, part), torch.arange(3)),
        predict_probs(network, whole, torch.arange(9, 12)),
        atol=1e-6,
    )
