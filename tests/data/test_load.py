"""From files to Examples: columns, tasks, splits, troubles; every message pinned."""

import json

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from interfuse.core.errors import ConfigError, DataError
from interfuse.core.settings import to_plain
from interfuse.data import SourceSettings, load_examples, load_for_run, refold, split_rows, write_quarantine
from interfuse.data.readers.easy_vqa import read_easy_vqa

COLUMNS = {"image": "photo", "text": "title", "label": "kind"}


@pytest.fixture
def photos(tmp_path):
    for number in range(12):
        Image.new("RGB", (6, 6), (20 * number, 5, 5)).save(tmp_path / f"{number}.png")
    return tmp_path


def frame(count: int = 40, **changes: list) -> pl.DataFrame:
    rows = {
        "photo": [f"{n % 12}.png" for n in range(count)],
        "title": [f"thing {n}" for n in range(count)],
        "kind": ["ab"[n % 2] for n in range(count)],
    }
    return pl.DataFrame({**rows, **changes})


def load(data, folder, **given):
    return load_examples(data, SourceSettings(**{**COLUMNS, "image_folder": folder, **given}))


def parts(examples) -> dict[str, list[int]]:
    return {
        split: [r["row"] for r in examples.table.to_pylist() if r["split"] == split]
        for split in ("train", "validation", "test")
    }


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_every_kind_of_file_gives_the_same_rows(photos, ending):
    table = frame(id=[f"00{n}" for n in range(40)])
    path = photos / f"rows.{ending}"
    writers = {
        "csv": table.write_csv,
        "tsv": lambda p: table.write_csv(p, separator="\t"),
        "jsonl": table.write_ndjson,
        "parquet": table.write_parquet,
    }
    writers[ending](path)
    found, expected = load(str(path), photos, id="id"), load(table, photos, id="id")
    assert found.table.equals(expected.table)
    assert found.table["id"][3].as_py() == "003"
    assert len(found.pictures()) == 12


def test_the_image_folder_is_the_tables_own_unless_given(photos):
    frame().write_csv(photos / "rows.csv")
    assert len(load(str(photos / "rows.csv"), None).pictures()) == 12


def test_a_byte_order_mark_quotes_and_newlines_in_quotes_are_read(photos):
    rows = "".join(f'{n % 12}.png,"said ""so""\nand {n}",{"ab"[n % 2]}\n' for n in range(20))
    (photos / "rows.csv").write_bytes(b"\xef\xbb\xbfphoto,title,kind\n" + rows.encode())
    texts = load(str(photos / "rows.csv"), photos).table["text"].to_pylist()
    assert texts[3] == 'said "so"\nand 3'


def test_lists_and_bars_make_the_task_multilabel(photos):
    lists = frame(kind=[["a", "b"] if n % 3 else [] for n in range(40)])
    bars = frame(kind=["a|b" if n % 3 else "a" for n in range(40)])
    found = load(lists, photos)
    assert (found.task, found.label_names) == ("multilabel", ("a", "b"))
    assert found.table["label"].to_pylist()[:2] == [[], [0, 1]]
    assert "Task: multilabel, seen from the labels (task=… says otherwise)." in found.notes
    assert load(bars, photos).table["label"].to_pylist()[:2] == [[0], [0, 1]]


def test_numbers_that_are_classes_are_in_the_order_of_their_values(photos):
    assert load(frame(kind=[str(n % 11) for n in range(40)]), photos).label_names[-2:] == ("9", "10")


def test_fractions_make_the_task_regression_and_rows_without_a_number_are_left_out(photos):
    prices = [None, 1.5, 2.0, float("nan"), *(0.25 * n for n in range(36))]
    found = load(frame(kind=prices), photos)
    assert (found.task, found.label_names, len(found)) == ("regression", ("kind",), 38)
    assert found.table["target"].to_pylist()[:3] == [1.5, 2.0, 0.0]
    assert found.table["label"].to_pylist()[0] == []
    assert [t.reason for t in found.troubles] == ["it has no label"] * 2
    moved = load(frame(kind=[*prices[:-1], 77.5]), photos)
    assert moved.fingerprint != found.fingerprint


