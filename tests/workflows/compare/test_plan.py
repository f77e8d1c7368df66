"""From a request to a plan: rows are read, then checked, then encoded; a floor is parsed once; nothing is trained."""

import polars as pl
import pytest
import torch

from interfuse.core.errors import ConfigError
from interfuse.core.progress import Silent
from interfuse.data import SourceSettings
from interfuse.workflows import CompareSettings, EncoderSettings, Source, prepare
from interfuse.workflows.compare import floors
from interfuse.workflows.compare.plan import settle
from interfuse.workflows.compare.request import read_request
from interfuse.workflows.train import encode_rows, read_rows

SMALL = {"dim": 16, "num_heads": 4}


def test_a_plan_names_and_sizes_every_design_and_nothing_is_on_disk_yet(tmp_path):
    source = Source("known:xor")
    words = {"baseline": "concat:hidden=4", "primary": "product vs concat:hidden=match"}
    request = read_request(CompareSettings(fusions="product,concat:hidden=4:name=narrow", base=SMALL, **words), source)
    plan = settle(request, prepare(source, Silent()), tmp_path / "study", Silent())
    roles = {entry["name"]: entry["role"] for entry in plan.record["designs"]}
    linear = {"logistic_image", "logistic_text", "logistic"}
    (matched,) = set(roles) - {"image_only", "text_only", "concat", "product", "narrow", *linear}
    assert matched.startswith("concat:hidden=")
    assert plan.record["primary"] == {"first": "product", "second": matched}
    floors = {"image_only", "text_only", "concat", matched, *linear}
    assert {name for name, role in roles.items() if role == "floor"} == floors
    assert roles["narrow"] == "baseline"
    assert not (tmp_path / "study").exists()


def test_a_floor_is_parsed_once(tmp_path, monkeypatch):
    parsed: list[str] = []
    parse = floors.parse_designs
    monkeypatch.setattr(floors, "parse_designs", lambda text, base: parsed.append(text) or parse(text, base))
    source = Source("known:xor")
    request = read_request(CompareSettings(fusions="cross_attention", base=SMALL), source)
    rows = read_rows(source, Silent())
    request.check(rows)
    settle(request, encode_rows(rows, Silent()), tmp_path, Silent())
    assert sorted(parsed) == sorted([floors.FLOORS, floors.MATCHING_FLOOR, floors.RIVAL])


def test_rows_are_read_and_refused_before_any_store_is_opened(tmp_path):
    table = pl.DataFrame({"text": [f"word {n}" for n in range(60)], "price": [n * 1.5 for n in range(60)]})
    read = SourceSettings(image="none", text="text", label="price", folds=3)
    source = Source(table, read, EncoderSettings(store=tmp_path / "store"))
    request = read_request(CompareSettings(fusions="text_only", base={"class_weights": "balanced"}), source)
    rows = read_rows(source, Silent())
    assert (rows.task, len(rows.folds), len(rows.label_names)) == ("regression", 3, 1)
    assert (
        sorted(torch.cat(rows.list_test_labels()).tolist()) == table["price"].to_list()
    )  # every row is a test row once
    with pytest.raises(ConfigError, match="class_weights=balanced is for classes"):
        request.check(rows)
    assert not (tmp_path / "store").exists()
