"""Findings: each measure of multimodality as a record with its verdict in words."""

from interfuse.core.diagnosis import Measure, Value
from interfuse.core.modalities import MODALITIES, Modalities
from interfuse.evaluation.decomposition import Decomposition, EstimatedDecomposition
from interfuse.evaluation.emap import Emap
from interfuse.evaluation.missing import MissingPoint
from interfuse.evaluation.needs_both import NeedsBoth
from interfuse.evaluation.permutation import Perceptual, Permutation
from interfuse.evaluation.phrases import IDLE, SMALL, needed, spared
from interfuse.evaluation.phrases import interval_value as _value
from interfuse.evaluation.phrases import spell_interval as _interval
from interfuse.evaluation.phrases import spell_points as _points
from interfuse.evaluation.shapley import Shapley

MOSTLY = 0.9
"""An interaction share above which the additive rest is chance."""


def say_emap(emap: Emap, rows: int) -> Measure:
    """Return the measure of whether the interaction is needed."""
    if emap.interaction_share <= IDLE:
        verdict = "The logits are a sum of an image part and a text part: this model has no interaction at all."
    elif needed(emap.delta):
        verdict = (
            f"The interaction is needed: without it the score falls by {_points(emap.delta.mean)} points "
            f"({_interval(emap.delta)})."
        )
    elif spared(emap.delta):
        verdict = (
            f"The interaction is not needed on these rows (Δ {_points(emap.delta.mean)}, {_interval(emap.delta)}); "
            f"it is used all the same: {100 * emap.interaction_share:.1f} % of the logits' variance is interaction."
        )
    else:
        verdict = (
            f"These rows cannot tell whether the interaction is needed (Δ {_points(emap.delta.mean)}, "
            f"{_interval(emap.delta)}): take more. {100 * emap.interaction_share:.1f} % of the logits' variance is "
            "interaction, so it is used."
        )
    meaning = (
        "EMAP replaces the model by the nearest sum of an image part and a text part, over all pairs of the rows. "
        "Δ = 0 reads 'not needed', never 'not used': AND is solved by a sum, although its modalities interact. The "
        "interaction share tells how much of the logits no sum can give."
    )
    notes: tuple[str, ...] = ()
    if emap.interaction_share > MOSTLY:
        notes = (
            "Nearly all of the logits is interaction: what the sum is left with is chance, such as unequal numbers of "
            "rows, and its score with it. Read the interaction share.",
        )
    values = (
        Value("model", emap.score),
        Value("additive projection", emap.additive_score),
        _value("Δ", emap.delta),
        Value("interaction share", emap.interaction_share, "share"),
    )
    return Measure("emap", "Does it need the interaction?", verdict, meaning, values, rows, notes)


def say_permutation(permutation: Permutation, rows: int, majority: float) -> Measure:
    """Return the measure of which modality the score goes with."""
    either = Modalities(permutation.image, permutation.text)
    sentences = [_say_perceptual(name, one) for name, one in either.named()]
    meaning = (
        "The score lost when one modality is taken from a random other row, exactly averaged over all permutations; "
        "the perceptual score divides the loss by the score, or by what lies above the majority. A score of 0 means "
        "that the modality does not help; 'answers changed' tells whether it is used at all."
    )
    values = [Value("model", permutation.score), Value("majority", majority)]
    for name, one in either.named():
        values += [
            Value(f"{name} permuted", one.permuted),
            _value(f"lost with the {name}", one.drop),
            Value(f"perceptual score of the {name}", one.share, "share"),
            Value(f"perceptual score of the {name}, above majority", one.share_above_majority, "share"),
            Value(f"answers changed by the {name}", one.changed, "share"),
        ]
    return Measure("permutation", "Which modality does it look at?", " ".join(sentences), meaning, tuple(values), rows)


