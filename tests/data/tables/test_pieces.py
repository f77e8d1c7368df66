"""Rows that are read in pieces and put aside: the same Examples as at once, and memory that hardly grows with them."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from interfuse.core.errors import DataError
from interfuse.core.settings import fingerprint
from interfuse.data import Examples, SourceSettings, load_examples, load_for_run
from interfuse.data.examples import COLUMNS
from interfuse.data.readers.table import read_frame
from interfuse.data.tables import spool
from interfuse.data.tables.cells import clean_texts
from interfuse.data.tables.factorize import number_series
from interfuse.data.tables.spool import spool_frames

ROWS = 190
SIZES = {
    "tables.spool.HELD_BYTES": 2_000,
    "tables.spool.BATCH_ROWS": 7,
    "tables.factorize.BATCH_ROWS": 11,
    "examples.BATCH_ROWS": 13,
    "pictures.row_pictures._NAMES": 3,
    "readers.delimited.CHUNK_ROWS": 10,
    "readers.parquet.PIECE_ROWS": 9,
    "readers.json_lines.PIECE_ROWS": 8,
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number in range(9):
        Image.new("RGB", (6, 6), (20 * (number % 7), 5, 5)).save(folder / f"{number}.png")  # two are alike
    (folder / "bad.png").write_text("no picture")
    return folder


@pytest.fixture
def small(monkeypatch):
    """Pieces of a few rows, and everything put aside."""

    def cut() -> None:
        for name, size in SIZES.items():
            monkeypatch.setattr(f"interfuse.data.{name}", size)

    return cut


def write(folder: Path, ending: str, labels: list) -> Path:
    """Write rows with blank cells, quoted line breaks, the same picture and text again and again, and broken rows."""
    draw = np.random.default_rng(0)
    names = [*(f"{n}.png" for n in range(9)), "./3.png", "bad.png", "none.png", " ", None]
    texts = [*(f"text {n} é" for n in range(60)), 'said "so",\nand went\ton', "\x1c", "", None]
    rows = {
        "image": [names[n] for n in draw.integers(0, len(names), ROWS)],
        "text": [texts[n] for n in draw.integers(0, len(texts), ROWS)],
        "label": [labels[n] for n in draw.integers(0, len(labels), ROWS)],
        "shop": [f"s{n}" if n < 50 else None for n in draw.integers(0, 90, ROWS)],
        "name": [f"n{n}" for n in range(ROWS)],
        "part": [["train", "train", "Val", "test"][n] for n in draw.integers(0, 4, ROWS)],
        "junk": ["j" * 50] * ROWS,
    }
    frame, path = pl.DataFrame(rows, strict=False), folder / f"rows.{ending}"
    if ending == "parquet":
        frame.write_parquet(path, row_group_size=25)
        return path
    if ending == "jsonl":
        lines = [json.dumps({k: v for k, v in row.items() if v is not None}) for row in frame.iter_rows(named=True)]
        lines[40:40], lines[150:150] = ['{"image": "1.png"'], ["[1]"]
    else:
        sign = "\t" if ending == "tsv" else ","
        lines = [frame[row : row + 1].write_csv(separator=sign, include_header=False)[:-1] for row in range(ROWS)]
        lines.insert(0, sign.join(frame.columns))
        lines[41:41], lines[151:151] = ["1.png"], ["caf\udce9" + sign * 5]
    path.write_text("\n".join(lines), errors="surrogateescape")
    return path


def everything(examples: Examples) -> list:
    return [
        examples.table.to_pylist(),
        (examples.task, examples.label_names, examples.label_values, examples.troubles, examples.notes),
        examples.fingerprint,
        list(examples.pictures().items()),
        list(examples.texts().items()),
    ]


CLASSES = ["a", "b", " b", "c", None]
SETTINGS = {
    "classes": (CLASSES, {"label": "label"}),
    "classes, by group and name": (CLASSES, {"label": "label", "group": "shop", "id": "name", "split": "part"}),
    "several labels": (["a|b", "b", "|", "c|a"], {"label": "label", "folds": 3}),
    "numbers": (["1.5", "2", "-3e2", "0.25"], {"label": "label"}),
    "captions": (CLASSES, {"label": "none"}),
    "pictures alone": (CLASSES, {"label": "label", "text": None}),
}


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("kind", SETTINGS)
def test_rows_read_in_pieces_are_the_rows_read_at_once(photos, tmp_path, small, ending, kind):
    labels, given = SETTINGS[kind]
    path = write(tmp_path, ending, labels)
    settings = SourceSettings(**{"image": "image", "text": "text", "image_folder": photos, "seed": 1, **given})
    whole = everything(load_examples(path, settings))
    small()
    found = load_examples(path, settings)
    assert found.table["row"].num_chunks > 5
    assert everything(found) == whole
    if kind == "captions":
        assert "(other caption)" in found.table["id"][1].as_py()
    broken = [trouble.row for trouble in found.troubles if ", line " in trouble.reason]
    assert broken == ([] if ending == "parquet" else [40, 150])
    key = next(iter(found.pictures()))
    lacking = found.without("image", {key: "cut"}, may_be_empty=True)
    assert len(lacking.troubles) - len(found.troubles) == found.table["image_key"].to_pylist().count(key)
    assert key not in lacking.pictures()


def test_a_run_reads_all_rows_in_pieces_too(photos, tmp_path, small):
    path = write(tmp_path, "csv", CLASSES)
    settings = SourceSettings(image="image", text="text", image_folder=photos)
    whole = everything(load_for_run(path, settings, "multiclass", ("a",), labelled=False))
    small()
    assert everything(load_for_run(path, settings, "multiclass", ("a",), labelled=False)) == whole


def test_the_fingerprint_is_that_of_the_plain_columns(photos, tmp_path, small):
    settings = SourceSettings(image="image", text="text", label="label", image_folder=photos)
    for labels, unused in ((CLASSES, {"image", "target"}), (["1.5", "2"], {"image"})):
        found = load_examples(write(tmp_path, "csv", labels), settings)
        columns = {name: found.table[name].to_pylist() for name in COLUMNS.names if name not in unused}
        assert found.fingerprint == fingerprint([columns, found.task, list(found.label_names)])
        none = replace(found, table=found.table[:0])
        columns = {name: [] for name in columns}
        assert none.fingerprint == fingerprint([columns, found.task, list(found.label_names)])


def test_a_json_column_that_turns_out_otherwise_is_read_again(tmp_path, small):
    lines = [{"n": None}] * 9 + [{"n": 1, "text": "a"}] * 9 + [{"n": 2.0, "late": [1]}, {"n": "x"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    whole = read_frame(tmp_path / "rows.jsonl")
    small()
    found = read_frame(tmp_path / "rows.jsonl")
    assert found.equals(whole)
    assert found["n"].to_list() == [None] * 9 + ["1"] * 9 + ["2.0", "x"]
    assert found.columns == ["n", "text", "late"]


def test_values_whose_hashes_are_equal_are_told_apart(monkeypatch):
    column = pl.Series(["b", None, "a", "b", "c"])
    hashes = pl.Series.hash
    monkeypatch.setattr(pl.Series, "hash", lambda s, seed: hashes(s, seed) if seed > 2 else hashes(s, 0) * 0)
    numbers, values = number_series(column)
    assert (numbers.tolist(), values.to_list()) == ([0, -1, 1, 0, 2], ["b", "a", "c"])
    lists, values = number_series(pl.Series([[1], None, [2, 3], [1]]))
    assert (lists.tolist(), values.to_list()) == ([0, -1, 1, 0], [[1], [2, 3]])


def test_blank_is_what_python_strips():
    signs = [chr(n) for n in range(sys.maxunicode + 1) if not 0xD800 <= n < 0xE000]
    blank = clean_texts(pl.Series("a", signs)).is_null().to_list()
    assert blank == [not sign.strip() for sign in signs]


def test_categories_are_put_aside_as_texts(monkeypatch):
    monkeypatch.setattr(spool, "HELD_BYTES", 10)
    frames = [pl.DataFrame({"a": pl.Series(cells, dtype=pl.Categorical)}) for cells in (["x", "y"], ["z", "x"])]
    assert spool_frames(frames)["a"].to_list() == ["x", "y", "z", "x"]


def test_a_full_disk_is_told(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "HELD_BYTES", 10)
    monkeypatch.setattr(spool.tempfile, "TemporaryFile", full)
    with pytest.raises(DataError, match="Rows cannot be put aside in .*: No space left on device. TMPDIR names"):
        spool_frames([pl.DataFrame({"a": ["x" * 100]})])


PATH = Path(__file__).parents[3] / "benchmarks" / "rows_memory.py"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_hardly_grows_with_the_rows(tmp_path):
    """Of rows with texts of 60 letters: it was about 900 bytes a row."""
    spec = importlib.util.spec_from_file_location("rows_memory", PATH)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    benchmark.draw_pictures(tmp_path)
    most = {}
    for rows in (100, 30_000, 120_000):
        benchmark.write(tmp_path / f"{rows}.parquet", rows)
    for rows in (30_000, 120_000):
        read = benchmark.read(tmp_path / f"{rows}.parquet", tmp_path / "100.parquet", PATH.parents[1] / "src")
        assert read[0] == rows
        most[rows] = read[1]
    assert (most[120_000] - most[30_000]) / 90_000 < 300, most
    assert most[120_000] / 120_000 < 600, most
