"""Verdicts: the words of a table and the sentences above it. Numbers come in as fractions, prose is in points."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from interfuse.core.tasks import LOWER_IS_BETTER
from interfuse.evaluation.contrasts import ALPHA, Difference, Rules, judge
from interfuse.evaluation.intervals import Interval
from interfuse.evaluation.phrases import spell_interval as _interval
from interfuse.evaluation.phrases import spell_margin, spell_p
from interfuse.evaluation.phrases import spell_points as _points
from interfuse.evaluation.power import Precision

DECLARED = "Declared beforehand: "
NO_VERDICT = (
    "No verdict on fusion: it takes a fusion and a unimodal control. Add text_only and image_only to the designs."
)
NO_VALIDATION = (
    "No verdict on fusion: its two designs are chosen on validation, and there is no validation row, or the metric is "
    "undefined on them."
)
ONE_SEED = (
    "No verdict on fusion from one seed: its designs would be chosen by the very training that is scored. Use seeds=5."
)
WON, LOST = ("wins", "surely wins"), ("loses", "surely loses")


def say_study(fusions: Sequence[str], controls: Sequence[str], contrast: Difference, word: str, rules: Rules) -> str:
    """Return the sentence on whether the chosen fusion beats the chosen unimodal control.

    Args:
        fusions: the design that was chosen for each seed.
        controls: the same of the controls.
        contrast: fusion minus control.
        word: the verdict on it.
        rules: that it was judged by.
    """
    (fusion, rival), numbers = _name_sides(fusions, controls), _measured(contrast.interval)
    if word in WON or word in LOST:
        verb = "beats" if word in WON else "loses to"
        surely = f", surely by more than {spell_margin(rules.margin)}" if word.startswith("surely") else ""
        return f"Fusion {verb} {rival} ({fusion} {_by(contrast.interval)}{surely}, {_seeds(contrast.interval)})."
    if word == "equal":
        return f"Fusion and {rival} are equal within {spell_margin(rules.margin)} ({fusion} {numbers})."
    opening = f"No evidence that fusion beats {rival}"
    if word == "small":
        opening += f": the difference is sure but too small to matter, below the margin of {spell_margin(rules.margin)}"
    return f"{opening} ({numbers})."


def say_no_model(fusions: Sequence[str], controls: Sequence[str], contrast: Difference) -> str:
    """Return the sentence that fusion has no evidence where the chosen one is not shown to beat the constant answer."""
    fusion, rival = _name_sides(fusions, controls)
    return (
        f"No evidence that fusion helps: {fusion} is not shown to do better than no model at all (over "
        f"{rival} {_measured(contrast.interval)})."
    )


def say_primary(first: str, second: str, contrast: Difference, word: str, rules: Rules) -> str:
    """Return the sentence on the one contrast that was declared before the study; its p needs no adjustment."""
    interval, p = contrast.interval, f"p {spell_p(contrast.p)}"
    if word in WON or word in LOST:
        verb = "beats" if word in WON else "loses to"
        return f"{DECLARED}{first} {verb} {second} {_by(interval)}, {p}, {_seeds(interval)}."
    if word == "equal":
        return f"{DECLARED}{first} and {second} are equal within {spell_margin(rules.margin)} ({_measured(interval)})."
    small = f", sure but below the margin of {spell_margin(rules.margin)}" if word == "small" else ""
    return (
        f"{DECLARED}no evidence that {first} differs from {second}{' enough to matter' if small else ''} "
        f"(Δ {_points(interval.mean)}, {_interval(interval)}, {p}{small}, {_seeds(interval)})."
    )


def say_power(contrast: Difference, rules: Rules, rows: int) -> str:
    """Return the sentence on what the study could have seen of a contrast, and what would decide one margin.

    Args:
        contrast: of two designs.
        rules: that it is judged by.
        rows: of test.
    """
    least = Precision.of(contrast.components, rows).detectable(contrast.components.seeds, rows, rules.alpha)
    needed = say_needed(contrast, rules, rows)
    if not least:
        return "The two designs answered alike throughout, so what the study could have seen is not known."
    opening = (
        f"The smallest difference that this study could have told from none is {_points(least)} points (80 % power)"
    )
    return f"{opening}; {spell_margin(rules.goal)} takes {needed}." if needed else f"{opening}."


def say_needed(contrast: Difference, rules: Rules, rows: int, family: int = 1) -> str:
    """Return what it takes beyond this study to see a difference of one margin; nothing where it could see that.

    Args:
        contrast: of two designs.
        rules: that it is judged by.
        rows: of test.
        family: contrasts that are judged together: the first step of Holm divides alpha by their number.
    """
    seeds, precision = contrast.components.seeds, Precision.of(contrast.components, rows)
    alpha = rules.alpha / family
    if precision.detectable(seeds, rows, alpha) <= rules.goal:
        return ""
    by_seeds = None if seeds == 1 else precision.seeds_for(rules.goal, rows, alpha)
    by_rows = precision.rows_for(rules.goal, seeds, alpha)
    ways = [f"{by_seeds - seeds:,} more seeds"] if by_seeds else []
    ways += [f"{_round(by_rows - rows)} more test rows"] if by_rows else []
    if not ways:
        return "more seeds and more test rows together"
    lacking = [] if by_seeds or seeds == 1 else ["no number of seeds is enough on these rows"]
    lacking += [] if by_rows else ["no number of rows is enough with these seeds"]
    return " or ".join(ways) + "".join(f"; {reason}" for reason in lacking)


def say_tuning(tuning: Mapping[str, Any] | None) -> list[str]:
    """Return the sentences on how the designs were tuned."""
    if not tuning:
        return []
    if "splits" in tuning:
        draws, splits = len(tuning["splits"][0]["draws"]), len(tuning["splits"])
        return [
            f"Tuned anew on each of {splits} splits: {draws} draws of {tuning['space']}, the same for every design, "
            f"and each design's own settings; validation chose by {tuning['metric']}. Tuning never saw the split's "
            "test rows."
        ]
    draws, own = len(tuning["draws"]), sum(1 for number in tuning["chosen"].values() if number == 0)
    untuned = f"; {own} of {len(tuning['chosen'])} designs kept their own settings" if own else ""
    return [
        f"Tuned: {draws} draws of {tuning['space']}, the same for every design, and each design's own settings; "
        f"validation chose by {tuning['metric']}{untuned}. Tuning never saw test."
    ]


def say_choice(fusions: Sequence[str], controls: Sequence[str], tied: Sequence[str], alone: bool) -> str:
    """Return the sentence on how the two designs of the study's verdict were chosen.

    Args:
        fusions: the design that was chosen for each seed.
        controls: the same of the controls.
        tied: others that were as good on validation.
        alone: no other control was compared.
    """
    equals = f" As good there: {', '.join(tied)}." if tied else ""
    opening = f"Chosen for each seed by the validation of other seeds: {_often(fusions)}"
    if alone:
        return f"{opening}. {controls[0]} is the only unimodal control; the other modality alone may do better.{equals}"
    return f"{opening}; of the unimodal controls {_often(controls)}.{equals}"


def say_confirmed(fusion: str, control: str, seeds: int) -> str:
    """Return the sentence on a verdict that rests on fresh trainings alone."""
    return (
        f"Confirmed: {fusion} and {control} were chosen on validation, then trained again with {seeds} fresh seeds; "
        "the verdict is about these alone."
    )


def say_against_baseline(
    fusion: str, baseline: str, delta: Difference | None, p_holm: float | None, word: str, rules: Rules
) -> str:
    """Return the sentence on the chosen fusion against the baseline, with the p value that the table shows.

    Args:
        fusion: name of the design.
        baseline: name of the design.
        delta: fusion minus baseline; None where they are one.
        p_holm: of the difference, adjusted.
        word: the verdict on it; a floor is judged nowhere.
        rules: that it was judged by.
    """
    if delta is None or p_holm is None:
        return "That fusion is the baseline itself."
    interval, p = delta.interval, f"Holm-adjusted p {spell_p(p_holm)}"
    if word == "floor":
        word = judge(interval.mean, p_holm, rules.margin, rules.lower, alpha=rules.alpha)
    if word in WON or word in LOST:
        verb = "beats" if word in WON else "loses to"
        return f"Against the baseline: {fusion} {verb} {baseline} {_by(interval)}, {p}."
    if word == "equal":
        return (
            f"Against the baseline: {fusion} and {baseline} are equal within {spell_margin(rules.margin)} "
            f"(Δ {_points(interval.mean)}, {_interval(interval)})."
        )
    small = f": sure, but below the margin of {spell_margin(rules.margin)}" if word == "small" else ""
    return (
        f"Against the baseline: no evidence that {fusion} differs from {baseline}"
        f"{' enough to matter' if small else ''} (Δ {_points(interval.mean)}, {_interval(interval)}, {p}{small})."
    )


def say_majority(share: float, fusion: str, beaten: bool, constant: str = "most frequent label") -> str:
    """Return the sentence on the constant answer's score: a warning where the fusion is not shown to do better."""
    sentence = f"Always answering the {constant} scores {_points(share)} points."
    if beaten:
        return sentence
    return f"Warning: {fusion} is not shown to do better than no model at all. {sentence} Look at the data first."


