"""Words of files are shown and never obeyed: no colour on a terminal, no formula in a spreadsheet."""

import csv
import io

import polars as pl
import pytest

from interfuse.core.outside import neutral_cell, printable
from interfuse.data import Trouble, neutral_cells, write_troubles

CELLS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "\rx", "＝1", "-", "+")
NUMBERS = ("-1", "+1.5", "-.5e-3", "-3.", "7")
PLAIN = ("", "a=b", "'=1", " =1", "−1", "x-1", "日本")


def test_no_control_character_reaches_a_terminal():
    text = "\x1b[31mred\x1b]0;title\x07\x9b1m\x7f\u202eleft\u2066\ud800\r"
    assert all(letter.isprintable() for letter in printable(text))
    assert printable("a\n\tb", lines=True) == "a\n\tb"
    assert printable("a\n\tb") == "a��b"


@pytest.mark.parametrize("text", ["plain", "日本\u3000語", "👩‍👩‍👧", "naïve\xa0é", "می‌خواهم"])
def test_a_text_of_any_language_is_shown_as_it_is(text):
    assert printable(text) == text


def test_a_formula_becomes_a_text_and_a_number_stays_one():
    frame = pl.DataFrame({"id": [*CELLS, *NUMBERS, *PLAIN, None], "@row": range(22), "=p": [-0.5] * 22})
    expected = [*(f"'{cell}" for cell in CELLS), *NUMBERS, *PLAIN, None]
    neutral = neutral_cells(frame)
    assert [neutral_cell(cell) for cell in frame["id"]] == neutral["id"].to_list() == expected
    assert neutral.columns == ["id", "'@row", "'=p"]
    assert neutral["'=p"].to_list() == [-0.5] * 22


def test_the_list_of_rows_in_trouble_has_no_formula(tmp_path):
    write_troubles([Trouble(1, "=1+1", "image", "@a", "-b")], tmp_path / "quarantine.csv")
    (_, row) = csv.reader(io.StringIO((tmp_path / "quarantine.csv").read_text(encoding="utf-8")))
    assert row == ["1", "'=1+1", "image", "'@a", "'-b"]
