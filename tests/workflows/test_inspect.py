"""The dry run: what it counts is counted by hand, and the page needs nothing from outside."""

import io
import json
import os
import re

import numpy as np
import polars as pl
import pytest
from PIL import Image
from rich.console import Console

from interfuse.cli.main import run
from interfuse.core.errors import DataError
from interfuse.data import SourceSettings
from interfuse.data.pictures.remote import to_name
from interfuse.reports import inspection_to_html, inspection_to_json, print_inspection
from interfuse.workflows import Source, inspect_source
from interfuse.workflows.inspect import _measure
from tests.shop import draw_scene


@pytest.fixture
def shop(make_shop):
    """Twenty pictures of growing width; picture 0 is in train and test, once with the same text."""

    def row(number):
        part = "train" if number < 12 else "val" if number < 16 else "test"
        return Image.new("RGB", (10 + number, 8), (9 * number, 5, 5)), f"thing {number} <b>", "ab"[number % 2], part

    folder, table = make_shop(20, row, ("photo", "title", "kind", "part"), packaged=False)
    more = [
        ("0.png", "thing 0 <b>", "a", "test"),
        ("0.png", "thing 1 <b>", "b", "test"),
        (None, "no picture here", "b", "test"),
        ("gone.png", "lost", "a", "test"),
    ]
    pl.concat([table, pl.DataFrame(more, schema=table.schema, orient="row")]).write_csv(folder / "shop.csv")
    return folder


def look(folder, **given):
    settings = SourceSettings(**{"image": "photo", "text": "title", "label": "kind", "split": "part", **given})
    return inspect_source(Source(str(folder / "shop.csv"), settings))


def test_counts_gaps_lengths_and_sizes_are_what_the_rows_have(shop):
    found = look(shop)
    assert found.rows == {"train": 12, "validation": 4, "test": 8}
    assert found.labels == {
        "a": {"train": 6, "validation": 2, "test": 4},
        "b": {"train": 6, "validation": 2, "test": 4},
    }
    assert found.missing["image"] == {"train": 0, "validation": 0, "test": 2}
    assert found.missing["text"] == {"train": 0, "validation": 0, "test": 0}
    assert (found.pictures, found.texts, found.formats) == (20, 22, {"PNG": 20})
    width = found.sizes["width"]
    assert (width.count, width.mean, width.quantiles[0], width.quantiles[3], width.quantiles[-1]) == (
        20,
        19.5,
        10,
        19.5,
        29,
    )
    lengths = [len(f"thing {n} <b>".split()) for n in [*range(20), 0, 1]] + [3, 1]
    assert found.lengths["words"].mean == pytest.approx(np.mean(lengths))
    assert found.lengths["words"].quantiles == tuple(np.quantile(lengths, (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)))
    assert found.trouble_count == 1
    assert "gone.png" in found.troubles[0]


def test_leaks_between_splits_are_found_with_an_example(shop):
    found = {leak.what: leak for leak in look(shop).leaks}
    assert (found["picture"].items, found["picture"].rows, found["picture"].example) == (1, 3, "train 0, test 20")
    assert (found["picture and text"].items, found["picture and text"].rows) == (1, 2)
    assert (found["text"].items, found["text"].rows) == (2, 4)
    warnings = look(shop).warnings
    assert sum(warning.startswith("A leak: ") for warning in warnings) == 2
    assert any("none in train: what stands for an absent image will not be trained" in w for w in warnings)
    made = look(shop, split=None)
    assert [leak.what for leak in made.leaks] in ([], ["text"])


def test_the_page_stands_alone_and_lets_no_text_be_markup(shop):
    found = look(shop)
    page = inspection_to_html(found)
    assert "<b>" not in page.replace("<b>Interfuse</b>", "")
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert "<script" not in page
    assert page.count('src="data:image/jpeg;base64,') == sum(sample.thumbnail is not None for sample in found.samples)
    assert len(found.samples) == 6
    assert {sample.label for sample in found.samples} == {"a", "b"}
    assert "rows without image" in page
    plain = json.loads(inspection_to_json(found))
    assert plain["rows"] == found.rows
    assert "thumbnail" not in plain["samples"][0]


