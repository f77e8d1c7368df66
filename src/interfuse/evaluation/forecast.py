"""A plan: what so many seeds and rows could see, from what a pilot measured or from what is typical."""

from interfuse.core.forecast import Forecast, ForecastCell
from interfuse.evaluation.power import POWER, Precision, PrecisionRange

TYPICAL = PrecisionRange(
    estimate=Precision(seeds=2 * 0.010**2, rows=0.04, both=0.10),
    best=Precision(seeds=2 * 0.004**2, rows=0.01, both=0.04),
    worst=Precision(seeds=2 * 0.020**2, rows=0.10, both=0.20),
)
"""Without a pilot: trainings of a design differ by 1 point (0.4 to 2), two designs answer 14 % of the rows differently
(5 to 30), more than two thirds of it new in every training."""
SEEDS, ROW_FACTORS = (2, 3, 5, 8, 12, 20), (0.5, 1.0, 2.0, 5.0)


def forecast(
    subject: str,
    precision: PrecisionRange,
    now: tuple[int, int],
    difference: float = 0.01,
    seconds: float | None = None,
) -> Forecast:
    """Return what a contrast could see with more seeds and rows, and what finds a difference.

    Args:
        subject: what is contrasted.
        precision: of the contrast, with its range.
        now: seeds and test rows that there are.
        difference: that is to be found, a fraction.
        seconds: of one training of both designs; none: not measured.
    """
    seeds, rows = now
    cells = []
    for many in sorted({*SEEDS, seeds} - {1}):
        for factor in ROW_FACTORS:
            count = max(2, round(factor * rows))
            middle, best, worst = (
                one.detectable(many, count) for one in (precision.estimate, precision.best, precision.worst)
            )
            hours = None if seconds is None else many * seconds / 3600
            cells.append(ForecastCell(many, count, middle, best, worst, hours))
    ends = precision.best, precision.worst
    return Forecast(
        subject=subject,
        difference=difference,
        power=POWER,
        cells=cells,
        seeds_needed=(ends[0].seeds_for(difference, rows), ends[1].seeds_for(difference, rows)),
        rows_needed=(ends[0].rows_for(difference, max(2, seeds)), ends[1].rows_for(difference, max(2, seeds))),
        seeds=seeds,
        rows=rows,
    )