def say_families(primary: bool, verdict: bool, alpha: float = ALPHA) -> str:
    """Return the sentence on how many families of questions a report asks, each at its own 5 %.

    Args:
        primary: whether a contrast was declared.
        verdict: whether there is one on fusion.
        alpha: the p value below which a difference is sure; less than 5 % where seeds were added after looking.
    """
    questions = ["the contrast that was declared"] if primary else []
    questions += ["the study's verdict"] if verdict else []
    questions += ["differences from the baseline (Holm)", "equality with it (Holm)", "every pair (Holm)"]
    looks = f" Seeds were added after looking: p is sure below {alpha:g}, not 0.05." if alpha < ALPHA else ""
    return (
        f"{len(questions)} families of questions are asked here, each at 5 %: {', '.join(questions)}. Believe the one "
        f"that you came for.{looks}"
    )


def say_metric(metric: str, declared: str, headline: str) -> list[str]:
    """Return the sentences on the interval of a metric that is no mean over rows, and on whether it was declared."""
    sentences = []
    if metric in LOWER_IS_BETTER:
        sentences.append(
            "Every score here is relative MSE, lower is better: 100 points are the variance of the test rows' numbers. "
            "A negative difference is a smaller error; MSE in the number's own unit stands with every metric."
        )
    elif metric != headline:
        sentences.append(f"Every score here is {metric}: groups of test rows are bootstrapped, crossed with the seeds.")
    if metric != declared:
        sentences.append(f"This study declared {declared} before it began; {metric} was chosen afterwards.")
    return sentences


