"""Files and frames: every row whole, every cell a text, a bad row named by its line."""

import csv
import json

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interfuse.core.errors import DataError
from interfuse.data.readers.table import read_frame
from interfuse.data.tables.cells import as_texts, need_column


def read(folder, name: str, content: str | bytes) -> pl.DataFrame:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_frame(path)


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("a.csv", "id,text\n007,1.50\n", [("007", "1.50")]),
        ("a.csv", "\ufeffid,text\n1,x\n", [("1", "x")]),
        ("a.csv", 'id,text\r\n1,"two\nlines, ""quoted"""\r\n2,x', [("1", 'two\nlines, "quoted"'), ("2", "x")]),
        ("a.csv", 'id,text\n1,a 5" screen\n2,b\n', [("1", 'a 5" screen'), ("2", "b")]),
        ("a.csv", "id,text\n1,x\n\n2,y\n\n", [("1", "x"), ("2", "y")]),
        ("a.csv", "text\nx\n\ny\n", [("x",), ("",), ("y",)]),
        ("a.csv", "id,text\n1,a\0b\n", [("1", "a\0b")]),
        (
            "a.tsv",
            'id\ttext\n1\t"Yes" he said\n2\t"open\n3\tclose"\n',
            [("1", '"Yes" he said'), ("2", '"open'), ("3", 'close"')],
        ),
        ("a.tsv", 'id\ttext\n1\t"say ""hi"""\n', [("1", 'say "hi"')]),
        ("a.tsv", 'id\ttext\n1\t"two\nlines"\n2\tx\n', [("1", "two\nlines"), ("2", "x")]),
        ("a.jsonl", '{"id": "007", "text": "x"}\n\n{"text": "y"}\n', [("007", "x"), (None, "y")]),
        ("a.jsonl", '\ufeff{"id": 1, "text": "x"}\n{"id": "02"}\n', [("1", "x"), ("02", None)]),
        ("a.jsonl", '{"id": 1.5, "text": "half \\ud83d"}\n{"id": 2}\n', [(1.5, "half \ufffd"), (2.0, None)]),
        ("a.jsonl", '{"id": 1, "text": ["a", 2]}\n{"id": 2, "text": "b"}\n', [(1, ["a", "2"]), (2, ["b"])]),
        ("a.ndjson", '{"id": 12345678901234567890, "text": true}\n', [("12345678901234567890", "true")]),
    ],
)
def test_every_row_and_cell_is_read_as_it_stands(tmp_path, name, content, rows):
    assert read(tmp_path, name, content).rows() == rows


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "a,b,c\n1,2,3\n4,5\n", "a.csv, line 3: the row has 2 cells, the header has 3"),
        ("a.csv", 'a,b\n1,"x\ny"\n1,2,3\n', "a.csv, line 4: the row has 3 cells, the header has 2"),
        ("a.csv", 'a,b\n1,"x\n2,y\n', "a.csv, line 2: unexpected end of data"),
        ("a.csv", 'a,b\n1,"x" y\n', "a.csv, line 2: .*inner quotes doubled"),
        ("a.csv", b"a,b\n1,caf\xe9\n", "a.csv, line 2: byte 0xe9 is not UTF-8"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16"), "a.csv is UTF-16: save it as UTF-8"),
        ("a.csv", "a,b\n1,2\n".encode("utf-16-le"), "a.csv is UTF-16: save it as UTF-8"),
        ("a.jsonl", '{"a": "ж"}\n'.encode("utf-16-be"), "a.jsonl is UTF-16: save it as UTF-8"),
        ("a.csv", "a,a\n1,2\n", "a.csv has the column 'a' twice"),
        ("a.tsv", "a\tb\n1\t2\n3\n", "a.tsv, line 3: the row has 1 cells, the header has 2"),
        ("a.jsonl", '{"a": 1}\n{"a":\n', "a.jsonl, line 2: not JSON"),
        ("a.jsonl", '{"a": 1}\n\n[1]\n', r"a.jsonl, line 3: expected an object .* got a list"),
        ("a.jsonl", "[" * 100_000, "a.jsonl, line 1: not JSON"),
        ("a.parquet", "PAR1", "a.parquet cannot be read as parquet"),
    ],
)
def test_a_bad_line_is_named(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, name, content)


def test_a_cell_may_be_longer_than_the_csv_module_likes_and_its_limit_comes_back(tmp_path):
    before = csv.field_size_limit()
    assert len(read(tmp_path, "a.csv", f"a,b\n1,{'x' * 300_000}\n")["b"][0]) == 300_000
    assert csv.field_size_limit() == before


cells = st.text(st.characters(codec="utf-8", exclude_characters="\ufeff\t"), max_size=8)


@given(rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=8), ending=st.sampled_from(["csv", "tsv", "jsonl"]))
@settings(max_examples=60, deadline=None)
def test_any_text_that_is_written_is_read_back(tmp_path_factory, rows, ending):
    path = tmp_path_factory.mktemp("rows") / f"a.{ending}"
    with path.open("w", encoding="utf-8", newline="") as handle:
        if ending == "jsonl":
            handle.writelines(json.dumps({"a": a, "b": b}) + "\n" for a, b in rows)
        else:
            writer = csv.writer(handle, delimiter="\t" if ending == "tsv" else ",", quoting=csv.QUOTE_ALL)
            writer.writerows([("a", "b"), *rows])
    assert read_frame(path).rows() == rows


def test_an_arrow_table_is_taken_and_anything_else_is_refused():
    assert read_frame(pa.table({"a": ["x"]})).rows() == [("x",)]
    with pytest.raises(DataError, match="Cannot read a int as rows: give a file, or a polars, pandas or Arrow table"):
        read_frame(3)
    with pytest.raises(DataError, match="the data frame has no row"):
        read_frame(pl.DataFrame({"a": []}))


def test_blank_cells_and_numbers_that_are_nan_are_missing_texts():
    assert as_texts(pl.Series("a", ["x", " \t", "", None])) == ["x", None, None, None]
    assert as_texts(pl.Series("a", [1.5, float("nan"), None])) == ["1.5", None, None]


@pytest.mark.parametrize("values", [[["x"]], [b"\xff"], [{"path": "x"}]])
def test_a_column_that_is_no_text_is_refused(values):
    with pytest.raises(DataError, match="Column 'a' holds .* values; one text a row is expected"):
        as_texts(pl.Series("a", values))


def test_a_column_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(DataError, match="Unknown column for the text: 'captoin'. Did you mean 'caption'"):
        need_column(pl.DataFrame({"caption": ["x"], "label": ["a"]}), "captoin", "the text")
