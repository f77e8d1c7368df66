"""The heat map of training health, its verdicts and its fixes."""

import re

import pytest

from interfuse.reports.health import COLUMNS, draw_heat_map, examine_histories, find_use, gather_norms
from interfuse.reports.svg import Scale
from interfuse.reports.vitals import MOST, gather_vitals, sum_up
from tests.reports.conftest import health_history, history


def test_norms_are_medians_over_seeds_and_layers_stand_below_their_block():
    norms = gather_norms({seed: health_history(2) for seed in range(2)} | {2: history(2)})
    assert list(norms) == [
        "image_adapter",
        "text_adapter",
        "fusion",
        "fusion.layers.0",
        "fusion.layers.1",
        "head",
    ] or list(norms) == ["image_adapter", "fusion", "fusion.layers.0", "fusion.layers.1", "head", "text_adapter"]
    assert norms["image_adapter"] == {1: pytest.approx(0.01), 2: pytest.approx(0.02)}  # of 0.01, 0.01, 0.1


def test_a_deeper_colour_is_a_larger_norm_and_zero_has_none():
    drawn = draw_heat_map({"a": {1: 0.01, 2: 1.0}, "b": {1: 0.1, 2: 0.0}}, Scale(0.01, 1.0, log=True), "d")
    assert re.findall(r'fill-opacity="([\d.]+)"', drawn) == ["0.07", "1.00", "0.54", "1"]
    assert drawn.count('class="cell none"') == 1
    assert "b, epoch 1: 0.1" in drawn


def test_many_epochs_share_columns():
    drawn = draw_heat_map({"a": dict.fromkeys(range(1, 1001), 1.0)}, Scale(0.1, 1.0, log=True), "d")
    assert drawn.count("<rect") == COLUMNS
    assert "epochs 1 to 25" in drawn


def test_verdicts_and_findings_are_counted_over_seeds():
    seeds = {0: health_history(), 1: health_history(word="vanishing"), 2: health_history(word="vanishing")}
    training = examine_histories({"a": seeds}).trainings[0]
    assert training.words == [("vanishing", 2), ("healthy", 1)]
    assert [(a.word, a.where, a.fix, a.seeds) for a in training.advice] == [
        ("vanishing", "image_adapter", "norm=standard", 2)
    ]
    assert not training.healthy
    assert examine_histories({"a": {0: [{"epoch": 1}]}}) is None


def test_use_is_of_the_last_epoch_measured_with_the_range_over_seeds():
    image, text = find_use({0: health_history(2), 1: health_history(4)})
    assert image == pytest.approx((0.3, 0.2, 0.4))
    assert text == pytest.approx((0.6, 0.6, 0.6))
    assert find_use({0: history(3)}) is None


def test_vitals_of_blocks_attention_gates_and_speeds_are_told_where_they_are_known():
    told = {vitals.head: vitals.lines for vitals in gather_vitals({0: health_history(2), 1: health_history(3)})}
    assert told == {
        ("block", "largest update", "late update", "zeros"): [
            (block, ["0.001", "0.001", "0 %"]) for block in ("image_adapter", "fusion", "head")
        ],
        ("attention", "entropy", "dead heads"): [("fusion.layers.0", ["0.8", "1 of 4"])],  # one key tells nothing
        ("gate", "saturated"): [("fusion.gate", ["3.1 %"])],
        ("speed", "image : text"): [("OGM ratio", ["1.2"])],
    }
    plain = [{**row, "attention": [], "gates": [], "ogm_ratio": None} for row in health_history(2)]
    assert [vitals.head[0] for vitals in gather_vitals({0: plain})] == ["block"]
    assert gather_vitals({0: history(3)}) == []


def test_vitals_are_medians_over_the_last_fifth_of_each_training_and_then_over_seeds():
    def rows(*ratios):
        return [
            {"epoch": epoch, "parts": [{"part": "fusion", "update_ratio": ratio, "zeros": None}]}
            for epoch, ratio in enumerate(ratios, 1)
        ]

    seeds = {0: rows(*[1.0] * 8, 0.1, 0.3), 1: rows(1.0, 0.4), 2: rows(*[1.0] * 4, float("nan"))}
    assert sum_up(seeds, "parts", "part") == {"fusion": {"update_ratio": pytest.approx(0.3)}}  # of 0.2 and 0.4
    assert gather_vitals(seeds)[0].lines == [("fusion", ["1", "0.3", "–"])]


def test_of_many_attentions_the_first_are_listed_and_the_rest_counted():
    attention = [{"name": f"a{n}", "entropy": 0.5, "heads": 4, "dead_heads": 0} for n in range(MOST + 3)]
    (found,) = gather_vitals({0: [{"epoch": 1, "attention": attention}]})
    assert (len(found.lines), found.hidden) == (MOST, 3)
