"""Hundreds of broken rows in every kind of file: each is left out with a true reason, and no other row is harmed."""

import csv
import io
import json
import tarfile

import numpy as np
import pytest

from interfuse.core.errors import DataError
from interfuse.data import SourceSettings, load_examples, load_for_run, write_quarantine
from tests.data.readers.test_collections import add, picture

COUNT = 300
KINDS = {
    "csv": {
        "short": ("the row has 2 cells, the header has 3", b"%d.png,alone"),
        "long": ("the row has 4 cells, the header has 3", b"%d.png,one, two,a"),
        "quote in a quoted cell": ("inner quotes doubled", b'%d.png,"said "yes" aloud",a'),
        "quote that never ends": ("quote|cells|unexpected end", b'%d.png,"open,a'),
        "Latin-1": ("byte 0xe9 is not UTF-8", b"%d.png,caf\xe9,a"),
        "half a character": ("byte 0xf0 is not UTF-8", b"%d.png,\xf0\x9f\x98,a"),
    },
    "tsv": {
        "short": ("the row has 2 cells, the header has 3", b"%d.png\talone"),
        "long": ("the row has 4 cells, the header has 3", b"%d.png\tone\ttwo\ta"),
        "Latin-1": ("byte 0xe9 is not UTF-8", b"%d.png\tcaf\xe9\ta"),
    },
    "jsonl": {
        "cut": ("not JSON", b'{"image": "%d.png", "text": "al'),
        "list": ("expected an object", b'["%d.png", "text", "a"]'),
        "single quotes": ("not JSON", b"{'image': '%d.png'}"),
        "Latin-1": ("byte 0xe9 is not UTF-8", b'{"image": "%d.png", "text": "caf\xe9"}'),
        "deep": ("not JSON", b"[" * 100_000 + b"%d"),
    },
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(28):
        (folder / f"{number}.png").write_bytes(picture(number))
    return folder


def write(path, ending: str) -> dict[int, str]:
    """Write a table of which two rows in five are broken; give each broken row's reason."""
    draw, wanted = np.random.default_rng(0), {}
    kinds = list(KINDS[ending].values())
    lines = [] if ending == "jsonl" else [{"csv": b"image,text,label", "tsv": b"image\ttext\tlabel"}[ending]]
    for row in range(COUNT):
        if row and draw.random() < 0.42:
            wanted[row], line = kinds[int(draw.integers(len(kinds)))]
            lines.append(line % (row % 28))
        else:
            cells = f"{row % 28}.png", good(row), "ab"[row % 2]
            if ending == "jsonl":
                lines.append(json.dumps(dict(zip(("image", "text", "label"), cells, strict=True))).encode())
            else:
                buffer = io.StringIO()
                csv.writer(buffer, delimiter=",\t"[ending == "tsv"], lineterminator="").writerow(cells)
                lines.append(buffer.getvalue().encode())
    path.write_bytes(b"\n".join(lines))
    return wanted


def good(row: int) -> str:
    return f"text {row}" if row % 3 else f"text, {row} é 短"


@pytest.mark.parametrize("ending", KINDS)
def test_every_broken_row_is_listed_with_a_true_reason_and_the_others_are_whole(pictures, tmp_path, ending):
    wanted = write(tmp_path / f"rows.{ending}", ending)
    assert len(wanted) >= 100
    found = load_examples(tmp_path / f"rows.{ending}", SourceSettings(image_folder=pictures))
    write_quarantine(found, tmp_path / "quarantine.csv")
    with (tmp_path / "quarantine.csv").open(encoding="utf-8", newline="") as handle:
        listed = {int(line["row"]): line for line in csv.DictReader(handle)}
    assert set(listed) == set(wanted)
    for row, reason in wanted.items():
        assert any(part in listed[row]["reason"] for part in reason.split("|")), (row, listed[row]["reason"])
        assert f"line {row + (ending != 'jsonl') + 1}: " in listed[row]["reason"]
        assert (listed[row]["what"], listed[row]["consequence"]) == ("row", "the row is left out")
    rows = {row["row"]: row for row in found.table.to_pylist()}
    assert set(rows) == set(range(COUNT)) - set(wanted)
    for number, row in rows.items():
        assert row["text"] == good(number)
        assert row["image"].endswith(f"/{number % 28}.png")
        assert row["label"] == [number % 2]
    with pytest.raises(DataError, match=f"Row {min(wanted)} .*With strict=False the row is left out"):
        load_examples(tmp_path / f"rows.{ending}", SourceSettings(image_folder=pictures, strict=True))


def test_broken_members_of_shards_cost_their_own_row_alone(tmp_path):
    wanted, bad = (
        {},
        {
            "txt": (b"caf\xe9", "byte 0xe9 at 3 is not UTF-8"),
            "json": (b"{", "it is not JSON"),
            "x.json": (b"[1]", "expected a JSON object, got list"),
            "cls": (b"\xff", "byte 0xff at 0 is not UTF-8"),
        },
    )
    with tarfile.open(tmp_path / "rows.tar", "w") as tar:
        for row in range(COUNT):
            members = {"png": picture(row % 28), "txt": good(row).encode(), "cls": b"ab"[row % 2 : row % 2 + 1]}
            if row % 5 in (1, 3):
                ending = list(bad)[row % 4]
                members[ending], wanted[row] = bad[ending]
            for ending, content in members.items():
                add(tar, f"{row}.{ending}", content)
    found = load_examples(f"wds:{tmp_path}/rows.tar", SourceSettings(unpack_to=tmp_path / "cache"))
    assert len(wanted) >= 100
    assert {trouble.row for trouble in found.troubles} == set(wanted)
    for trouble in found.troubles:
        assert trouble.id == f"rows/{trouble.row}"
        assert wanted[trouble.row] in trouble.reason
    assert {row["row"]: row["text"] for row in found.table.to_pylist()} == {
        row: good(row) for row in range(COUNT) if row not in wanted
    }


def test_broken_rows_of_a_file_for_one_split_and_beside_joined_columns_keep_their_places(pictures, tmp_path):
    head, rows = "image,text,label,key\n", [f"{n}.png,text {n},{'ab'[n % 2]},{n}\n" for n in range(28)]
    (tmp_path / "train.csv").write_text(head + "".join(rows[:10]) + "short\n" + "".join(rows[10:14]))
    (tmp_path / "test.csv").write_text(head + "".join(rows[14:28]) + "1,2,3,4,5\n")
    settings = SourceSettings(image_folder=pictures, test=tmp_path / "test.csv")
    found = load_examples(tmp_path / "train.csv", settings)
    assert [trouble.row for trouble in found.troubles] == [10, 29]
    assert len(found) == 28
    (tmp_path / "more.csv").write_text("key,note\n" + "".join(f"{n},note {n}\n{n},more {n}\n" for n in range(28)))
    joined = SourceSettings(
        image="image", text="note", label="label", image_folder=pictures, join=f"{tmp_path}/more.csv:key"
    )
    found = load_examples(tmp_path / "train.csv", joined)
    assert [trouble.row for trouble in found.troubles] == [20]
    assert [row["text"] for row in found.table.to_pylist()][18:22] == ["note 9", "more 9", "note 10", "more 10"]


def test_a_file_of_which_most_rows_are_broken_is_refused_by_the_first_reason(pictures, tmp_path):
    (tmp_path / "rows.csv").write_text("image,text,label\n" + "1.png;a;b\n" * 30 + "1.png,a,b\n")
    with pytest.raises(
        DataError, match=r"30 of 31 rows cannot be read; the first: row 0: .*line 2: the row has 1 cells"
    ):
        load_for_run(tmp_path / "rows.csv", SourceSettings(image_folder=pictures), "multiclass", (), labelled=False)
