"""Pairs for matching: no caption of the same picture, each caption once, the same by seed."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.feature_extraction.text import TfidfVectorizer

from interfuse.core.errors import ConfigError, DataError
from interfuse.data import SourceSettings, load_examples, load_for_run, refold
from interfuse.data.matching import Captions, draw_negatives


def captions(groups: list[int], texts: list[str] | None = None, pools: list[str] | None = None) -> Captions:
    count = len(groups)
    return Captions(np.array(groups), texts or [f"text {n}" for n in range(count)], np.array(pools or ["all"] * count))


@given(seed=st.integers(0, 1000), hard=st.booleans(), sizes=st.lists(st.integers(1, 5), min_size=2, max_size=12))
@settings(max_examples=60, deadline=None)
def test_each_caption_is_given_once_and_never_to_its_own_group(seed, hard, sizes):
    groups = [group for group, size in enumerate(sizes) for _ in range(size)]
    if max(sizes) * 2 > len(groups):
        return
    given_rows = draw_negatives(captions(groups), seed, hard)
    assert sorted(given_rows.tolist()) == list(range(len(groups)))
    assert all(groups[row] != groups[other] for row, other in enumerate(given_rows))


def test_captions_stay_in_their_pool():
    pools = ["train", "test"] * 10
    found = draw_negatives(captions(list(range(20)), pools=pools), 0)
    assert all(pools[row] == pools[other] for row, other in enumerate(found))


def test_a_text_that_the_picture_has_itself_is_never_its_negative():
    texts = ["a dog"] * 5 + [f"thing {n}" for n in range(7)]
    for seed in range(20):
        found = draw_negatives(captions(list(range(12)), texts), seed)
        assert all(texts[row] != texts[other] for row, other in enumerate(found))


def test_rows_for_which_there_is_no_caption_get_none():
    found = draw_negatives(captions([0, 0, 0, 1]), 0)
    assert (found >= 0).sum() == 2
    assert found[3] in (0, 1, 2)
    assert draw_negatives(captions([0, 0]), 0).tolist() == [-1, -1]


def test_the_seed_alone_decides():
    rows = captions([n // 2 for n in range(40)])
    assert draw_negatives(rows, 3).tolist() == draw_negatives(rows, 3).tolist()
    assert draw_negatives(rows, 3).tolist() != draw_negatives(rows, 4).tolist()


def test_hard_negatives_are_more_like_the_own_caption_than_random_ones():
    draw = np.random.default_rng(0)
    words = [[f"w{draw.integers(12)}" for _ in range(5)] for _ in range(200)]
    texts = [" ".join(row) for row in words]
    rows = captions(list(range(200)), texts)
    vectors = TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
    similar = (vectors @ vectors.T).toarray()
    near = np.mean([similar[row, other] for row, other in enumerate(draw_negatives(rows, 0, hard=True))])
    far = np.mean([similar[row, other] for row, other in enumerate(draw_negatives(rows, 0))])
    assert near > 2 * far


@pytest.fixture
def gallery(tmp_path):
    rows = []
    for number in range(24):
        Image.new("RGB", (6, 6), (10 * number, 5, 5)).save(tmp_path / f"{number}.png")
        rows += [(f"{number}.png", f"caption {caption} of {number}") for caption in range(3)]
    Image.new("RGB", (6, 6), (0, 5, 5)).save(tmp_path / "copy.png")  # the same picture as 0.png
    rows += [("copy.png", "another caption of 0"), ("1.png", None), (None, "no picture")]
    pl.DataFrame(rows, schema=["photo", "caption"], orient="row").write_csv(tmp_path / "rows.csv")
    return tmp_path


def load(gallery, **given):
    return load_examples(str(gallery / "rows.csv"), SourceSettings(image="photo", text="caption", **given))


@pytest.mark.parametrize("hard", [False, True])
def test_captions_without_labels_become_pairs_one_to_one(gallery, hard):
    examples = load(gallery, hard_negatives=hard)
    rows = examples.table.to_pylist()
    assert (examples.task, examples.label_names) == ("matching", ("0", "1"))
    assert any(note.startswith("Task: matching, since there is no label column") for note in examples.notes)
    assert len(rows) == 2 * 73
    assert [row["row"] for row in rows[:4]] == [0, 1, 2, 3]
    assert [row["label"] for row in rows[:4]] == [[1], [0], [1], [0]]
    own = {}
    for row in rows[::2]:
        own.setdefault(row["image_key"], set()).add(row["text_key"])
    assert all(row["text_key"] not in own[row["image_key"]] for row in rows[1::2])
    for split in ("train", "validation", "test"):
        inside = [row for row in rows if row["split"] == split]
        fitting, other = ([row["text"] for row in inside if row["label"] == [fits]] for fits in (1, 0))
        assert sorted(fitting) == sorted(other)
        assert fitting
    assert [trouble.reason for trouble in examples.troubles] == ["a pair needs both a picture and a text"] * 2


def test_the_pairs_of_all_folds_are_the_same(gallery):
    first, second = load(gallery, folds=3).table, load(gallery, folds=3, fold=1).table
    for column in ("row", "id", "image_key", "text", "label", "group"):
        assert first[column].equals(second[column])
    texts = {row["text"]: row["split"] for row in first.to_pylist() if row["label"] == [1]}
    tested = [row for row in first.to_pylist() if row["split"] == "test" and row["label"] == [0]]
    assert tested
    assert all(texts[row["text"]] == "test" for row in tested)


def test_pairs_made_from_captions_are_not_split_anew(gallery):
    with pytest.raises(ConfigError, match="needs the same rows in every split.*Give folds="):
        load(gallery, resplit=3)


def test_a_run_is_scored_on_pairs_and_predicts_on_the_rows_as_they_are(gallery):
    settings = SourceSettings(image="photo", text="caption")
    scored = load_for_run(str(gallery / "rows.csv"), settings, "matching", ("0", "1"), labelled=True)
    assert len(scored) == 2 * 73
    plain = load_for_run(str(gallery / "rows.csv"), settings, "matching", ("0", "1"), labelled=False)
    assert len(plain) == 75
    assert plain.table["label"].to_pylist() == [[]] * 75


def test_matching_needs_both_columns_and_two_pictures(gallery):
    with pytest.raises(DataError, match="Matching is about pictures and captions: give image=… and text=…"):
        load_examples(str(gallery / "rows.csv"), SourceSettings(text="caption", task="matching"))
    frame = pl.DataFrame({"photo": ["0.png"] * 4, "caption": list("abcd"), "part": ["train", "train", "val", "test"]})
    settings = SourceSettings(image="photo", text="caption", split="part", image_folder=gallery)
    with pytest.raises(DataError, match="No pair for matching could be made"):
        load_examples(frame, settings)


def test_a_table_of_pairs_needs_no_drawing(gallery):
    frame = pl.DataFrame(
        {
            "photo": [f"{n % 24}.png" for n in range(48)],
            "caption": [f"text {n}" for n in range(48)],
            "fits": ["true" if n % 3 else "false" for n in range(48)],
        }
    )
    settings = SourceSettings("photo", "caption", "fits", image_folder=gallery, task="matching")
    examples = load_examples(frame, settings)
    assert (len(examples), examples.label_names) == (48, ("0", "1"))
    assert examples.table["label"].to_pylist()[:3] == [[0], [1], [1]]


def test_the_folds_of_pairs_are_dealt_as_those_of_their_captions(gallery):
    first = load(gallery, folds=3)
    for fold in range(3):
        settings = SourceSettings(image="photo", text="caption", folds=3, fold=fold)
        again = load_examples(str(gallery / "rows.csv"), settings)
        assert refold(first, settings).table["split"].equals(again.table["split"])