@pytest.mark.parametrize(
    ("changes", "given", "message"),
    [
        ({}, {"label": "kindd"}, r"Unknown column for the label: 'kindd'\. Did you mean 'kind'"),
        ({}, {"label": None, "text": None}, r"Which column is the label\? Give label=…\. Columns: photo, title, kind"),
        ({}, {"task": "regression"}, r"Column 'kind' has 'a' \(row 0\), which is no finite number.*task=multiclass"),
        ({"kind": [0.5] * 40}, {}, "The number 'kind' is the same in every train row"),
        ({}, {"task": "ranking"}, "Unknown task 'ranking'"),
        ({"kind": ["a"] * 40}, {}, "The label column has only 'a'"),
        ({"kind": [f"c{n}" for n in range(40)]}, {}, "has 40 classes for 40 rows"),
        ({"kind": [None] * 40}, {}, "No row is left: none has a label"),
        ({"photo": ["no.png"] * 40}, {}, "No picture of column 'photo' could be read; the first: the file does not"),
        ({"split": ["train", "later"] * 20}, {"split": "split"}, "Column 'split' has the split 'later'; expected"),
        ({"split": ["test"] * 40}, {"split": "split"}, "Column 'split' calls no row train"),
        ({"id": ["same"] * 40}, {"id": "id"}, "Column 'id' names rows, but 39 of its values repeat, such as 'same'"),
        ({"title": [" "] * 40}, {}, "No row has a text in column 'title': every cell is blank"),
        ({"title": [b"x"] * 40}, {}, "Column 'title' holds Binary values"),
        ({}, {"task": "matching"}, "Column 'kind' has 'a': matching takes 1 or 0"),
        ({}, {"image_folder": "nowhere"}, "image_folder=nowhere is no folder"),
    ],
)
def test_what_cannot_be_used_is_told(photos, changes, given, message):
    with pytest.raises(DataError, match=message):
        load(frame(**changes), photos, **given)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.xlsx", "x", r"Cannot read 'rows.xlsx': DATA is a file that ends in .csv"),
        ("rows.csv", "", "rows.csv is empty"),
        ("rows.csv", "photo,title,kind\n", "rows.csv has no row"),
        ("rows.csv", "photo,title,kind\n1.png,a,b,c,d\n", "rows.csv, line 2: the row has 5 cells, the header has 3"),
        ("rows.jsonl", "{not json}\n", "rows.jsonl, line 1: not JSON"),
        ("rows.parquet", "not parquet", "rows.parquet cannot be read as parquet"),
    ],
)
def test_files_that_cannot_be_read_are_told(photos, name, content, message):
    (photos / name).write_text(content)
    with pytest.raises(DataError, match=message):
        load(str(photos / name), photos)
    with pytest.raises(DataError, match="There is no file"):
        load(str(photos / "none.csv"), photos)


def test_a_label_that_is_no_number_is_told_by_its_row_in_the_source(photos):
    titles = [None, *(f"thing {n}" for n in range(1, 40))]
    numbers = ["7", "0.5", *(f"{n}.25" for n in range(2, 38)), "nan", "?"]
    rows = frame(title=titles, kind=numbers, photo=[None, *(f"{n % 12}.png" for n in range(1, 40))])
    with pytest.raises(DataError, match=r"has 'nan' \(row 38\), which is no finite number"):
        load(rows, photos, task="regression")  # row 0, which shows nothing, is left out before
    told = r"Is it the right column\? In only 2 rows the label is no number \('nan' in row 38\).*task=regression tells"
    with pytest.raises(DataError, match=told):
        load(rows, photos)
    with pytest.raises(DataError, match=r"Is it the right column\?$"):
        load(frame(kind=[f"word {n}" for n in range(40)]), photos)


