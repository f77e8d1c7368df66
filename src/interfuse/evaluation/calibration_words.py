"""Calibration as a record with its verdict in words."""

from interfuse.core.diagnosis import Measure, Value
from interfuse.evaluation.calibration import COLDEST, HOTTEST, Calibration, Temperature
from interfuse.evaluation.phrases import SMALL
from interfuse.evaluation.phrases import spell_points as _points


def say_calibration(
    before: Calibration, rows: int, temperature: Temperature | None, after: Calibration | None
) -> Measure:
    """Return the measure of calibration: whether the probabilities can be trusted.

    Args:
        before: of the probabilities as they are.
        rows: that it was measured on.
        temperature: fitted on validation; None where there are no validation rows.
        after: of the probabilities at that temperature.
    """
    answer = f"Yes, as far as {rows:,} rows can tell"
    if before.is_off:
        answer = "Nearly" if before.debiased_ece < SMALL else "No"
    verdict = (
        f"{answer}: they are off by {_points(before.debiased_ece)} points on average (debiased ECE), and chance takes "
        f"a perfectly calibrated model up to {_points(before.band)}."
    )
    values = [
        Value("debiased ECE", before.debiased_ece),
        Value("debiased ECE of a perfectly calibrated model, 97.5 % quantile", before.band),
        Value("ECE", before.ece),
        Value("NLL", before.nll, "nats"),
        Value("Brier", before.brier, ""),
    ]
    notes: tuple[str, ...] = ()
    if temperature is None or after is None:
        notes = ("There are no validation rows to fit a temperature on.",)
    else:
        if answer == "No":
            verdict += _say_temperature(temperature, before, after)
        values += [
            Value("temperature (97.5 % interval)", temperature.value, "", temperature.low, temperature.high),
            Value("debiased ECE after scaling", after.debiased_ece),
            Value("NLL after scaling", after.nll, "nats"),
            Value("Brier after scaling", after.brier, ""),
        ]
    meaning = (
        "Expected calibration error: how far confidence and accuracy lie apart, over 15 bins. Plain ECE is above 0 by "
        "chance alone, the more the fewer the rows; the debiased one takes that away, and it is held to what it comes "
        "to when labels are drawn from the model's own probabilities, each answer by itself. Temperature scaling "
        "divides the logits by one number fitted on validation; it changes no answer."
    )
    curve = {"right": [(sure_, right) for _, sure_, right in before.bins]}
    return Measure(
        "calibration", "Can its probabilities be trusted?", verdict, meaning, tuple(values), rows, notes, curve
    )


def _say_temperature(temperature: Temperature, before: Calibration, after: Calibration) -> str:
    """Say in which direction probabilities that are off are wrong, where validation is sure, and whether it helps."""
    number = f"{temperature.value:.2f}"
    if temperature.is_at_bound:
        number += f" (the end of the range that is searched, {COLDEST:g} to {HOTTEST:g})"
    if not temperature.is_needed:
        interval = f"97.5 % interval {temperature.low:.2f} to {temperature.high:.2f}"
        return f" Validation does not say in which direction: temperature {number}, {interval}."
    phrase = "too sure of itself" if temperature.value > 1 else "not sure enough"
    remainder = f"{_points(after.debiased_ece)} points"
    helps = after.debiased_ece < before.debiased_ece
    end = f" leaves {remainder} here." if helps else f", which does not fix these rows ({remainder})."
    return f" The model is {phrase} on validation: temperature {number}{end}"
