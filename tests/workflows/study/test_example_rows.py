"""Which rows a report shows, and what the data card counts."""

import io

import numpy as np
import pyarrow as pa
from PIL import Image

from interfuse.core.records import read_table
from interfuse.data import Examples
from interfuse.data.examples import COLUMNS
from interfuse.workflows.study.example_rows import SIDE, Answers, RowKey, choose_rows, write_gallery

NAMES = ("cup", "plate", "pot")


def make_examples(rows: list[dict], task: str = "multiclass", **given) -> Examples:
    plain = {
        "image": "gone.png",
        "image_key": "k",
        "text": "a text",
        "text_key": "t",
        "label": [0],
        "group": 0,
        "split": "test",
    }
    full = [{**plain, "row": at, "id": f"r{at}", "target": None, **row} for at, row in enumerate(rows)]
    return Examples(pa.Table.from_pylist(full, schema=COLUMNS), task, NAMES, **given)


def answers(labels: list[int], probs: list[list[float]]) -> Answers:
    table = np.asarray(probs)
    keys = [RowKey(at, f"r{at}") for at in range(len(labels))]
    return Answers(
        keys, table, (table.argmax(1) == labels).astype(float), [{"label": [n], "target": None} for n in labels]
    )


def test_rows_are_chosen_by_what_is_right_with_both_and_with_one():
    labels = [0, 0, 0, 1, 0, 0]
    right, wrong, worse = [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.0, 1.0, 0.0]
    both = answers(labels, [right, right, wrong, wrong, worse, right])
    image = answers(labels, [wrong, right, wrong, wrong, wrong, wrong])
    text = answers(labels, [wrong, wrong, wrong, wrong, wrong, wrong])
    examples = make_examples([{"label": [n]} for n in labels[:5]] + [{"image_key": None}])
    place = {key: at for at, key in enumerate(both.keys)}
    found = choose_rows(both, {"image": image, "text": text}, examples, place)
    assert found == [("needs both", 0), ("wrong with both", 4), ("wrong with both", 2), ("missing image", 5)]
    alone = choose_rows(both, {"image": image}, examples, place)
    assert "needs both" not in dict(alone)  # one floor cannot say what either alone gets right


def test_rows_are_of_as_many_labels_as_there_are():
    labels = [0] * 30 + [1, 2]
    both = answers(labels, [[0.0, 0.5, 0.5]] * 30 + [[0.4, 0.3, 0.3]] * 2)
    examples = make_examples([{"label": [n]} for n in labels])
    found = choose_rows(both, {}, examples, {key: at for at, key in enumerate(both.keys)})
    assert len(found) == 8
    assert {30, 31} <= {number for _, number in found}


def test_what_is_written_is_small_cut_and_bounded(tmp_path):
    Image.new("RGB", (900, 300), "red").save(tmp_path / "a.png")
    shown = {"image": str(tmp_path / "a.png"), "text": "word " * 200}
    gone = {"image": str(tmp_path / "gone.png"), "text": None, "text_key": None}
    examples = make_examples([shown, gone])
    both = answers([0, 0], [[0.2, 0.7, 0.1], [0.9, 0.1, 0.0]])
    write_gallery(tmp_path / "examples.parquet", examples, {"f": both, "t": both}, "f", {"text": "t"})
    first, second = read_table(tmp_path / "examples.parquet").to_pylist()
    assert max(Image.open(io.BytesIO(first["picture"])).size) == SIDE
    assert len(first["text"]) <= 320
    assert first["text"].endswith("word …")
    assert (first["kind"], first["label"], first["answer"]) == ("wrong with both", "cup", "plate")
    assert (first["text_answer"], first["image_answer"]) == ("plate", None)
    assert (second["kind"], second["text"], second["picture"]) == ("missing text", None, None)


def test_a_number_is_far_or_near_and_several_labels_are_spelled(tmp_path):
    rows = [{"label": [], "target": 3.25}, {"label": [], "target": 1.0}]
    far = Answers([RowKey(0, "r0"), RowKey(1, "r1")], np.asarray([[3.0], [9.0]]), np.asarray([0.9, -4.0]), rows)
    examples = make_examples([{"target": 3.25}, {"target": 1.0}], "regression")
    write_gallery(tmp_path / "a.parquet", examples, {"f": far}, "f", {})
    found = [(row["label"], row["answer"]) for row in read_table(tmp_path / "a.parquet").to_pylist()]
    assert found == [("1", "9"), ("3.25", "3")]  # the worst first
    several = Answers(
        [RowKey(0, "r0")], np.asarray([[0.9, 0.1, 0.6]]), np.asarray([0.5]), [{"label": [], "target": None}]
    )
    write_gallery(tmp_path / "b.parquet", make_examples([{}], "multilabel"), {"f": several}, "f", {})
    assert read_table(tmp_path / "b.parquet").to_pylist()[0]["answer"] == "cup, pot"
