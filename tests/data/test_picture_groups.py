"""Rows by their pictures' content: near-copies stay in one split, are said, and are counted where they straddle."""

import numpy as np
import polars as pl
import pyarrow.compute as pc
import pytest
from PIL import Image

from interfuse.core.errors import ConfigError, DataError
from interfuse.data import SourceSettings, find_leaks, load_examples, load_for_run, refold
from interfuse.data.picture_groups import NOTE
from tests.shop import draw_scene

COLUMNS = {"image": "photo", "text": "title", "label": "kind"}


def open_copies(folder, count, seed=0):
    """Save each of `count` pictures as PNG, JPEG and small JPEG; the label of a picture is drawn without looking."""
    draw, rows = np.random.default_rng(seed), []
    for number in range(count):
        scene, kind = draw_scene(draw), "abcd"[draw.integers(4)]
        scene.save(folder / f"{number}.png")
        scene.save(folder / f"{number}.jpg", quality=85)
        scene.resize((90, 90)).save(folder / f"{number}-small.jpg", quality=75)
        rows += [(f"{number}{end}", f"thing {len(rows)}", kind) for end in (".png", ".jpg", "-small.jpg")]
    return pl.DataFrame(rows, schema=["photo", "title", "kind"], orient="row")


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copies")
    return folder, open_copies(folder, 300)


def load(shop, **given):
    folder, rows = shop
    return load_examples(rows, SourceSettings(**{**COLUMNS, "image_folder": folder, **given}))


def score_of_nearest(folder, rows, examples):
    """Return the test accuracy, in percent, of the label of the nearest train picture: what memory alone reaches."""
    pixels = [Image.open(folder / name).convert("RGB").resize((8, 8)) for name in rows["photo"]]
    vectors = np.stack([np.asarray(picture, np.float32).ravel() for picture in pixels])
    table = examples.table.to_pydict()
    places, labels = np.array(table["row"]), np.array([label[0] for label in table["label"]])
    train, test = (np.flatnonzero(np.array(table["split"]) == part) for part in ("train", "test"))
    far = ((vectors[places[test], None] - vectors[None, places[train]]) ** 2).sum(2)
    return 100 * (labels[train][far.argmin(1)] == labels[test]).mean()


def test_labels_of_noise_cannot_be_known_from_copies_in_train(copies):
    """Majority is about 25 points; 45 test pictures have a standard error of 6.5, and 4 of them are allowed."""
    near, exact = load(copies), load(copies, copies="exact")
    majority = 100 * max(copies[1]["kind"].value_counts()["count"]) / 900
    assert score_of_nearest(*copies, exact) > 75
    assert score_of_nearest(*copies, near) < majority + 26


def test_copies_count_as_one_picture_and_are_said(copies):
    near, exact = load(copies), load(copies, copies="exact")
    assert (len(near), len(exact)) == (900, 900)
    assert (pc.count_distinct(near.table["group"]).as_py(), pc.count_distinct(exact.table["group"]).as_py()) == (
        300,
        900,
    )
    (note,) = (note for note in near.notes if note.startswith(NOTE))
    assert "900 pictures are 300 that were encoded or resized again, such as those of rows 0 and 1; they count" in note
    assert not any(note.startswith(NOTE) for note in exact.notes)
    keys = near.table["image_key"].to_pylist()
    assert [near.near_copies[key] for key in keys[:3]] == keys[:1] * 3
    assert (exact.near_copies, find_leaks(near)) == ({}, [])


def test_the_order_of_the_rows_changes_no_split(copies):
    folder, rows = copies
    shuffled = rows.sample(fraction=1, shuffle=True, seed=1)
    parts = [
        dict(zip(one.table["text"].to_pylist(), one.table["split"].to_pylist()))
        for one in (load(copies), load((folder, shuffled)))
    ]
    assert parts[0] == parts[1]


