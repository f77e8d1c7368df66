"""Floors: in every table, whatever was asked for, and called floors."""

import pytest

from interfuse.core.design import parse_designs
from interfuse.workflows import CompareSettings, Source
from interfuse.workflows.compare.floors import name_role, read_floors
from interfuse.workflows.compare.request import read_request

MATCHED, TOWERS = "concat:hidden=match", "two_tower:contrastive=1.0"
LINEAR = {"tfidf", "logistic_image", "logistic_text", "logistic"}
ALWAYS = {"image_only", "text_only", "concat", MATCHED, *LINEAR}


def names(asked: str, task: str = "multiclass", **base) -> list[str]:
    return [design.name for design in read_floors(base).add(parse_designs(asked, base), task)]


@pytest.mark.parametrize(
    ("asked", "task", "added"),
    [
        ("product", "multiclass", ALWAYS),
        ("concat:hidden=32", "multiclass", ALWAYS),
        (MATCHED, "multiclass", ALWAYS - {MATCHED}),
        ("text_only:encoder_layers=1", "multiclass", ALWAYS - {"text_only"}),
        ("text_only:encoder_layers=1,tfidf:class_weights=balanced", "multiclass", ALWAYS - {"text_only", "tfidf"}),
        ("cross_attention", "multiclass", ALWAYS | {"merged_attention"}),
        ("cross_attention,merged_attention:num_layers=2", "multiclass", ALWAYS),
        ("cross_attention:pool=mean", "multiclass", ALWAYS),
        ("product", "matching", ALWAYS | {TOWERS}),
        ("two_tower", "matching", ALWAYS | {TOWERS}),
        ("two_tower:contrastive=0.5", "matching", ALWAYS),
    ],
)
def test_what_was_asked_for_stands_for_its_own_floor_only(asked, task, added):
    assert set(names(asked, task)) - set(asked.split(",")) == added


def test_floors_come_first_and_rivals_last():
    found = names("cross_attention,product")
    assert found[:4] == ["image_only", "text_only", "concat", MATCHED]
    assert found[-1] == "merged_attention"


def test_linear_floors_may_be_left_out_and_tokens_alone_have_no_tfidf():
    for settings, expected in (({}, LINEAR - {"tfidf"}), ({"linear_floors": False}, set())):
        request = read_request(CompareSettings(fusions="product", **settings), Source("known:xor"))
        assert {design.name for design in request.floors.linear} == expected
        assert {design.name for design in request.floors.add(request.designs, "multiclass")} >= expected
    few = read_floors({}).add(parse_designs("product", {}), "multiclass", linear=False)
    assert not {design.name for design in few} & LINEAR


def test_every_floor_is_called_a_floor_and_a_rival_is_judged():
    floors = read_floors({})
    designs = floors.add(parse_designs("concat:hidden=32,cross_attention,two_tower", {}), "matching")
    roles = {design.name: name_role(design, "concat:hidden=32", floors.names([])) for design in designs}
    assert {name for name, role in roles.items() if role == "floor"} == {*ALWAYS, TOWERS}
    assert roles["concat:hidden=32"] == "baseline"
    assert roles["cross_attention"] == roles["merged_attention"] == roles["two_tower"] == "contender"


def test_a_setting_that_all_designs_share_does_not_hide_a_floor():
    base = {"contrastive": 1.0}
    floors = read_floors(base)
    designs = floors.add(parse_designs("product", base), "matching")
    towers = next(design for design in designs if design.fusion == "two_tower")
    assert name_role(towers, "concat", floors.names([])) == "floor"
    assert name_role(towers, "concat", floors.names([towers])) == "contender"  # who asks for it wants a verdict
