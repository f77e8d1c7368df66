"""Every command that reads rows lists those in trouble in a file, also what only decoding finds; strict stops at it."""

import csv

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from interfuse.cli.app import app
from interfuse.core.errors import DataError
from interfuse.core.progress import Silent
from interfuse.data import SourceSettings
from interfuse.workflows.source import Source
from interfuse.workflows.train import read_rows
from tests.shop import draw_scene

BROKEN = {3: "the file does not exist", 8: "cannot be decoded", 20: "line 22: the row has 2 cells, the header has 4"}


@pytest.fixture(scope="module")
def shop(make_shop):
    def row(number):
        part = "train" if number < 24 else "val" if number < 32 else "test"
        return Image.effect_noise((24, 24), 9 + number), f"thing {number}", "ab"[number % 2], part

    folder, table = make_shop(40, row, ("image", "text", "label", "split"))
    (folder / "3.png").unlink()
    whole = (folder / "8.png").read_bytes()
    (folder / "8.png").write_bytes(whole[: len(whole) // 2])
    lines = table.write_csv().splitlines()
    lines[21] = "20.png,short"
    (folder / "rows.csv").write_text("\n".join(lines))
    return folder


def call(*words) -> str:
    done = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def listed(path) -> dict[int, str]:
    with path.open(encoding="utf-8", newline="") as handle:
        return {int(line["row"]): line["reason"] for line in csv.DictReader(handle)}


def holds(path, rows) -> None:
    found = listed(path)
    assert set(found) == set(rows)
    assert all(BROKEN[row] in found[row] for row in rows), found


def test_encode_train_evaluate_and_inspect_list_the_rows_in_trouble(shop, tmp_path):
    store, data = tmp_path / "store", shop / "rows.csv"
    call("encode", data, "--image-size", 32, "--store", store)
    (path,) = (store / "quarantine").iterdir()
    holds(path, BROKEN)
    call("encode", data, "--image-size", 32, "--store", store, "--quarantine", tmp_path / "own.csv")
    holds(tmp_path / "own.csv", BROKEN)
    terms = ["--dim", 16, "--epochs", 1, "--fusion", "concat", "--split", "split", "--image-size", 32, "--store", store]
    call("train", data, *terms, "--out", tmp_path / "run")
    holds(tmp_path / "run" / "quarantine.csv", BROKEN)
    call("evaluate", tmp_path / "run", data, "--store", store, "--quarantine", tmp_path / "scored.csv")
    holds(tmp_path / "scored.csv", BROKEN)
    call("inspect", data, "--out", tmp_path / "page.html")
    holds(tmp_path / "page.html.quarantine.csv", {3, 20})  # nothing is decoded but six samples
    call("train", data, *terms, "--out", tmp_path / "run")  # the file is no other run


@pytest.mark.parametrize("command", ["encode", "train"])
def test_strict_stops_at_a_picture_that_only_decoding_finds_broken(shop, tmp_path, command):
    rows = [line for number, line in enumerate((shop / "rows.csv").read_text().split("\n")) if number not in (4, 21)]
    data = shop / f"strict-{command}.csv"
    data.write_text("\n".join(rows))
    more = ["--out", str(tmp_path / "run")] if command == "train" else []
    call_strict = [command, str(data), "--image-size", "32", "--store", str(tmp_path / "store"), "--strict", *more]
    with pytest.raises(
        DataError, match=r"Row 7 \(7\): .*cannot be decoded.*With strict=False the image is treated as mi"
    ):
        CliRunner().invoke(app, call_strict, catch_exceptions=False)
    assert not (tmp_path / "run").exists()


def test_what_two_splits_share_is_said_before_anything_is_encoded(tmp_path):
    draw, rows = np.random.default_rng(0), []
    for number in range(8):
        scene = draw_scene(draw)
        scene.save(tmp_path / f"{number}.png")
        scene.save(tmp_path / f"{number}.jpg")
        rows += [(f"{number}.png", f"t{number}", "ab"[number % 2], "train" if number < 6 else "val")]
        rows += [(f"{number}.jpg", "t0", "ab"[number % 2], "test")] if number < 2 else []
    frame = pl.DataFrame(rows, schema=["image", "text", "label", "split"], orient="row")
    columns = {"image": "image", "text": "text", "label": "label", "image_folder": tmp_path}
    heard = Heard()
    read_rows(Source(frame, SourceSettings(**columns, split="split")), heard)
    said = "\n".join(heard.messages)
    assert "warning: a leak: near-copies of 2 pictures stand in two splits or more (4 rows; train 0, test 1)." in said
    assert "1 text stands in two splits or more (3 rows; train 0, test 1): of these, test asks nothing new" in said
    assert "Near-copies: 4 pictures are 2 that were encoded or resized again, such as those of rows 0 and 1;" in said
    assert "compare pictures" in heard.stages
    heard = Heard()
    read_rows(Source(frame.with_columns(text=pl.col("image")), SourceSettings(**columns)), heard)
    assert not any("in two splits" in message for message in heard.messages)


class Heard(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.messages, self.stages = [], []

    def say(self, message: str) -> None:
        self.messages.append(message)

    def start(self, stage: str, total: int, unit: str) -> None:
        self.stages.append(stage)