def test_folds_keep_copies_together(copies):
    settings = SourceSettings(**COLUMNS, image_folder=copies[0], folds=3)
    first = load_examples(copies[1], settings)
    for fold in range(3):
        folded = refold(first, SourceSettings(**COLUMNS, image_folder=copies[0], folds=3, fold=fold))
        assert find_leaks(folded) == []


def test_a_run_that_is_scored_takes_copies_for_one_and_one_that_answers_does_not_look(copies):
    folder, rows = copies
    settings = SourceSettings(**COLUMNS, image_folder=folder)
    scored, answered = (load_for_run(rows, settings, "multiclass", list("abcd"), asked) for asked in (True, False))
    assert pc.count_distinct(scored.table["group"]).as_py() == 300
    assert pc.count_distinct(answered.table["group"]).as_py() == 900


def test_copies_over_a_given_split_are_counted_and_not_moved(tmp_path):
    rows = open_copies(tmp_path, 30)
    parts = ["train", "train", "test"] * 10 + ["train"] * 30 + ["validation"] * 30
    rows = rows.with_columns(pl.Series("part", parts), pl.Series("title", [f"t{n}" for n in range(89)] + ["t0"]))
    examples = load((tmp_path, rows), split="part")
    assert examples.table["split"].to_pylist() == parts
    leaks = {leak.what: leak for leak in find_leaks(examples)}
    assert sorted(leaks) == ["near-copy", "text"]
    assert (leaks["near-copy"].items, leaks["near-copy"].rows, leaks["near-copy"].example) == (
        10,
        30,
        "train 0, test 2",
    )
    assert leaks["near-copy"].sentence == (
        "near-copies of 10 pictures stand in two splits or more (30 rows; train 0, test 2)"
    )
    assert (leaks["text"].items, leaks["text"].example) == (1, "train 0, validation 89")
    assert any("10 groups of rows with the same picture straddle the given split: a leak" in n for n in examples.notes)


def test_the_same_file_in_two_splits_is_no_near_copy(tmp_path):
    scene = draw_scene(np.random.default_rng(0))
    scene.save(tmp_path / "a.png")
    draw_scene(np.random.default_rng(1)).save(tmp_path / "b.png")
    rows = pl.DataFrame(
        {
            "photo": ["a.png", "a.png", "b.png", None, None],
            "title": ["s", "s", "s", "u", "v"],
            "kind": list("xyxyx"),
            "part": ["train", "test", "validation", "train", "test"],
        }
    )
    leaks = {leak.what: leak.items for leak in find_leaks(load((tmp_path, rows), split="part"))}
    assert leaks == {"picture": 1, "picture and text": 1, "text": 1}


def open_qualities(folder, count, others):
    """Save one picture as so many JPEG files, and so many others once each."""
    draw = np.random.default_rng(0)
    scene, rows = draw_scene(draw), []
    for number in range(count):
        scene.save(folder / f"{number}.jpg", quality=60 + number)
        rows.append((f"{number}.jpg", "t", "ab"[number % 2]))
    for number in range(others):
        draw_scene(draw).save(folder / f"{number}.png")
        rows.append((f"{number}.png", "t", "ab"[number % 2]))
    return pl.DataFrame(rows, schema=["photo", "title", "kind"], orient="row")


def test_where_copies_leave_too_few_pictures_that_is_told(tmp_path):
    rows = open_qualities(tmp_path, 20, 0)
    with pytest.raises(DataError, match=r"Too few groups of rows .* 20 pictures are 1 that was .* copies=exact tells"):
        load((tmp_path, rows))
    assert len(load((tmp_path, rows), copies="exact")) == 20


def test_many_files_that_count_as_one_are_doubted(tmp_path):
    told = [note for note in load((tmp_path, open_qualities(tmp_path, 22, 60))).notes if "count as one" in note]
    assert told == [
        "warning: 22 different files count as one picture. If they show one scene and not one picture, give "
        "copies=exact."
    ]


def test_another_kind_of_copies_is_refused():
    with pytest.raises(ConfigError, match="Unknown kind of copies 'close'.* Known: exact, near"):
        SourceSettings(copies="close")