def say_shapley(shapley: Shapley, rows: int, doubts: tuple[str, ...]) -> Measure:
    """Return the measure of how the score is shared."""
    above = shapley.both - shapley.neither
    verdict = (
        f"Of the {_points(above)} points above no input at all, {_points(shapley.image.mean)} go to the image and "
        f"{_points(shapley.text.mean)} to the text; "
        if above >= 0
        else f"With both modalities the score is {_points(-above)} points below that of no input at all; the image's "
        f"part is {_points(shapley.image.mean)}, the text's {_points(shapley.text.mean)}; "
    )
    if shapley.interaction.low > 0:
        verdict += "together they are worth more than apart."
    elif shapley.interaction.high < 0:
        verdict += "they partly say the same."
    else:
        verdict += "no evidence that together they are worth more or less than apart."
    meaning = (
        "Exact Shapley values of two players: each modality's part of the score, averaged over which comes first. "
        "Absent means the model's own absent token. The parts add up to v(both) − v(neither). Conditional utilisation "
        "is the share of the score that a modality adds to the other, (v(both) − v(other alone)) / v(both): what only "
        "both together give counts in full for each."
    )
    utilisation = Modalities(shapley.image_utilisation, shapley.text_utilisation)
    shares = [
        Value(f"conditional utilisation of the {name}", share, "share")
        for name, share in utilisation.named()
        if share is not None
    ]
    if not shares:
        doubts = (*doubts, "The score is not above 0, so there is no share of it: conditional utilisation is left out.")
    values = (
        *(_value(f"part of the {name}", part) for name, part in Modalities(shapley.image, shapley.text).named()),
        _value("worth more together", shapley.interaction),
        *shares,
        Value("both", shapley.both),
        Value("image alone", shapley.image_alone),
        Value("text alone", shapley.text_alone),
        Value("neither", shapley.neither),
    )
    return Measure("shapley", "How is the score shared?", verdict, meaning, values, rows, doubts)


def say_decomposition(estimate: EstimatedDecomposition, rows: int, answers: float, chance: float) -> Measure:
    """Return the measure of where the information lies, beside the null; no verdict where the cells lose most of it.

    Args:
        estimate: the decomposition of the cells.
        rows: how many there are.
        answers: what the model's own answers tell of the label, bits.
        chance: what they tell of permuted labels.
    """
    value, null = estimate.value, estimate.null
    own, by_chance = name_parts(value), name_parts(null)
    parts = {name: (bits, by_chance[name]) for name, bits in own.items()}
    if estimate.advice is not None:
        verdict = "Too few rows for so many cells to say where the information lies."
    elif answers > 2 * chance and value.total < answers / 2:
        verdict = (
            f"{estimate.clusters} cells a modality keep {value.total:.2f} of the {answers:.2f} bit that the model's "
            "answers tell of the label: where the information lies cannot be said. More rows allow more cells, 20 at "
            "most, which may still be too few."
        )
    elif value.total <= 2 * null.total:
        verdict = "The cells tell no more of the label than chance would: there is nothing to decompose."
    else:
        largest, second = sorted(own, key=own.__getitem__, reverse=True)[:2]
        most = own[largest]
        verdict = f"Most of the {value.total:.2f} bit about the label is {largest} ({most:.2f} bit)."
        if most < value.total / 2:
            verdict = (
                f"No part holds most of the {value.total:.2f} bit about the label: {most:.2f} bit is {largest}, "
                f"{own[second]:.2f} bit {second}."
            )
    meaning = (
        "Partial information decomposition: images (and texts) are sorted into cells by the answers that the model "
        "gives them, then the information about the label is parted into redundancy, unique and synergy. Beside each "
        "stands what permuted labels show: that much is noise. It is shown, never subtracted."
    )
    values = []
    for name, (bits, noise) in parts.items():
        values += [Value(name, bits, "bits"), Value(f"{name}, permuted labels", noise, "bits")]
    values += [Value("told by the model's answers", answers, "bits")]
    values += [Value("told by the model's answers, permuted labels", chance, "bits")]
    values += [Value("cells a modality", float(estimate.clusters), ""), Value("solver's bound", value.gap, "bits")]
    notes = () if estimate.advice is None else (estimate.advice,)
    return Measure("decomposition", "Where does the information lie?", verdict, meaning, tuple(values), rows, notes)


