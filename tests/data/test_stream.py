"""Sources part by part: the same rows as the whole, whatever the file and the size of a part."""

import json
from pathlib import Path

import polars as pl
import pytest

from interfuse.core.errors import DataError
from interfuse.data import SourceSettings, load_for_run, load_part, open_stream
from interfuse.data.readers.table import read_frame
from tests.data.test_fuzz_rows import pictures
from tests.data.test_fuzz_rows import write as write_broken

__all__ = ["pictures"]

ROWS = 53


def write(folder: Path, ending: str) -> Path:
    path = folder / f"rows{ending}"
    frame = pl.DataFrame(
        {
            "photo": [f"{row % 7}.png" if row % 5 else None for row in range(ROWS)],
            "other": [row / 2 for row in range(ROWS)],
            "caption": [f'a "quoted", long\nword {row}' if row % 3 else None for row in range(ROWS)],
            "name": [f"n{row}" for row in range(ROWS)],
        }
    )
    if ending == ".parquet":
        frame.write_parquet(path, row_group_size=9)
    elif ending == ".jsonl":
        lines = [{k: v for k, v in row.items() if v is not None} for row in frame.iter_rows(named=True)]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        frame.write_csv(path, separator="\t" if ending == ".tsv" else ",")
    return path


SETTINGS = SourceSettings(image="photo", text="caption", id="name")


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("size", [1, 7, 9, 20, 53, 100])
def test_the_parts_of_a_file_are_the_file(tmp_path, ending, size):
    path = write(tmp_path, ending)
    stream = open_stream(str(path), SETTINGS)
    found = list(stream.parts(size, range(200)))
    assert stream.rows == ROWS
    assert [number for number, _ in found] == list(range(-(-ROWS // size)))
    assert [part.frame.height for _, part in found[:-1]] == [size] * (len(found) - 1)
    whole = read_frame(path).select("photo", "caption", "name")
    assert pl.concat([part.frame for _, part in found]).equals(whole)
    assert all(part.folders == [tmp_path] * part.frame.height for _, part in found)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("wanted", [{0}, {3}, {1, 2, 10}, {10}, {12}])
def test_only_the_wanted_parts_are_given(tmp_path, ending, wanted):
    path = write(tmp_path, ending)
    found = dict(open_stream(path, SETTINGS).parts(5, wanted))
    assert set(found) == wanted & set(range(11))
    names = read_frame(path)["name"].to_list()
    assert all(part.frame["name"].to_list() == names[5 * n : 5 * n + 5] for n, part in found.items())


def test_a_data_frame_is_cut_too(tmp_path):
    frame = read_frame(write(tmp_path, ".parquet"))
    found = list(open_stream(frame, SETTINGS).parts(10, range(9)))
    assert pl.concat([part.frame for _, part in found]).equals(frame.select("photo", "caption", "name"))


def test_the_kind_of_a_json_column_is_that_of_the_whole_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    cells = [1, 2, 3, 4, 5.5, None]
    path.write_text("".join(json.dumps({"text": "a", "id": cell}) + "\n" for cell in cells) + '{"file": "late.png"}\n')
    stream = open_stream(path, SourceSettings(text="text", id="id", image="file"))
    parts = [part.frame for _, part in stream.parts(2, range(4))]
    assert {frame["id"].dtype for frame in parts} == {pl.Float64}
    assert pl.concat(parts)["id"].to_list() == [1.0, 2.0, 3.0, 4.0, 5.5, None, None]
    assert parts[0]["file"].to_list() == [None, None]
    assert parts[3]["file"].to_list() == ["late.png"]


def test_columns_are_guessed_and_said_once(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("image,caption\na.png,one\nb.png,two\n")
    stream = open_stream(path, SourceSettings())
    assert (stream.settings.image, stream.settings.text) == ("image", "caption")
    assert "Columns guessed" in stream.notes[0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rows.csv", "image,text\n" + "a,b\n" * 9 + "a,b,c\n", "line 11: the row has 3 cells"),
        ("rows.jsonl", '{"text": "a"}\n' * 9 + "nonsense\n", "line 10: not JSON"),
        ("rows.csv", "image,text\n", "has no row"),
        ("rows.csv", "a,b\n1,2\n", "Which columns are the picture and the text"),
        ("rows.parquet", "no parquet", "cannot be read as parquet"),
        ("rows.txt", "a", "Cannot read 'rows.txt'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_before_any_row_is_used(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        open_stream(tmp_path / name, SourceSettings(strict=True))


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
@pytest.mark.parametrize("size", [7, 64, 1000])
def test_rows_that_cannot_be_read_are_left_out_of_their_part_with_the_reason(pictures, tmp_path, ending, size):
    wanted = write_broken(tmp_path / f"rows.{ending}", ending)
    settings = SourceSettings(image_folder=pictures)
    whole = load_for_run(tmp_path / f"rows.{ending}", settings, "multiclass", (), labelled=False)
    stream = open_stream(tmp_path / f"rows.{ending}", settings)
    parts = [
        load_part(opened, number * size, "multiclass", ())
        for number, opened in stream.parts(size, range(-(-stream.rows // size)))
    ]
    assert {trouble.row for part in parts for trouble in part.troubles} == set(wanted)
    assert {trouble for part in parts for trouble in part.troubles} == set(whole.troubles)
    for column in ("row", "text", "image_key"):
        assert [cell for part in parts for cell in part.table[column].to_pylist()] == whole.table[column].to_pylist()


def test_a_column_that_is_not_there_is_refused_at_once(tmp_path):
    with pytest.raises(DataError, match="Unknown column for the text: 'captoin'. Did you mean 'caption'"):
        open_stream(write(tmp_path, ".parquet"), SourceSettings(text="captoin"))


def test_a_file_that_has_grown_is_refused(tmp_path):
    path = write(tmp_path, ".csv")
    stream = open_stream(path, SETTINGS)
    with path.open("a") as handle:
        handle.write("a.png,1,b,c\n" * 30)
    with pytest.raises(DataError, match="it had 53 rows"):
        list(stream.parts(10, range(20)))


def test_the_digest_is_that_of_the_content(tmp_path):
    (tmp_path / "b").mkdir()
    one, two = open_stream(write(tmp_path, ".csv"), SETTINGS), open_stream(write(tmp_path / "b", ".csv"), SETTINGS)
    assert one.digest == two.digest
    (tmp_path / "b" / "rows.csv").write_text("photo,caption,name\na,b,c\n")
    assert open_stream(tmp_path / "b" / "rows.csv", SETTINGS).digest != one.digest
    frame = pl.DataFrame({"text": ["a", "b"]})
    settings = SourceSettings(text="text")
    assert open_stream(frame, settings).digest != open_stream(frame.reverse(), settings).digest