def test_the_terminal_tells_counts_leaks_and_warnings(shop):
    buffer = io.StringIO()
    print_inspection(look(shop), Console(file=buffer, width=160))
    told = buffer.getvalue()
    for part in (
        "12 train, 4 validation, 8 test",
        "a 12, b 12",
        "1 × the same picture and text (2 rows;",
        "warning: A leak",
    ):
        assert part in told


def test_every_task_can_be_looked_at(shop):
    frame = pl.read_csv(shop / "shop.csv").with_columns(
        pl.Series("price", [n + 0.5 for n in range(24)]), pl.Series("tags", ["x|y", ""] * 12)
    )
    frame.write_csv(shop / "shop.csv")
    numbers = look(shop, label="price")
    assert numbers.labels == {}
    assert numbers.target["train"].mean == pytest.approx(np.mean(np.arange(12) + 0.5))
    assert "number to predict, train" in inspection_to_html(numbers)
    pairs = look(shop, label=None)
    assert pairs.labels["1"] == pairs.labels["0"]
    frame.with_columns(pl.Series("tags", ["x|y", "|"] * 12)).write_csv(shop / "shop.csv")
    several = look(shop, label="tags")
    assert (several.unlabelled, several.labels["x"]["train"]) == (12, 6)
    assert "no label" in inspection_to_html(several)
    with pytest.raises(DataError, match="known:xor is made of tokens"):
        inspect_source(Source("known:xor"))


def test_from_the_shell(shop, capsys):
    arguments = ["inspect", str(shop / "shop.csv"), "--image", "photo", "--text", "title", "--label", "kind"]
    with pytest.raises(SystemExit) as stop:
        run([*arguments, "--split", "part", "--out", str(shop / "page.html"), "--format", "json"])
    assert stop.value.code == 0
    caught = capsys.readouterr()
    assert json.loads(caught.out)["pictures"] == 20
    assert "straddles the given split: a leak" in caught.err
    assert (shop / "page.html").read_text().startswith("<!doctype html>")


def test_a_picture_whose_name_is_not_utf8_is_measured(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    Image.new("RGB", (30, 20)).save(path)
    sizes, formats = _measure([to_name(path)], lambda: None)
    assert (sizes["width"].mean, sizes["height"].mean, formats) == (30, 20, {"PNG": 1})


def test_near_copies_in_two_splits_are_told_by_the_page_and_the_terminal(tmp_path):
    draw = np.random.default_rng(0)
    for number in range(6):
        scene = draw_scene(draw)
        scene.save(tmp_path / f"{number}.png")
        scene.save(tmp_path / f"{number}.jpg", quality=70)
    names = [f"{number}.{ending}" for ending in ("png", "jpg") for number in range(6)]
    parts = ["train"] * 6 + ["test"] * 3 + ["val"] * 3
    columns = {"photo": names, "title": [f"t{n}" for n in range(12)], "kind": list("ab") * 6, "part": parts}
    pl.DataFrame(columns).write_csv(tmp_path / "shop.csv")
    inspection = look(tmp_path)
    assert [(leak.what, leak.items, leak.rows) for leak in inspection.leaks] == [("near-copy", 6, 12)]
    assert inspection.warnings[0].startswith("A leak: near-copies of 6 pictures stand in two splits or more (12 rows;")
    assert "near-copies of one picture in two splits" in inspection_to_html(inspection)
    buffer = io.StringIO()
    print_inspection(inspection, Console(file=buffer, width=160))
    assert "In two splits or more: 6 × near-copies of one picture (12 rows; train 0, test 6)." in buffer.getvalue()
    assert look(tmp_path, copies="exact").leaks == []
    assert look(tmp_path, split=None).leaks == []