def test_rows_in_trouble_are_listed_and_none_is_silently_dropped(photos, tmp_path):
    (photos / "broken.png").write_text("no picture")
    changes = {
        "photo": ["broken.png", "broken.png", None, "0.png", "../0.png", *[f"{n % 11}.png" for n in range(35)]],
        "title": ["words", None, " ", "words", "words", *["words"] * 35],
        "kind": ["a", "a", "a", None, "b", *"ab" * 17, "a"],
    }
    found = load(frame(**changes), photos)
    told = {(t.row, t.what, t.consequence) for t in found.troubles}
    assert told == {
        (0, "image", "the image is treated as missing"),
        (1, "image", "the row is left out"),
        (2, "row", "the row is left out"),
        (3, "row", "the row is left out"),
        (4, "image", "the image is treated as missing"),
    }
    rows = found.table.to_pylist()
    assert [r["row"] for r in rows] == [0, *range(4, 40)]
    assert rows[0]["image_key"] is None
    assert rows[0]["text"] == "words"
    write_quarantine(found, tmp_path / "quarantine.csv")
    quarantine = pl.read_csv(tmp_path / "quarantine.csv")
    assert quarantine.height == 5
    assert "not a picture" in quarantine["reason"][0]
    with pytest.raises(DataError, match=r"Row 0 \(0\): the file is not a picture"):
        load(frame(**changes), photos, strict=True)


def test_a_picture_that_fails_later_leaves_its_row_in_its_split(photos):
    examples = load(frame(), photos)
    key = examples.table["image_key"][0].as_py()
    found = examples.without("image", {key: "truncated"})
    assert len(found) == 40
    assert found.table["split"].equals(examples.table["split"])
    assert found.table["image_key"].null_count == sum(k == key for k in examples.table["image_key"].to_pylist())
    assert {t.reason.split(":")[0] for t in found.troubles} == {"truncated"}
    alone = load(frame(), photos, text=None)
    assert len(alone.without("image", {key: "truncated"})) == 36


def test_a_text_that_fails_later_is_missing_in_its_rows_and_is_shown_shortened(photos):
    examples = load(frame(title=["long " * 100] + [f"title {n}" for n in range(1, 40)]), photos)
    found = examples.without("text", {examples.table["text_key"][0].as_py(): "unreadable"})
    assert len(found) == 40
    assert found.table["text_key"].null_count == 1
    (trouble,) = found.troubles
    assert (trouble.row, trouble.what, trouble.consequence) == (0, "text", "the text is treated as missing")
    assert trouble.reason.startswith("unreadable: long long")
    assert len(trouble.reason) <= len("unreadable: ") + 80
    alone = load(frame(), photos, image=None)
    key = alone.table["text_key"][0].as_py()
    assert len(alone.without("text", {key: "unreadable"})) == 40 - alone.table["text_key"].to_pylist().count(key)


