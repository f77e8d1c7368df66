"""Permutation: what a model loses when one modality is taken from another row."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Num

from interfuse.core.errors import ConfigError
from interfuse.core.tasks import lowest_score
from interfuse.evaluation.components import mean_interval
from interfuse.evaluation.emap import Table, check_table, diagonal, tied_scores
from interfuse.evaluation.intervals import Interval
from interfuse.evaluation.r_squared import vary_as_metric

CHANGED = 0.1
"""Part of the labels' standard deviation by which a regression's answer must move to count as changed."""


@dataclass(frozen=True)
class Perceptual:
    """How much of a model's score goes with one modality."""

    permuted: float
    """Mean score over all permutations of that modality."""
    drop: Interval
    """Score − permuted, over the rows of this one trained model, as rows and as partners."""
    share: float
    """drop / score: the perceptual score, 0 where the score itself is 0."""
    share_above_majority: float
    """drop / (1 − majority); 0 where there is only one class."""
    changed: float
    """Part of the row and permutation pairs whose answer changes: above 0 the modality is used, whatever it helps."""
    by_row: Float[np.ndarray, " rows"]
    """What each row adds to the drop, as row and as partner; the mean is the drop."""


@dataclass(frozen=True)
class Permutation:
    """Perceptual scores of both modalities."""

    score: float
    image: Perceptual
    text: Perceptual


def measure_permutation(
    logits: Table,
    labels: Num[np.ndarray, "..."],
    task: str,
    majority: float,
    groups: Int[np.ndarray, " rows"] | None = None,
) -> Permutation:
    """Permute either modality over the rows; exact over all permutations, for the table holds every pair.

    A uniform permutation gives row i each picture equally often, so the mean over all of them is the mean over the
    row of the table: nothing is drawn.

    The partners are a sample too: with `S[i, j]` the score of row i with the modality of row j, the drop is a
    V-statistic, `mean S[i, i] − mean S[i, j]`. Its interval is that of the mean of `D_i = S[i, i] − mean over j of
    S[i, j] − mean over j of S[j, i] + mean S`, the Hoeffding projection.

    Args:
        logits: `L[i, j]`, the text of row i with the picture of row j.
        labels: as `example_scores`.
        task: of the rows. An answer of regression counts as changed where it moves by more than a tenth of the labels'
            standard deviation.
        majority: score of always answering the most frequent label, fraction 0 to 1.
        groups: rows of one group are one item of the interval.

    Raises:
        ConfigError: the table is not square or not finite.

    Reference:
        Gat and Schwing 2021, the perceptual score, https://arxiv.org/abs/2110.14375; there over drawn permutations.
        Hoeffding 1948, https://doi.org/10.1214/aoms/1177730196, on the projection.
    """
    check_table(logits)
    table = logits.astype(np.float64)
    spread = float(table.std())
    own = vary_as_metric(tied_scores(diagonal(table), labels, task, spread), labels, task)
    answers = _answers(table, task)
    rows = np.arange(len(table))
    own_answers = answers[rows, rows]
    step = CHANGED * float(np.std(labels)) if task == "regression" else 0.0
    by_modality = {}
    for modality, pairs, pair_answers in (
        ("image", table, answers),
        ("text", table.swapaxes(0, 1), answers.swapaxes(0, 1)),
    ):
        scores = np.stack([tied_scores(pairs[:, j], labels, task, spread) for j in rows], 1)
        as_row, as_partner = vary_as_metric(scores.mean(1), labels, task), scores.mean(0)
        differs = (np.abs(pair_answers - own_answers[:, None]) > step).any(-1)
        by_modality[modality] = perceptual_score(
            own, as_row, as_partner, majority, float(differs.mean()), groups, lowest_score(task)
        )
    return Permutation(float(own.mean()), by_modality["image"], by_modality["text"])


def perceptual_score(
    own: Float[np.ndarray, " rows"],
    as_row: Float[np.ndarray, " rows"],
    as_partner: Float[np.ndarray, " rows"],
    majority: float,
    changed: float = float("nan"),
    groups: Int[np.ndarray, " rows"] | None = None,
    lowest: float = 0.0,
) -> Perceptual:
    """Sum up what permuting one modality costs: `(acc − permuted acc) / acc` and `/ (1 − majority)`.

    Args:
        own: score of each row, at most 1.
        as_row: mean score of each row over the partners whose modality it is given.
        as_partner: mean score of the rows that are given this row's modality.
        majority: score of always answering the most frequent label, fraction 0 to 1.
        changed: part of the answers that permuting changes.
        groups: rows of one group are one item of the interval.
        lowest: smallest score that a row can have.

    Raises:
        ConfigError: the majority is no fraction.
    """
    if not 0 <= majority <= 1:
        raise ConfigError(f"The majority's score is a fraction from 0 to 1, got {majority}.")
    permuted = float(as_row.mean())
    by_row = own - as_row - (as_partner - as_partner.mean())
    drop = mean_interval(by_row[None], groups, lowest=lowest - 1.0, highest=1.0 - lowest)
    drop = drop.within(lowest - 1.0, 1.0 - lowest)
    score, room = float(own.mean()), 1 - majority
    return Perceptual(
        permuted=permuted,
        drop=drop,
        share=drop.mean / score if score > 0 else 0.0,
        share_above_majority=drop.mean / room if room > 0 else 0.0,
        changed=changed,
        by_row=by_row,
    )


def _answers(table: np.ndarray, task: str) -> np.ndarray:
    """What the model answers to each pair, numbers along the last axis: a class, a set of them, or a number."""
    if task == "regression":
        return table
    return np.asarray(table > 0 if task == "multilabel" else table.argmax(-1)[..., None]).astype(np.float64)
