"""Linear models of features: fitted at once by scikit-learn, with the strength that validation chooses; no seed."""

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_array, hstack, vstack
from torch import Tensor, nn

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.core.modalities import Modalities
from interfuse.data import Features
from interfuse.encoders import BagTable, fit_bag
from interfuse.evaluation import example_scores
from interfuse.training.loop import Trained
from interfuse.training.network import ModalitySpec, Network, count_parameters
from interfuse.training.objective import Objective, make_objective

STRENGTHS = {"linear": (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0), "tfidf": (0.1, 1.0, 10.0, 100.0)}
"""Inverse strengths of the L2 penalty (scikit-learn's C; of a ridge 1 / alpha) that are tried, by kind of model."""
MOST_STEPS = 200
"""Steps of L-BFGS for each strength."""
PATIENCE = 2
"""Strengths in a row that score worse on validation than the best so far before no weaker penalty is tried."""
ROWS = 4096
"""Rows that are gathered at once."""
Inputs: TypeAlias = np.ndarray | csr_array
"""(rows, dim)."""


@dataclass(frozen=True)
class _Map:
    """A linear map from inputs to logits, or to standardised numbers."""

    weight: Float[np.ndarray, "classes dim"]
    bias: Float[np.ndarray, " classes"]

    def __call__(self, inputs: Inputs) -> Float[Tensor, "rows classes"]:
        return torch.from_numpy(np.asarray(inputs @ self.weight.T + self.bias, dtype=np.float32))


def fit_linear(design: Design, features: Features, specs: tuple[ModalitySpec, ModalitySpec]) -> Trained:
    """Fit a linear model to the train rows with each strength, and keep the one that scores best on validation.

    From the strongest penalty on, until weaker ones have been worse than the best one twice in a row. Logistic
    regression; of several labels one for each, of a number ridge regression. As with epochs, ties are broken by the
    lower validation loss. Class weights are the design's.

    Args:
        design: whose `linear` is true.
        features: rows with splits `train` and `validation`; with texts, where the design reads them by TF-IDF.
        specs: image and text tokens as `measure` saw them.

    Raises:
        ConfigError: there is no train or validation row, or there are no texts to read.
    """
    start = time.perf_counter()
    for name in ("train", "validation"):
        if len(features.splits[name]) == 0:
            raise ConfigError(f"There is no {name} row: {len(features.ids)} rows in all. Give more rows or a split.")
    image, text = specs
    bag = None
    if design.model == "tfidf":
        bag = fit_bag([cell for cell in list_texts(features, features.splits["train"]) if cell is not None])
        text = ModalitySpec(bag.dim, None, torch.zeros(bag.dim), torch.ones(bag.dim))
    network = Network(design, image, text, len(features.label_names), features.task).eval()
    network.bag = bag
    features = read_texts(network, features)
    objective = make_objective(design, features)
    labels = features.labels[features.splits["validation"]]
    train, validation = (gather(network, features, features.splits[name]) for name in ("train", "validation"))
    trials: list[dict[str, float]] = []
    best: tuple[tuple[float, float], _Map] | None = None
    worse = 0
    for strength, fitted in _fit(train, features, objective, STRENGTHS[design.model]):
        logits = fitted(validation)
        scores = example_scores(objective.decode(logits).numpy(), labels.numpy(), features.task)
        rank = (float(scores.mean()), -float(objective(logits, labels)))
        trials.append({"strength": strength, "validation_score": rank[0], "validation_loss": -rank[1]})
        if best is None or rank > best[0]:
            best, worse = (rank, fitted), 0
        else:
            worse += 1
        if worse == PATIENCE:  # the weaker the penalty, the more steps it takes
            break
    assert best is not None
    _put(network, best[1], objective)
    seconds = time.perf_counter() - start
    return Trained(network, [], 0, count_parameters(network), seconds, {"strengths": trials})


def list_texts(features: Features, rows: Tensor) -> list[str | None]:
    """Return these rows' texts, None where there is none.

    Raises:
        ConfigError: the rows are tokens alone.
    """
    if features.texts is None:
        raise ConfigError("tfidf reads texts, and a known-answer task has tokens alone. Leave it out, or give a table.")
    cells = features.texts.take(rows.numpy()).to_pylist()
    return [cell if item >= 0 else None for cell, item in zip(cells, features.text_items[rows].tolist(), strict=True)]


def read_texts(network: Network, features: Features) -> Features:
    """Return the features as the network reads them: by its own bag, where it has one, in place of the text encoder.

    Raises:
        ConfigError: it has one and the rows are tokens alone.
    """
    if network.bag is None:
        return features
    items, first = np.unique(features.text_items.numpy(), return_index=True)
    places = np.full(len(features.text) + 1, -1)  # the last is for -1, missing
    there = items >= 0
    places[items[there]] = np.arange(there.sum())
    texts = [cell or "" for cell in list_texts(features, torch.from_numpy(first[there]))]
    numbers = torch.from_numpy(places)[features.text_items]
    return replace(features, text=BagTable(network.bag.weigh(texts)), text_items=numbers)