@given(groups=st.lists(st.integers(0, 9), min_size=30, max_size=60), seed=st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_groups_never_straddle_and_the_split_does_not_depend_on_the_order_of_rows(groups, seed):
    rows = pl.DataFrame(
        {
            "title": [f"text {n}" for n in range(len(groups))],
            "kind": ["ab"[n % 2] for n in range(len(groups))],
            "shop": [f"s{g}" for g in groups],
            "id": [f"r{n}" for n in range(len(groups))],
        }
    )
    assume(len(set(groups)) >= 6)
    assume(max(map(groups.count, groups)) <= len(groups) // 3)  # a larger one leaves too few for three parts
    chosen = SourceSettings(text="title", label="kind", group="shop", id="id", seed=seed)
    first, second = load_examples(rows, chosen), load_examples(rows.reverse(), chosen)
    where: dict[int, set[str]] = {}
    for row in first.table.to_pylist():
        where.setdefault(row["group"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in where.values())
    splits = [{r["id"]: r["split"] for r in e.table.to_pylist()} for e in (first, second)]
    assert splits[0] == splits[1]


def test_rows_with_the_same_picture_bytes_are_one_group_whatever_their_names(photos):
    (photos / "copy.png").write_bytes((photos / "0.png").read_bytes())
    found = load(frame(photo=["copy.png", *[f"{n % 12}.png" for n in range(1, 40)]]), photos)
    groups = {r["row"]: r["group"] for r in found.table.to_pylist()}
    assert groups[0] == groups[12] == groups[24]
    assert len(set(groups.values())) == 12


def test_a_made_split_has_the_shares_it_was_asked_for_in_every_class():
    rows = pl.DataFrame({"title": [f"t{n}" for n in range(600)], "kind": ["abc"[min(n % 6, 2)] for n in range(600)]})
    found = load_examples(rows, SourceSettings(text="title", label="kind", test_share=0.2, validation_share=0.1))
    counts = {k: len(v) for k, v in parts(found).items()}
    assert counts == {"train": 420, "validation": 60, "test": 120}
    tests = [r["label"][0] for r in found.table.to_pylist() if r["split"] == "test"]
    assert [tests.count(c) for c in range(3)] == pytest.approx([20, 20, 80], abs=2)
    assert any(note.startswith("Split: made, by group (seed 0): 420 train") for note in found.notes)


def test_a_given_split_is_used_as_it_is_and_its_leaks_are_counted(photos):
    given = ["train"] * 30 + ["dev"] * 5 + ["Test"] * 5
    found = load(frame(split=given), photos, split="split")
    assert {k: len(v) for k, v in parts(found).items()} == {"train": 30, "validation": 5, "test": 5}
    assert any("10 groups of rows with the same picture straddle the given split: a leak" in n for n in found.notes)


def test_a_file_for_a_split_must_have_every_column_and_finds_its_own_pictures(photos, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    Image.new("RGB", (6, 6), "green").save(elsewhere / "0.png")
    frame(30).write_csv(photos / "train.csv")
    frame(8, photo=["0.png"] * 8).write_csv(elsewhere / "test.csv")
    found = load(str(photos / "train.csv"), None, test=elsewhere / "test.csv")
    assert len(found.pictures()) == 13
    assert not any("leak" in note for note in found.notes)
    frame(8).rename({"title": "words"}).write_csv(elsewhere / "test.csv")
    with pytest.raises(DataError, match="Unknown column for text=… in test.csv: 'title'. Known: kind, photo, words"):
        load(str(photos / "train.csv"), None, test=elsewhere / "test.csv")


def test_settings_with_files_can_be_saved_as_json(tmp_path):
    chosen = SourceSettings(validation=tmp_path / "dev.csv", image_folder=tmp_path)
    assert to_plain(chosen)["validation"] == str(tmp_path / "dev.csv")


def test_a_picture_outside_the_folder_is_missing_unless_allowed(photos, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "far.png"
    Image.new("RGB", (6, 6), "green").save(outside)
    (photos / "link.png").symlink_to(outside)
    rows = frame(photo=["link.png", str(outside), *[f"{n % 12}.png" for n in range(38)]])
    found = load(rows, photos)
    assert [t.reason.split(":")[0] for t in found.troubles] == [
        "the path leads outside the image folder through a symbolic link; allow_outside=True reads it all the same",
        f"the path leads outside the image folder ({str(outside)!r}); allow_outside=True reads it all the same",
    ]
    allowed = load(rows, photos, allow_outside=True)
    assert allowed.troubles == ()
    assert allowed.table["image_key"][0] == allowed.table["image_key"][1]


def test_rows_joined_by_picture_and_by_column_are_one_group(photos):
    shops = ["x", "y", "y", *[f"s{n}" for n in range(37)]]
    found = load(frame(photo=["0.png", "0.png", "1.png", *[f"{2 + n % 10}.png" for n in range(37)]]), photos)
    joined = load(
        frame(photo=["0.png", "0.png", "1.png", *[f"{2 + n % 10}.png" for n in range(37)]], shop=shops),
        photos,
        group="shop",
    )
    assert found.table["group"].to_pylist()[:3] == [0, 0, 1]
    assert joined.table["group"].to_pylist()[:3] == [0, 0, 0]


def test_a_split_made_without_ids_does_not_depend_on_the_order_of_rows():
    rows = frame(60).drop("photo")
    first, second = (load_examples(r, SourceSettings(text="title", label="kind")) for r in (rows, rows.reverse()))
    where = [{r["text"]: r["split"] for r in e.table.to_pylist()} for e in (first, second)]
    assert where[0] == where[1]


def test_the_fingerprint_follows_the_content_and_not_the_place_of_the_files(photos, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for picture in photos.glob("*.png"):
        (other / picture.name).write_bytes(picture.read_bytes())
    assert load(frame(), photos).fingerprint == load(frame(), other).fingerprint
    assert load(frame(), photos).fingerprint != load(frame(title=["new"] * 40), photos).fingerprint


def test_a_split_that_loses_every_row_to_bad_pictures_is_told(photos):
    split = ["train"] * 28 + ["dev"] * 6 + ["test"] * 6
    photo = [f"{n % 10}.png" for n in range(34)] + ["11.png"] * 6
    examples = load(frame(photo=photo, split=split), photos, split="split", text=None)
    key = examples.table["image_key"][39].as_py()
    with pytest.raises(
        DataError, match="No test row is left: 1 of the pictures cannot be used, .*The first: cut short"
    ):
        examples.without("image", {key: "cut short"})


def test_files_for_validation_and_test_are_joined(photos):
    frame(30).write_csv(photos / "train.csv")
    frame(6).write_csv(photos / "dev.csv")
    frame(4).write_csv(photos / "test.csv")
    files = {"validation": photos / "dev.csv", "test": photos / "test.csv"}
    found = load(str(photos / "train.csv"), photos, **files)
    assert {k: len(v) for k, v in parts(found).items()} == {"train": 30, "validation": 6, "test": 4}
    with pytest.raises(ConfigError, match="one way to split the rows"):
        load(str(photos / "train.csv"), photos, split="kind", **files)


@pytest.mark.parametrize("named", [True, False])
def test_a_fold_of_a_table_read_once_is_the_fold_of_one_read_anew(photos, named):
    data = frame(48).with_columns(pl.Series("name", [f"r{n}" for n in range(48)]))
    data = data.with_columns(pl.when(pl.int_range(48) % 5 == 0).then(None).otherwise(pl.col("photo")).alias("photo"))
    settings = [
        SourceSettings(**COLUMNS, image_folder=photos, folds=4, fold=fold, id="name" if named else None)
        for fold in range(4)
    ]
    first = load_examples(data, settings[0])
    for one in settings:
        assert refold(first, one).table.equals(load_examples(data, one).table)
    with pytest.raises(DataError, match="read with folds"):
        refold(first, SourceSettings(**COLUMNS))


def test_splits_made_anew_are_those_of_the_seeds_from_the_given_one_on(photos):
    settings = SourceSettings(**COLUMNS, image_folder=photos, resplit=3, seed=5)
    first = load_examples(frame(48), settings)
    every = split_rows(first, settings)
    for seed, examples in zip((5, 6, 7), every, strict=True):
        plain = SourceSettings(**COLUMNS, image_folder=photos, seed=seed)
        assert examples.table.equals(load_examples(frame(48), plain).table)
    assert any(note.startswith("Splits: 3, each made anew by group (seeds 5 to 7): ") for note in first.notes)
    assert split_rows(first, SourceSettings(**COLUMNS)) == (first,)


def test_folds_make_every_row_a_test_row_once_and_keep_groups_together(photos):
    tested: list[int] = []
    for fold in range(4):
        found = load(frame(48), photos, folds=4, fold=fold)
        split = parts(found)
        assert split["validation"]
        where = {(r["group"], r["split"]) for r in found.table.to_pylist()}
        assert len(where) == 12
        tested += split["test"]
    assert sorted(tested) == list(range(48))


def test_a_class_that_no_train_row_has_is_said(photos):
    given = ["train"] * 30 + ["dev"] * 5 + ["test"] * 5
    found = load(frame(kind=[*"ab" * 19, "c", "c"], split=given), photos, split="split")
    assert any("1 of 3 classes occur in no train row and cannot be learned: c" in note for note in found.notes)


def test_text_in_any_language_and_of_any_length_is_kept(photos):
    odd = ["图片 🐈 عربى", "a\x00b", "x" * 100_000, "ok"] * 10
    (photos / "rows.jsonl").write_text(
        "\n".join(json.dumps({"photo": "0.png", "title": t, "kind": "ab"[i % 2]}) for i, t in enumerate(odd))
    )
    found = load(str(photos / "rows.jsonl"), None, image=None)
    assert found.table["text"].to_pylist() == odd
    assert len(found.texts()) == 4


def test_rows_for_a_run_need_no_label_and_refuse_a_strange_one(photos):
    chosen = SourceSettings(**COLUMNS, image_folder=photos)
    found = load_for_run(frame().drop("kind"), chosen, "multiclass", ["a", "b"], labelled=False)
    assert found.table["row"].to_pylist() == list(range(40))
    known = load_for_run(frame(), chosen, "multiclass", ["b", "a"], labelled=True)
    assert known.table["label"].to_pylist()[:2] == [[1], [0]]
    with pytest.raises(DataError, match="has the label|have the label 'b', which the run does not know"):
        load_for_run(frame(), chosen, "multiclass", ["a", "c"], labelled=True)


def test_easy_vqa_has_its_rows_and_its_split():
    pytest.importorskip("easy_vqa", reason="the extra demo is not installed")
    assert read_easy_vqa().height == 38_575 + 9_673
    found = load_examples("easy-vqa", SourceSettings())
    assert len(found.label_names) == 13
    assert (len(found.pictures()), len(found.texts())) == (5_000, 107)
    counts = {k: len(v) for k, v in parts(found).items()}
    assert counts["test"] == 9_673
    assert counts["train"] + counts["validation"] == 38_575
    assert counts["validation"] / 38_575 == pytest.approx(0.1, abs=0.002)
    pictures: dict[str, set[str]] = {}
    for row in found.table.to_pylist():
        pictures.setdefault(row["split"], set()).add(row["image_key"])
    assert len(pictures["test"]) == 1_000
    assert len(pictures["validation"]) == pytest.approx(400, abs=15)  # and so 10 % of the pictures too
    assert len(pictures["train"] | pictures["validation"]) == 4_000  # no two pictures have the same bytes
    assert not pictures["train"] & pictures["validation"]


def test_a_linked_folder_of_pictures_names_the_option_that_reads_it_and_absolute_paths_are_said(
    photos, tmp_path_factory
):
    tmp_path = tmp_path_factory.mktemp("table")
    (tmp_path / "images").symlink_to(photos)
    rows = frame(photo=[f"images/{n % 12}.png" for n in range(40)])
    rows.write_csv(tmp_path / "rows.csv")
    given = {"image": "photo", "text": "title", "label": "kind"}
    with pytest.raises(DataError, match=r"symbolic link; allow_outside=True reads it .*: .*/images/0\.png\.$"):
        load_examples(tmp_path / "rows.csv", SourceSettings(**given))
    allowed = load_examples(tmp_path / "rows.csv", SourceSettings(**given, allow_outside=True))
    assert not any("from the root" in note for note in allowed.notes)
    frame(photo=[str(photos / f"{n % 12}.png") for n in range(40)]).write_csv(tmp_path / "far.csv")
    far = load_examples(tmp_path / "far.csv", SourceSettings(**given))
    assert any(note.startswith("12 pictures are named by paths from the root") for note in far.notes)
