"""What a study could have seen: by formula, by simulation, and from a pilot."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t as student

from interfuse.evaluation import Components, Precision, Regime, measure_components
from interfuse.evaluation.power import PrecisionRange


def test_with_rows_alone_it_is_the_power_of_a_one_sample_t_test():
    precision = Precision(seeds=0.0, rows=1.0, both=0.0)  # differences of standard deviation 1
    assert precision.detectable(1, 34) < 0.5 < precision.detectable(1, 33)  # Cohen's tables: 34 rows for d = 0.5
    assert precision.rows_for(0.2, seeds=1) == 199  # and 199 for d = 0.2


def test_the_parts_of_a_layout_that_was_made_up_are_found_again():
    draw = np.random.default_rng(0)
    seeds, rows = 60, 4000
    table = (
        0.02 * draw.normal(size=(seeds, 1)) + 0.3 * draw.normal(size=(1, rows)) + 0.5 * draw.normal(size=(seeds, rows))
    )
    precision = Precision.of(measure_components(table), rows)
    assert (precision.seeds, precision.rows, precision.both) == pytest.approx((4e-4, 0.09, 0.25), rel=0.25)
    assert precision.error(seeds, rows) ** 2 == pytest.approx(4e-4 / 60 + 0.09 / 4000 + 0.25 / 240_000, rel=0.25)


def test_more_seeds_do_not_help_where_the_rows_are_too_few_and_the_other_way_round():
    rows_matter = Precision(seeds=1e-6, rows=0.2, both=0.1)
    assert rows_matter.seeds_for(0.01, rows=500) is None
    assert rows_matter.rows_for(0.01, seeds=5) > 10_000
    seeds_matter = Precision(seeds=4e-4, rows=1e-4, both=0.01)
    assert seeds_matter.rows_for(0.01, seeds=2) is None
    needed = seeds_matter.seeds_for(0.01, rows=1000)
    assert seeds_matter.detectable(needed, 1000) <= 0.01 < seeds_matter.detectable(needed - 1, 1000)


@pytest.mark.parametrize(
    "regime", [Regime(seeds=5, designs=2, unlike=0.0), Regime(seeds=8, designs=2, rows=400, unlike=0.0)]
)
def test_what_is_planned_with_true_parts_is_found_four_times_in_five(regime):
    random = np.random.default_rng(0)
    pilots = [replace(regime, seeds=30, rows=3000).draw(random) for _ in range(5)]
    large = [Precision.of(pilot["d0"].minus(pilot["d1"]), 3000) for pilot in pilots]
    precision = Precision(
        *(float(np.mean([getattr(one, name) for one in large])) for name in ("seeds", "rows", "both"))
    )
    least, hits = precision.detectable(regime.seeds, regime.rows), 0
    for _ in range(400):
        study = regime.draw(random)
        parts = study["d0"].minus(study["d1"])
        variance, df = parts.combine()
        hits += (parts.mean + least) / np.sqrt(variance) > student.isf(0.025, df)
    assert 0.72 <= hits / 400 <= 0.88  # 80 %, standard error 2 points, and the precision is an estimate itself


def test_a_pilot_shows_a_range_that_holds_the_true_need():
    regime, random = Regime(seeds=3, designs=2, rows=2000, luck=0.15, unlike=0.0), np.random.default_rng(1)
    pilots = [replace(regime, seeds=40).draw(random) for _ in range(4)]
    large = [Precision.of(pilot["d0"].minus(pilot["d1"]), 2000) for pilot in pilots]
    true = Precision(*(float(np.mean([getattr(one, name) for one in large])) for name in ("seeds", "rows", "both")))
    need, held = true.seeds_for(0.04, 2000), 0
    for _ in range(100):
        pilot = regime.draw(random)
        known = PrecisionRange.of(pilot["d0"].minus(pilot["d1"]), 2000)
        best, worst = known.best.seeds_for(0.04, 2000), known.worst.seeds_for(0.04, 2000)
        held += best <= need and (worst is None or need <= worst)
    assert held >= 85


def test_one_seed_knows_nothing_of_trainings():
    parts = Components(0.8, 1, 500, 0.0, 1e-4, 0.0, 0.0, 499.0)
    assert Precision.of(parts, 1000) == Precision(0.0, 0.1, 0.0, 2.0)