def gather(network: Network, features: Features, rows: Tensor) -> Inputs:
    """Return what the linear map of these rows is of: adapted means, and a bag's sparse rows."""
    parts: list[Any] = []
    for modality, adapter in network.adapters.named():
        if modality not in network.fusion.modalities:
            continue
        table, items = Modalities(features.image, features.text).of(modality), features.items.of(modality)[rows]
        if isinstance(table, BagTable):
            blank = csr_array((1, table.dim), dtype=np.float32)
            parts.append(csr_array(vstack([table.rows, blank], format="csr"))[np.where(items >= 0, items, len(table))])
            continue
        with torch.inference_mode():
            tokens = [adapter(*table.gather(part))[0].squeeze(1) for part in items.split(ROWS)]
        parts.append(torch.cat(tokens).numpy())
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts, 1)
    return csr_array(hstack([csr_array(part) for part in parts], format="csr"))


def _fit(
    inputs: Inputs, features: Features, objective: Objective, strengths: tuple[float, ...]
) -> Iterator[tuple[float, _Map]]:
    """Return each strength and what was fitted with it, the strongest penalty first."""
    from sklearn.linear_model import Ridge  # a second to import; most commands fit nothing

    labels = features.labels[features.splits["train"]].numpy()
    weights = None if objective.weights is None else objective.weights.numpy()
    if features.task == "regression":
        numbers = (labels - objective.mean) / objective.std
        for strength in strengths:
            ridge = Ridge(alpha=1 / strength).fit(inputs, numbers)
            yield strength, _Map(np.atleast_2d(ridge.coef_), np.atleast_1d(ridge.intercept_))
        return
    if features.task == "multilabel":
        columns = [
            _Logistic(inputs, label, np.where(label > 0, 1.0 if weights is None else weights[number], 1.0), 2)
            for number, label in enumerate(labels.T.astype(np.int64))
        ]
    else:
        columns = [_Logistic(inputs, labels, None if weights is None else weights[labels], len(features.label_names))]
    for strength in strengths:
        maps = [column.fit(strength) for column in columns]
        if features.task == "multilabel":  # the two logits of a label stand apart by the one of its sigmoid
            maps = [_Map(one.weight[1:] - one.weight[:1], one.bias[1:] - one.bias[:1]) for one in maps]
        yield strength, _Map(np.concatenate([m.weight for m in maps]), np.concatenate([m.bias for m in maps]))


class _Logistic:
    """Logistic regression over all classes; one that no train row has is half as likely as a row."""

    def __init__(self, inputs: Inputs, labels: np.ndarray, weights: np.ndarray | None, classes: int) -> None:
        from sklearn.linear_model import LogisticRegression

        self.inputs, self.labels, self.weights, self.classes = inputs, labels, weights, classes
        self.present = np.unique(labels)
        self.model = LogisticRegression(max_iter=MOST_STEPS, warm_start=True)

    def fit(self, strength: float) -> _Map:
        """Fit, beginning where the strength before ended; on one core.

        Products with so few classes are too thin for two: their threads wait for each other, twenty times as long on
        a busy machine.
        """
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        weight = np.zeros((self.classes, self.inputs.shape[1]))
        bias = np.full(self.classes, -np.log(2 * len(self.labels)))
        if len(self.present) == 1:
            bias[self.present] = 0.0
            return _Map(weight, bias)
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # validation judges what the steps came to
            self.model.set_params(C=strength).fit(self.inputs, self.labels, self.weights)
        coefficients, intercepts = self.model.coef_, self.model.intercept_
        if len(self.present) == 2:  # one logit: of the second class against the first
            coefficients = np.concatenate([-coefficients, coefficients]) / 2
            intercepts = np.concatenate([-intercepts, intercepts]) / 2
        weight[self.present], bias[self.present] = coefficients, intercepts
        bias[np.setdiff1d(np.arange(self.classes), self.present)] += intercepts.min()
        return _Map(weight, bias)


def _put(network: Network, fitted: _Map, objective: Objective) -> None:
    """Put the map into the network's one linear layer; a number's in its own unit."""
    (layer,) = (module for module in network.fusion.modules() if isinstance(module, nn.Linear))
    weight, bias = fitted.weight * objective.std, fitted.bias * objective.std + objective.mean
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.asarray(weight)))
        layer.bias.copy_(torch.from_numpy(np.asarray(bias)))
