"""Only the columns that are used are held: memory follows them, and no error lists fewer columns than there are."""

import subprocess
import sys

import polars as pl
import pytest

from interfuse.core.errors import DataError
from interfuse.data import SourceSettings
from interfuse.data.readers.open import open_source

ROWS = 60_000
MEASURE = """
import resource, sys
from interfuse.data import SourceSettings
from interfuse.data.readers.open import open_source
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
open_source(sys.argv[2], SourceSettings())
before = peak()
opened = open_source(sys.argv[1], SourceSettings())
assert opened.frame.height == {rows} and opened.frame.width == 3, opened.frame.schema
print(peak() - before)
"""


def table(unused: int) -> pl.DataFrame:
    numbers = range(ROWS)
    return pl.DataFrame(
        {
            "image": [f"{n % 60}.png" for n in numbers],
            "text": [f"text number {n}" for n in numbers],
            "label": ["ab"[n % 2] for n in numbers],
            "junk": [f"{n:08}" + "j" * unused for n in numbers],
        }
    )


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_column_that_is_not_used_takes_no_memory(tmp_path, ending):
    large, small = tmp_path / f"large.{ending}", tmp_path / f"small.{ending}"
    for path, frame in ((large, table(1_000)), (small, table(0).head(100))):
        if ending == "csv":
            frame.write_csv(path)
        elif ending == "jsonl":
            frame.write_ndjson(path)
        else:
            frame.write_parquet(path, compression="uncompressed")
    assert large.stat().st_size > 60e6
    call = [sys.executable, "-c", MEASURE.format(rows=ROWS), str(large), str(small)]
    grown = float(subprocess.run(call, capture_output=True, text=True, check=True).stdout)
    assert grown < 40  # MB: the three columns and the pieces that are read; the fourth alone is 60


def test_where_a_column_is_lacking_all_are_read_so_that_the_error_lists_them(tmp_path):
    for ending in ("csv", "jsonl", "parquet"):
        path, frame = tmp_path / f"rows.{ending}", pl.DataFrame({"image": ["a"], "words": ["b"], "extra": ["c"]})
        {"csv": frame.write_csv, "jsonl": frame.write_ndjson, "parquet": frame.write_parquet}[ending](path)
        opened = open_source(path, SourceSettings(image="image", text="caption"))
        assert opened.frame.columns == ["image", "words", "extra"]
        assert open_source(path, SourceSettings(image="image", text="words")).frame.columns == ["image", "words"]
        assert open_source(path, SourceSettings(text="words", label="extra")).frame.columns == ["words", "extra"]


def test_a_parquet_file_with_the_pictures_inside_is_shown_the_way_to_read_it(tmp_path):
    cells = [{"bytes": b"x", "path": None}] * 3
    pl.DataFrame({"image": cells, "text": ["a", "b", "c"]}).write_parquet(tmp_path / "rows.parquet")
    from interfuse.data import load_examples

    with pytest.raises(
        DataError, match="Column 'image' holds the pictures themselves.* give the file's folder as hf:FO"
    ):
        load_examples(tmp_path / "rows.parquet", SourceSettings())
