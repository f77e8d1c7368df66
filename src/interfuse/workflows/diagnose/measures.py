"""Measures of one trained network on cached tokens: every pair of some rows, and every row without a modality."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from interfuse.core.diagnosis import Measure
from interfuse.core.modalities import Modalities
from interfuse.core.seeds import derive, generator
from interfuse.core.tasks import HEADLINES, is_single_class, lowest_score
from interfuse.core.tokens import Tokens
from interfuse.data import Features
from interfuse.evaluation import (
    NULL_LIMIT,
    QUERIES,
    Contribution,
    DeletionGain,
    EstimatedDecomposition,
    Interval,
    NeedsBoth,
    Permutation,
    attention_spread,
    discretise,
    estimate_decomposition,
    find_needs_both,
    fit_temperature,
    gain_by_deletion,
    information,
    mean_interval,
    measure_calibration,
    measure_emap,
    measure_permutation,
    measure_shapley,
    missing_curve,
    profile_rows,
    say_attention,
    say_calibration,
    say_contradiction,
    say_decomposition,
    say_diagnosis,
    say_emap,
    say_missing,
    say_needs_both,
    say_permutation,
    say_shapley,
    say_undecomposed,
    share,
    tied_scores,
    vary_as_metric,
)
from interfuse.explain import Deletion, logits_without, pair_logits, token_maps
from interfuse.fusion import OneKeyAttentionWarning
from interfuse.training import Network

CELLS = (20, 12, 8, 6, 4, 3, 2)
"""Cells of the decomposition, tried until permuted labels show next to nothing."""
UNDECOMPOSED = {
    "multilabel": "it is of rows with one class each, and these have sets of labels",
    "regression": "it is of rows with one class each, and these have a number",
}
"""Why the information about such labels is not decomposed."""
LOOKED_AT = 64
"""Rows whose attention is averaged, and whose tokens are taken out one by one."""
STATES = {"both": (), "image": ("text",), "text": ("image",), "neither": ("image", "text")}
"""What the network sees, and what is taken away for it."""


@dataclass(frozen=True)
class RowLogits:
    """Logits of rows in the four states: both modalities, the image alone, the text alone, neither."""

    logits: dict[str, np.ndarray]
    labels: np.ndarray
    groups: np.ndarray
    task: str
    scores: dict[str, np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        """Score each state."""
        scores = {
            name: tied_scores(logits, self.labels, self.task, float(self.logits["both"].std()))
            for name, logits in self.logits.items()
        }
        object.__setattr__(self, "scores", scores)


@dataclass(frozen=True)
class PairFindings:
    """What all pairs of some rows tell."""

    verdict: str
    """The headline, with what the decomposition says against it."""
    permutation: Permutation
    measures: list[Measure]
    contributions: list[Contribution]


@dataclass(frozen=True)
class RowFindings:
    """What rows with and without each modality tell."""

    needs_both: NeedsBoth
    measures: list[Measure]
    contributions: list[Contribution]


def take_rows(rows: Tensor, count: int, seed: int) -> Tensor:
    """Draw at most `count` of these rows, in their order."""
    if len(rows) <= count:
        return rows
    return rows[torch.randperm(len(rows), generator=generator(seed, "diagnose"))[:count]].sort().values


def measure_pairs(network: Network, features: Features, rows: Tensor, on_done: Callable[[int], None]) -> PairFindings:
    """Measure what needs every text with every picture."""
    table = pair_table(network, features, rows, on_done)
    labels, groups, task = features.labels[rows].numpy(), features.groups[rows].numpy(), features.task
    majority = majority_score(labels, task)
    emap = measure_emap(table, labels, task, groups)
    permutation = measure_permutation(table, labels, task, majority, groups)
    measures = [say_permutation(permutation, len(rows), majority), say_emap(emap, len(rows))]
    verdict = say_diagnosis(emap, permutation, HEADLINES[task])
    if is_single_class(task) and len(rows) > 1:
        answers = table[np.arange(len(rows)), np.arange(len(rows))].argmax(-1)
        classes, draw = labels.astype(np.int64), np.random.default_rng(derive(0, "null"))
        chance = float(np.mean([information(answers, draw.permutation(classes)) for _ in range(5)]))
        bits, parts = information(answers, classes), decompose_rows(table, labels)
        measures.append(say_decomposition(parts, len(rows), bits, chance))
        verdict += say_contradiction(verdict, parts, bits, chance)
    else:
        measures.append(say_undecomposed(UNDECOMPOSED.get(task, "there is one row only")))
    widest = 1.0 - lowest_score(task)
    contributions = [
        Contribution("emap", "Δ", emap.by_row, groups, -widest, widest),
        *(
            Contribution("permutation", f"lost with the {name}", one.by_row, groups, -widest, widest)
            for name, one in Modalities(permutation.image, permutation.text).named()
        ),
    ]
    return PairFindings(verdict, permutation, measures, contributions)


def pair_table(network: Network, features: Features, rows: Tensor, on_done: Callable[[int], None]) -> np.ndarray:
    """Compute `L[i, j]` for all pairs of these rows; a text or picture that rows share is computed once."""
    images, image_of = features.image_items[rows].unique(return_inverse=True)
    texts, text_of = features.text_items[rows].unique(return_inverse=True)
    like = next(network.parameters())
    image, text = (
        Tokens(tokens.tokens.to(like), tokens.mask.to(like.device))
        for tokens in (features.image.gather(images), features.text.gather(texts))
    )
    table = pair_logits(network, image, text, on_done).cpu().numpy()
    spread: np.ndarray = table[np.ix_(text_of.numpy(), image_of.numpy())]
    return spread


def decompose_rows(table: np.ndarray, labels: np.ndarray) -> EstimatedDecomposition:
    """Sort images and texts into cells by their answers, as many cells as the null allows, and decompose."""
    by_text, by_image = profile_rows(table)
    thin = (len(np.unique(labels)) - 1) / (2 * len(labels) * np.log(2))  # bits of chance a degree of freedom
    estimate = None
    for cells in CELLS:
        if cells > CELLS[-1] and (cells - 1) ** 2 * thin > 1.5 * NULL_LIMIT:
            continue  # the null would be too large: do not solve for it
        first, second = discretise(by_image, cells), discretise(by_text, cells)
        estimate = estimate_decomposition(first, second, labels.astype(np.int64), seed=derive(0, "null"))
        if estimate.null.synergy <= NULL_LIMIT:
            break
    assert estimate is not None
    return estimate


def row_logits(network: Network, features: Features, rows: Tensor, on_done: Callable[[int], None]) -> RowLogits:
    """Run every row in all four states."""
    logits = {}
    for name, without in STATES.items():
        alike = len(without) == 2  # of nothing every row makes the same
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OneKeyAttentionWarning)  # the absent token is one, and that is meant
            values = logits_without(network, features, rows[:1] if alike else rows, without)
        logits[name] = values.expand(len(rows), -1).numpy()
        on_done(len(rows))
    return RowLogits(logits, features.labels[rows].numpy(), features.groups[rows].numpy(), features.task)


def measure_rows(states: RowLogits, doubts: tuple[str, ...]) -> RowFindings:
    """Measure what needs each row with and without each modality.

    Args:
        states: logits of the rows in the four states.
        doubts: why a modality's absence is not to be trusted.
    """
    scores, groups, rows = states.scores, states.groups, len(states.labels)
    logits = states.logits
    both = find_needs_both(logits["both"], logits["image"], logits["text"], states.labels, states.task, groups)
    spread = {name: vary_as_metric(values, states.labels, states.task) for name, values in scores.items()}
    shapley = measure_shapley(spread["both"], spread["image"], spread["text"], spread["neither"], groups)
    curves = {  # the text alone is what is left when the image is absent
        "image": missing_curve(scores["both"], scores["text"]),
        "text": missing_curve(scores["both"], scores["image"]),
    }
    measures = [
        say_shapley(shapley, rows, doubts),
        say_needs_both(both, rows, doubts),
        say_missing(curves, rows, doubts),
    ]
    return RowFindings(both, measures, _contributions(states, both, spread))


def _contributions(states: RowLogits, both: NeedsBoth, spread: Mapping[str, np.ndarray]) -> list[Contribution]:
    """Return what each row adds to the numbers that are means over rows.

    Args:
        states: logits of the rows.
        both: the rows that need both.
        spread: scores of each state, which vary as the metric does.
    """
    lowest = lowest_score(states.task)
    image, text, together = share(spread["both"], spread["image"], spread["text"], spread["neither"])
    shares = {"part of the image": image, "part of the text": text, "worth more together": together}
    absent = {"nothing absent": "both", "every image absent": "text", "every text absent": "image"}
    widest = 2 * (1.0 - lowest)
    return [
        *(Contribution("shapley", name, values, states.groups, -widest, widest) for name, values in shares.items()),
        Contribution("needs_both", "need both", both.by_row, states.groups, 0.0, 1.0),
        *(Contribution("missing", name, spread[of], states.groups, lowest, 1.0) for name, of in absent.items()),
    ]


def absence_losses(states: RowLogits) -> dict[str, Interval]:
    """Return what is lost with each modality absent altogether."""
    scores = states.scores
    alone = {"image": "text", "text": "image"}
    return {name: mean_interval((scores["both"] - scores[left])[None], states.groups) for name, left in alone.items()}


def measure_trust(states: RowLogits, validation: tuple[np.ndarray, np.ndarray] | None) -> list[Measure]:
    """Measure calibration, and again with the temperature that validation logits and labels ask for.

    A regression gives no probability, so nothing.
    """
    logits, labels, task = (
        states.logits["both"],
        states.labels,
        "multilabel" if states.task == "multilabel" else "multiclass",
    )
    if states.task == "regression":
        return []
    before = measure_calibration(logits, labels, task)
    if validation is None:
        return [say_calibration(before, len(labels), None, None)]
    temperature = fit_temperature(*validation, task)
    after = measure_calibration(logits, labels, task, temperature.value)
    return [say_calibration(before, len(labels), temperature, after)]


def measure_attention(network: Network, features: Features, rows: Tensor) -> Measure:
    """Measure how widely the fusion's attention is spread, and whether maps point at what the answers rest on."""
    rows = rows[:LOOKED_AT]
    device = next(network.parameters()).device
    image, text = (
        Tokens(*(part.to(device) for part in table.gather(items[rows])))
        for table, items in zip(features.tables, features.items, strict=True)
    )
    maps = token_maps(network, image, text, answer_classes(network, image, text), features.task)
    attention, spread = maps.attention, {}
    for name, weights, mask in (
        ("text → image", attention.text_to_image, image.mask),
        ("image → text", attention.image_to_text, text.mask),
        (QUERIES, None if attention.over_image is None else attention.over_image[:, None], image.mask),
    ):
        if weights is not None:
            spread[name] = attention_spread(weights.cpu().numpy(), mask.sum(1).clamp_min(1).cpu().numpy())
    gains = {
        name: _gains(maps.deletions.of(name), tokens, features.groups[rows])
        for name, tokens in Modalities(image, text).named()
    }
    return say_attention(spread, len(rows), attention.attends, Modalities(**gains))


@torch.no_grad()
def answer_classes(network: Network, image: Tokens, text: Tokens) -> Tensor:
    """Return the class that each row is answered with: of several labels the surest."""
    network.eval()
    logits: Tensor = network(image, text).logits
    return logits.argmax(-1)


def _gains(deletions: Mapping[str, Deletion], tokens: Tokens, groups: Tensor) -> dict[str, DeletionGain]:
    """Compare each map with random orders, on rows that have more than one token to choose from."""
    real = (tokens.mask.sum(1) > 1).cpu()
    if not real.any():
        return {}
    return {
        name: gain_by_deletion(one.area.cpu()[real].numpy(), one.random.cpu()[real].numpy(), groups[real].numpy())
        for name, one in deletions.items()
    }


def majority_score(labels: np.ndarray, task: str) -> float:
    """Return the score of the constant answer: these rows' most frequent label, the labels of most rows, their mean."""
    if task == "regression":
        return 0.0
    if is_single_class(task):
        return float(np.bincount(labels.astype(int)).max() / len(labels))
    usual = np.where(labels.mean(0) >= 0.5, 1.0, -1.0)
    return float(tied_scores(np.tile(usual, (len(labels), 1)), labels, task, 1.0).mean())