def _spoken(control: str) -> str:
    return control.replace("_", " ") if control in ("text_only", "image_only") else control


def _name_sides(fusions: Sequence[str], controls: Sequence[str]) -> tuple[str, str]:
    """Name the sides of the verdict; where the choice differs by seed, that which most seeds have is one of them."""
    (fusion, _), *other_fusions = Counter(fusions).most_common()
    (control, _), *other_controls = Counter(controls).most_common()
    rival = _spoken(control)
    return (
        f"the fusions chosen by seed, mostly {fusion}," if other_fusions else fusion,
        f"the best single modality by seed, mostly {rival}," if other_controls else rival,
    )


def _often(names: Sequence[str]) -> str:
    """`cross_attention (4 of 5 seeds), concat (1)`; a name alone where it was chosen throughout."""
    counts = Counter(names).most_common()
    if len(counts) == 1:
        return f"{counts[0][0]} (every seed)"
    (first, most), *others = counts
    return f"{first} ({most} of {len(names)} seeds), {', '.join(f'{name} ({count})' for name, count in others)}"


def _measured(delta: Interval) -> str:
    return f"Δ {_points(delta.mean)}, {_interval(delta)}, {_seeds(delta)}"


def _round(count: int) -> str:
    """Two leading digits are all that a forecast carries: 4,300."""
    step = 10 ** max(0, len(str(count)) - 2)
    return f"{-(-count // step) * step:,}"


def _by(delta: Interval) -> str:
    """`by 31.2 points, 95 % CI 30.0 to 32.4`: a loss is told as its size."""
    low, high = (delta.low, delta.high) if delta.mean > 0 else (-delta.high, -delta.low)
    size = abs(delta.mean)
    return f"by {_points(size)} points, 95 % CI {_points(low)} to {_points(high)}"


def _seeds(delta: Interval) -> str:
    return "1 seed" if delta.one_model else f"{delta.seeds} seeds"
