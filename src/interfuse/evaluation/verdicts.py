"""Verdicts: the words of a table and the sentences above it. Numbers come in as fractions, prose is in points."""

from collections.abc import Mapping, Sequence
from typing import Any

from interfuse.core.tasks import LOWER_IS_BETTER
from interfuse.evaluation.intervals import Interval

ALPHA = 0.05
DECLARED = "Declared beforehand: "
NO_VERDICT = (
    "No verdict on fusion: it takes a fusion and a unimodal control. Add text_only and image_only to the designs."
)
NO_VALIDATION = "No verdict on fusion: its two designs are chosen on validation, and there is no validation row."
ONE_SEED = (
    "One seed: every interval here is for this one trained model only and says nothing of the next training of the "
    "same design. Use seeds=5."
)


def judge(delta: float, p: float, margin: float, lower: bool = False) -> str:
    """Return `wins` or `loses` where the difference is sure and above the margin, else `no evidence`.

    `lower`: the score is an error, less of it is better.

    >>> judge(0.02, 0.001, margin=0.01), judge(-0.02, 0.001, margin=0.01), judge(0.005, 0.001, margin=0.01)
    ('wins', 'loses', 'no evidence')
    """
    if p < ALPHA and abs(delta) > margin:
        return "wins" if (delta > 0) != lower else "loses"
    return "no evidence"


def say_study(fusion: str, control: str, contrast: Interval, margin: float, lower: bool = False) -> str:
    """Return the sentence on whether the chosen fusion beats the chosen unimodal control."""
    rival, verdict = _spoken(control), judge(contrast.mean, contrast.p, margin, lower)
    if verdict == "no evidence":
        opening = f"No evidence that fusion beats {rival}"
        if contrast.p < ALPHA:
            opening += f": the difference is sure but too small to matter, below the margin of {_margin(margin)}"
        return f"{opening} (Δ {_points(contrast.mean)}, {_interval(contrast)}, {_seeds(contrast)})."
    word = "beats" if verdict == "wins" else "loses to"
    return f"Fusion {word} {rival} ({fusion} {_by(contrast)}, {_seeds(contrast)})."


def say_no_model(fusion: str, control: str, contrast: Interval) -> str:
    """Return the sentence that fusion has no evidence where the chosen one is not shown to beat the constant answer."""
    return (
        f"No evidence that fusion helps: {fusion} is not shown to do better than no model at all (over "
        f"{_spoken(control)} Δ {_points(contrast.mean)}, {_interval(contrast)}, {_seeds(contrast)})."
    )


def say_primary(first: str, second: str, contrast: Interval, margin: float, lower: bool = False) -> str:
    """Return the sentence on the one contrast that was declared before the study; its p needs no adjustment."""
    verdict, p = judge(contrast.mean, contrast.p, margin, lower), f"p {_p_value(contrast.p)}"
    opening = DECLARED
    if verdict == "no evidence":
        small = f", sure but below the margin of {_margin(margin)}" if contrast.p < ALPHA else ""
        return (
            f"{opening}no evidence that {first} differs from {second}{' enough to matter' if small else ''} "
            f"(Δ {_points(contrast.mean)}, {_interval(contrast)}, {p}{small}, {_seeds(contrast)})."
        )
    word = "beats" if verdict == "wins" else "loses to"
    return f"{opening}{first} {word} {second} {_by(contrast)}, {p}, {_seeds(contrast)}."


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


def say_choice(fusion: str, control: str, tied: Sequence[str], alone: bool) -> str:
    """Return the sentence on how the two designs of the study's verdict were chosen.

    `tied`: others that were as good on validation; `alone`: no other control was compared.
    """
    equals = f" As good there: {', '.join(tied)}." if tied else ""
    opening = f"Chosen on validation, never on test: {fusion} is the best fusion there"
    if alone:
        return f"{opening}. {control} is the only unimodal control; the other modality alone may do better.{equals}"
    return f"{opening}, {control} the best unimodal control.{equals}"


def say_against_baseline(
    fusion: str, baseline: str, delta: Interval | None, p_holm: float, margin: float, lower: bool = False
) -> str:
    """Return the sentence on the chosen fusion against the baseline, with the p value that the table shows."""
    if delta is None:
        return f"That fusion is the baseline itself: no other design did better than {baseline} on validation."
    verdict, p = judge(delta.mean, p_holm, margin, lower), f"Holm-adjusted p {_p_value(p_holm)}"
    if verdict == "no evidence":
        small = f": sure, but below the margin of {_margin(margin)}" if p_holm < ALPHA else ""
        return (
            f"Against the baseline: no evidence that {fusion} differs from {baseline}"
            f"{' enough to matter' if small else ''} (Δ {_points(delta.mean)}, {_interval(delta)}, {p}{small})."
        )
    word = "beats" if verdict == "wins" else "loses to"
    return f"Against the baseline: {fusion} {word} {baseline} {_by(delta)}, {p}."


def say_majority(
    share: float, fusion: str, above: Interval, constant: str = "most frequent label", lower: bool = False
) -> str:
    """Return the sentence on the constant answer's score: a warning where the fusion is not shown to do better."""
    sentence = f"Always answering the {constant} scores {_points(share)} points."
    if judge(above.mean, above.p, 0.0, lower) == "wins":
        return sentence
    return f"Warning: {fusion} is not shown to do better than no model at all. {sentence} Look at the data first."


def _spoken(control: str) -> str:
    return control.replace("_", " ") if control in ("text_only", "image_only") else control


def _by(delta: Interval) -> str:
    """`by 31.2 points, 95 % CI 30.0 to 32.4`: a loss is told as its size."""
    low, high = (delta.low, delta.high) if delta.mean > 0 else (-delta.high, -delta.low)
    size = abs(delta.mean)
    return f"by {_points(size)} points, 95 % CI {_points(low)} to {_points(high)}"


def _interval(delta: Interval) -> str:
    return f"95 % CI {_points(delta.low)} to {_points(delta.high)}"


def _seeds(delta: Interval) -> str:
    return "1 seed" if delta.one_model else f"{delta.seeds} seeds"


def _margin(margin: float) -> str:
    return "1 point" if margin == 0.01 else f"{100 * margin:g} points"


def _points(value: float) -> str:
    """Write a fraction in points: `−0.4` for -0.004, and no minus before a zero."""
    text = f"{100 * value:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", "−")


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


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
