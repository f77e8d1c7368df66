"""COCO's layout, counted by pycocotools on the same files."""

import contextlib
import io
import json
from collections import Counter

import pytest
from PIL import Image

from interfuse.core.errors import ConfigError, DataError
from interfuse.data import SourceSettings, load_examples

NAMES = {1: "person", 3: "car", 18: "dog", 90: "toothbrush"}


@pytest.fixture
def coco(tmp_path):
    """Eight pictures to train on and four in val; the toothbrush is never seen, one picture shows nothing."""
    (tmp_path / "annotations").mkdir()
    for part, first, count in (("train2017", 100, 8), ("val2017", 500, 4)):
        (tmp_path / part).mkdir()
        images, instances, captions = [], [], []
        for number in range(first, first + count):
            name = f"{number:012}.jpg"
            Image.new("RGB", (20, 10), (number % 256, 7 * number % 256, 5)).save(tmp_path / part / name)
            images.append({"id": number, "file_name": name, "width": 20, "height": 10})
            for place, category in enumerate([1, 1, 18, 3][: number % 5]):
                instances.append(
                    {"id": 10 * number + place, "image_id": number, "category_id": category, "iscrowd": place % 2}
                )
            captions += [
                {"id": 10 * number + n, "image_id": number, "caption": f" Caption {n} of {number}.\n"} for n in (1, 0)
            ]
        categories = [{"id": number, "name": name} for number, name in reversed(NAMES.items())]
        write(tmp_path, f"instances_{part}", {"images": images, "annotations": instances, "categories": categories})
        write(tmp_path, f"captions_{part}", {"images": images, "annotations": captions})
        write(tmp_path, f"person_keypoints_{part}", {"images": []})
    return tmp_path


def write(folder, name, content) -> None:
    (folder / "annotations" / f"{name}.json").write_text(json.dumps(content))


def load(folder, **given):
    return load_examples(f"coco:{folder}", SourceSettings(validation_share=0.25, **given))


def test_both_files_give_captions_with_the_names_of_their_pictures_categories(coco):
    examples = load(coco)
    rows = examples.table.to_pylist()
    assert (examples.task, examples.label_names) == ("multilabel", ("person", "car", "dog", "toothbrush"))
    assert Counter(row["split"] for row in rows) == {"train": 12, "validation": 4, "test": 8}
    assert (rows[0]["id"], rows[0]["text"]) == ("train2017-100-1000", "Caption 0 of 100.")
    assert rows[0]["label"] == []  # a picture that shows none of the categories
    assert rows[8]["label"] == [0, 1, 2]
    parts = {row["image_key"]: row["split"] for row in rows}
    assert all(parts[row["image_key"]] == row["split"] for row in rows)
    said = " ".join(examples.notes)
    assert "train2017 is train, val2017 is test; validation is carved from train by group" in said
    assert "12 pictures, 24 captions, 4 categories" in said
    assert "2 of 4 classes occur in no train row" in said or "1 of 4 classes occur in no train row" in said


def test_splits_that_the_data_declare_are_not_made_anew(coco):
    with pytest.raises(ConfigError, match="these rows have a split of their own, in column 'split'"):
        load(coco, resplit=3)


@pytest.mark.parametrize("part", ["train2017", "val2017"])
def test_counts_equal_those_of_pycocotools(coco, part):
    tools = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed (the extra dev)")
    with contextlib.redirect_stdout(io.StringIO()):
        oracle = tools.COCO(str(coco / "annotations" / f"instances_{part}.json"))
        captions = tools.COCO(str(coco / "annotations" / f"captions_{part}.json"))
    examples = load(coco)
    rows = [row for row in examples.table.to_pylist() if row["id"].startswith(part)]
    assert len(rows) == len(captions.getAnnIds())
    assert len({row["image"] for row in rows}) == len(oracle.getImgIds())
    for number, name in NAMES.items():
        code = examples.label_names.index(name)
        found = {row["image"] for row in rows if code in row["label"]}
        assert len(found) == len(oracle.getImgIds(catIds=[number])), name
    for image in oracle.getImgIds():
        told = sorted(row["text"] for row in rows if row["image"].endswith(f"{image:012}.jpg"))
        assert told == sorted(a["caption"].strip() for a in captions.imgToAnns[image])


def test_instances_alone_are_pictures_and_captions_alone_are_for_matching(coco):
    for path in (coco / "annotations").glob("captions_*"):
        path.unlink()
    alone = load(coco)
    assert (len(alone), alone.task, alone.table["text"].null_count) == (12, "multilabel", 12)


def test_captions_alone_are_for_matching(coco):
    for path in (coco / "annotations").glob("instances_*"):
        path.unlink()
    pairs = load(coco)
    assert (len(pairs), pairs.task) == (48, "matching")


def test_the_task_and_the_columns_can_be_overridden(coco):
    pairs = load(coco, task="matching")
    assert (len(pairs), pairs.label_names) == (48, ("0", "1"))
    assert load(coco, label="none").task == "matching"
    assert len(load(coco, folds=3)) == 24


def test_pictures_may_lie_elsewhere_and_missing_ones_are_told(coco):
    (coco / "train2017" / f"{101:012}.jpg").unlink()
    examples = load(coco)
    assert [trouble.reason.split(":")[0] for trouble in examples.troubles] == ["the file does not exist"] * 2
    (coco / "elsewhere").mkdir()
    for part in ("train2017", "val2017"):
        (coco / part).rename(coco / "elsewhere" / part)
    assert len(load(coco, image_folder=coco / "elsewhere").pictures()) == 11


def test_val_alone_is_split_anew(coco):
    for path in (coco / "annotations").glob("*train2017*"):
        path.unlink()
    examples = load(coco, test_share=0.25)
    assert set(examples.table["split"].to_pylist()) == {"train", "validation", "test"}
    assert any(note.startswith("Split: made, by group") for note in examples.notes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": []}, r"is not in COCO's format: KeyError 'categories'"),
        ({"images": [], "categories": [], "annotations": [{"image_id": 7, "category_id": 1}]}, "is about 7, which"),
        ([1], "expected an object with images and annotations"),
        ("{", "is not in COCO's format"),
    ],
)
def test_a_malformed_file_is_named(coco, content, message):
    write(coco, "instances_train2017", content)
    with pytest.raises(DataError, match=f"instances_train2017.json.*{message}"):
        load(coco)


def test_a_folder_without_annotations_is_told(tmp_path):
    with pytest.raises(DataError, match="has no folder annotations"):
        load(tmp_path)
    (tmp_path / "annotations").mkdir()
    with pytest.raises(DataError, match=r"has no instances_\*\.json and no captions_\*\.json"):
        load(tmp_path)
    with pytest.raises(DataError, match="There is no folder"):
        load(tmp_path / "nowhere")