def name_parts(value: Decomposition) -> dict[str, float]:
    """Return the parts of the information about the label by what they are called, bits."""
    return {
        "told by either alone": value.redundancy,
        "told by the image only": value.unique_first,
        "told by the text only": value.unique_second,
        "told only by both together": value.synergy,
    }


def say_undecomposed(why: str) -> Measure:
    """Return the measure that stands for a decomposition that was not computed, with the reason."""
    meaning = "Partial information decomposition parts the information about one class a row, over many rows."
    return Measure("decomposition", "Where does the information lie?", f"Not computed: {why}.", meaning, (), 0)


def say_needs_both(both: NeedsBoth, rows: int, doubts: tuple[str, ...]) -> Measure:
    """Return the measure of how many rows need both modalities."""
    count = len(both.rows)
    rights = "right with both modalities and wrong with either alone"
    verdict = (
        f"About {_points(both.share.mean)} % of the rows need both ({_interval(both.share)}), without what guessing "
        f"does: {count:,} of {rows:,} are {rights}."
        if count or both.share.low > 0
        else f"No row of {rows:,} is {rights}; {_points(both.share.high)} % at most may need both and be guessed."
    )
    meaning = (
        "A row counts as right where its score is above ½. Alone means that the other is the model's absent token. "
        "Some rows that need both are guessed from one alone, and some are guessed from both: how often, permuted "
        "labels tell, and the share that needs both is what is left, if each row is either known or guessed."
    )
    values = (
        _value("need both", both.share, "share"),
        _value("right with both, wrong with either alone", both.observed, "share"),
        Value("right with either alone by chance", both.chance, "share"),
        Value("right with the image alone", both.image_suffices, "share"),
        Value("right with the text alone", both.text_suffices, "share"),
    )
    return Measure("needs_both", "Which examples need both?", verdict, meaning, values, rows, doubts)


def say_missing(curves: dict[str, list[MissingPoint]], rows: int, doubts: tuple[str, ...]) -> Measure:
    """Return the measure of what is left when a modality is absent."""
    ends = {name: points[-1].score for name, points in curves.items()}
    whole = next(iter(curves.values()))[0].score
    goes = {
        name: "falls to" if whole - end >= SMALL else "rises to" if end - whole >= SMALL else "stays at"
        for name, end in ends.items()
    }
    sentence = " and ".join(f"{goes[name]} {_points(ends[name])} when every {name} is absent" for name in MODALITIES)
    verdict = f"From {_points(whole)} points the score {sentence}."
    meaning = (
        "The score when 0, 10, … 100 % of the rows lack one modality, exactly averaged over which rows. Training with "
        "modality dropout is what makes the right end useful."
    )
    values = (
        Value("nothing absent", whole),
        *(Value(f"every {name} absent", score) for name, score in ends.items()),
    )
    lines = {f"{name} absent": [(p.fraction, p.score) for p in points] for name, points in curves.items()}
    return Measure("missing", "What if a modality is missing?", verdict, meaning, values, rows, doubts, lines)


def _say_perceptual(name: str, one: Perceptual) -> str:
    if needed(one.drop):
        return (
            f"The {name} counts: with another row's {name} in its place {_points(one.drop.mean)} points are lost "
            f"({_interval(one.drop)})."
        )
    if one.changed <= IDLE:
        return f"The {name} is not used: no answer changes with it."
    return (
        f"The {name} is not shown to help (Δ {_points(one.drop.mean)}, {_interval(one.drop)}), though it changes "
        f"{100 * one.changed:.1f} % of the answers."
    )
