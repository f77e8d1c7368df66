"""A study that goes on: what differs from the one in the folder is told setting by setting, with both values."""

import pytest

from interfuse.core.design import parse_designs
from interfuse.core.errors import ConfigError
from interfuse.core.settings import to_plain
from interfuse.workflows import Study


def record_of(designs="concat:hidden=8,cross_attention", epochs=6, fingerprint="a", rows=80, **more):
    return {
        "designs": [
            {**to_plain(design), "key": design.key, "role": "contender"}
            for design in parse_designs(designs, {"epochs": epochs})
        ],
        "seeds": [0, 1],
        "folds": 1,
        "baseline": "concat:hidden=8",
        "margin": 0.01,
        "metric": "accuracy",
        "encoders": {"image": {"name": "efficientnet-lite0", "image_size": 64}, "text": {"name": "minilm"}},
        "data": {"task": "multiclass", "source": "shop.csv", "rows": {"test": rows}, "fingerprint": fingerprint},
        **more,
    }


SIZE_96 = {"image": {"name": "efficientnet-lite0", "image_size": 96}, "text": {"name": "minilm"}}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"epochs": 8}, "epochs of every design is 6, now given: 8. Give another"),
        (
            {"designs": "concat:hidden=8,film"},
            "designs are concat:hidden=8, cross_attention, now given: concat:hidden=8, f",
        ),
        (
            {"margin": 0.02, "seeds": [0]},
            r"its seeds are \[0, 1\], now given: \[0\]; its margin is 0.01, now given: 0.02.",
        ),
        ({"encoders": SIZE_96}, "encoders.image.image_size is 64, now given: 96."),
        ({"fingerprint": "b", "rows": 90}, "rows of its data is {'test': 80}, now given: {'test': 90}."),
        ({"fingerprint": "b"}, "the rows of shop.csv are not what they were"),
    ],
)
def test_what_differs_is_named_with_both_values(tmp_path, other, message):
    Study.begin(tmp_path, record_of())
    with pytest.raises(ConfigError, match=message):
        Study.begin(tmp_path, record_of(**other))


def test_a_setting_of_one_design_is_told_with_its_name(tmp_path):
    Study.begin(tmp_path, record_of("concat:hidden=8,cross_attention:layers=2:name=deep"))
    with pytest.raises(ConfigError, match="comparison: layers of deep is 2, now given: 3. Give"):
        Study.begin(tmp_path, record_of("concat:hidden=8,cross_attention:layers=3:name=deep"))


def test_the_same_study_goes_on_whatever_the_roles(tmp_path):
    Study.begin(tmp_path, record_of())
    again = record_of()
    again["designs"][1]["role"] = "floor"
    assert Study.begin(tmp_path, again).record["designs"][1]["role"] == "contender"
