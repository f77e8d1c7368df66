"""Folders of pictures, shards, datasets, joined files and guessed columns."""

import io
import json
import sys
import tarfile

import polars as pl
import pytest
from PIL import Image

from interfuse.core.errors import ConfigError, DataError, ExtraMissingError
from interfuse.data import SourceSettings, load_examples
from interfuse.data.readers.webdataset import expand


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (9 * number % 256, 5, number % 7)).save(buffer, "PNG")
    return buffer.getvalue()


def load(source, **given):
    return load_examples(source, SourceSettings(**given))


@pytest.fixture
def zoo(tmp_path):
    """Twelve cats and twelve dogs in folders of that name."""
    for number in range(24):
        path = tmp_path / "zoo" / ("cat" if number < 12 else "dog") / f"{number}.PNG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    (tmp_path / "zoo" / "readme.txt").write_text("no picture")
    (tmp_path / "zoo" / ".hidden").mkdir()
    return tmp_path / "zoo"


def test_a_folder_of_pictures_has_the_folders_names_for_classes(zoo):
    examples = load(f"folder:{zoo}")
    assert (len(examples), examples.task, examples.label_names) == (24, "multiclass", ("cat", "dog"))
    assert "Folder: 24 pictures in 2 folders, the classes." in examples.notes
    assert load(str(zoo)).table.equals(examples.table)
    assert any("is read as folder:" in note for note in load(zoo).notes)


@pytest.mark.parametrize("by", ["path", "name"])
def test_a_captions_file_beside_the_folders_is_joined(zoo, by):
    rows = [{"file_name": f"cat/{n}.PNG" if by == "path" else f"{n}.PNG", "caption": f"cat {n}"} for n in range(10)]
    rows += [rows[0] | {"caption": "again"}, {"file_name": "cat/99.PNG", "caption": "nowhere"}]
    (zoo / "captions.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    examples = load(f"folder:{zoo}")
    texts = dict(zip(examples.table["image"].to_pylist(), examples.table["text"].to_pylist(), strict=True))
    assert len(examples) == 25
    assert texts[str(zoo / "cat" / "3.PNG")] == "cat 3"
    assert texts[str(zoo / "dog" / "12.PNG")] is None
    assert examples.label_names == ("cat", "dog")
    assert any("14 pictures have no row in it, 1 names in it are no picture" in note for note in examples.notes)


def test_folders_named_as_splits_are_the_split(zoo):
    for part in ("train", "val", "test"):
        for number, path in enumerate(sorted(zoo.glob("cat/*")) + sorted(zoo.glob("dog/*"))):
            target = zoo.parent / "split" / part / path.parent.name / f"{part}{path.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(picture(number + {"train": 0, "val": 30, "test": 60}[part]))
    examples = load(zoo.parent / "split")
    assert examples.label_names == ("cat", "dog")
    rows = examples.table.to_pylist()
    assert all(f"/{'val' if row['split'] == 'validation' else row['split']}/" in row["image"] for row in rows)


def test_a_folder_that_cannot_be_used_is_told(zoo, tmp_path):
    (zoo / "metadata.csv").write_text("file_name,text\nno.png,a\n")
    with pytest.raises(
        DataError, match="no value of column 'file_name' is a picture of the folder; the first: 'no.png'"
    ):
        load(f"folder:{zoo}")
    (zoo / "metadata.csv").write_text("who,text\nno.png,a\n")
    with pytest.raises(DataError, match="does not say which picture a row is about"):
        load(f"folder:{zoo}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no picture"):
        load(f"folder:{tmp_path / 'empty'}")
    with pytest.raises(ConfigError, match="folder: brings its own splits"):
        load(f"folder:{zoo}", test="rows.csv")


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def shards(tmp_path):
    number = 0
    for part, count in (("train", 10), ("val", 4), ("test", 4)):
        for shard in range(2):
            with tarfile.open(tmp_path / f"{part}-00{shard}.tar", "w") as tar:
                for _ in range(count):
                    add(tar, f"./{number}.png", picture(number))
                    add(tar, f"./{number}.txt", f"text {number}\n".encode())
                    add(tar, f"./{number}.cls", str(number % 3).encode())
                    add(tar, f"./{number}.json", json.dumps({"source": "web", "size": number, "image": "x"}).encode())
                    number += 1
    return tmp_path


def test_shards_are_read_and_their_names_give_the_split(shards, tmp_path):
    examples = load(f"wds:{shards}/*-00?.tar", unpack_to=tmp_path / "pictures")
    rows = examples.table.to_pylist()
    assert (len(rows), examples.label_names, examples.task) == (36, ("0", "1", "2"), "multiclass")
    assert [sum(row["split"] == part for row in rows) for part in ("train", "validation", "test")] == [20, 8, 8]
    row = next(row for row in rows if row["text"] == "text 5")
    assert (row["label"], row["id"]) == ([2], "train-000/5")
    with open(row["image"], "rb") as handle:
        assert handle.read() == picture(5)
    again = load(f"wds:{shards}/{{train,val,test}}-{{000..001}}.tar", unpack_to=tmp_path / "pictures", text="source")
    assert set(again.table["text"].to_pylist()) == {"web"}
    assert len(again) == 36
    prices = load(f"wds:{shards}/train-*.tar", unpack_to=tmp_path / "pictures", label="size", task="regression")
    assert prices.table["target"].to_pylist()[:3] == [0.0, 1.0, 2.0]


def test_a_member_leads_nowhere_and_other_kinds_are_left_alone(tmp_path):
    with tarfile.open(tmp_path / "rows.tar", "w") as tar:
        for number in range(12):
            add(tar, f"../../{number}.jpg.png", picture(number))
            add(tar, f"../../{number}.cls", b"ab"[number % 2 : number % 2 + 1])
            add(tar, f"../../{number}.pkl", b"cos\nsystem\n(S'true'\ntR.")
        link = tarfile.TarInfo("99.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    before = sorted(tmp_path.parent.iterdir())
    examples = load(f"wds:{tmp_path}/rows.tar", unpack_to=tmp_path / "pictures")
    assert len(examples) == 12
    assert all(path.startswith(str(tmp_path / "pictures")) for path in examples.table["image"].to_pylist())
    assert "Members of other kinds are left alone: 12 .pkl." in examples.notes
    assert sorted(tmp_path.parent.iterdir()) == before


def test_shards_that_cannot_be_used_are_told(tmp_path):
    with pytest.raises(DataError, match="There is no shard"):
        load(f"wds:{tmp_path}/none-{{00..03}}.tar")
    (tmp_path / "torn.tar").write_bytes(b"x" * 2000)
    with pytest.raises(DataError, match=r"torn\.tar cannot be read as a tar file"):
        load(f"wds:{tmp_path}/torn.tar", unpack_to=tmp_path)
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        add(tar, "1.json", b"{")
    with pytest.raises(DataError, match=r"bad\.tar: 1\.json: it is not JSON"):
        load(f"wds:{tmp_path}/bad.tar", unpack_to=tmp_path)


def test_braces_count_with_their_zeros(tmp_path):
    for name in ("a-08.tar", "a-09.tar", "a-10.tar", "b-08.tar"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in expand(f"{tmp_path}/a-{{08..10}}.tar")] == ["a-08.tar", "a-09.tar", "a-10.tar"]
    assert [path.name for path in expand(f"{tmp_path}/{{b,a}}-08.tar")] == ["b-08.tar", "a-08.tar"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed (the extra hub)")
    folder = tmp_path_factory.mktemp("hub")
    features = datasets.Features(
        {
            "picture": datasets.Image(),
            "question": datasets.Value("string"),
            "note": datasets.Value("string"),
            "kind": datasets.ClassLabel(names=["zebra", "ant", "never"]),
            "tags": datasets.List(datasets.ClassLabel(names=["x", "y"])),
            "price": datasets.Value("float32"),
            "box": datasets.List(datasets.List(datasets.Value("int64"))),
        }
    )

    def part(first: int, count: int):
        rows = {
            "picture": [{"bytes": picture(n), "path": None} for n in range(first, first + count)],
            "question": [f"what is {n}?" if n % 5 else None for n in range(first, first + count)],
            "note": [f"note {n}" for n in range(first, first + count)],
            "kind": [n % 2 for n in range(first, first + count)],
            "tags": [[0, 1] if n % 2 else [] for n in range(first, first + count)],
            "price": [n + 0.5 for n in range(first, first + count)],
            "box": [[[1, 2]]] * count,
        }
        return datasets.Dataset.from_dict(rows, features=features)

    parts = {"train": part(0, 20), "validation": part(20, 8), "test": part(28, 8), "unsupervised": part(36, 4)}
    datasets.DatasetDict(parts).save_to_disk(str(folder / "many"))
    part(0, 30).save_to_disk(str(folder / "one"))
    return folder


def test_a_dataset_gives_pictures_texts_and_the_names_of_its_classes(dataset, tmp_path):
    examples = load(f"hf:{dataset / 'many'}", unpack_to=tmp_path)
    rows = examples.table.to_pylist()
    assert (examples.task, examples.label_names) == ("multiclass", ("zebra", "ant", "never"))
    assert [sum(row["split"] == part for row in rows) for part in ("train", "validation", "test")] == [20, 8, 8]
    assert (rows[1]["text"], rows[1]["label"], rows[5]["text"]) == ("what is 1?", [1], None)
    with open(rows[1]["image"], "rb") as handle:
        assert handle.read() == picture(1)
    said = " ".join(examples.notes)
    assert "the splits unsupervised of" in said
    assert "left out: box." in said
    assert "Columns: image 'picture', text 'question', label 'kind'" in said


def test_the_columns_of_a_dataset_can_be_overridden(dataset, tmp_path):
    source = f"hf:{dataset / 'one'}"
    tags = load(source, unpack_to=tmp_path, label="tags")
    assert (tags.task, tags.label_names) == ("multilabel", ("x", "y"))
    assert load(source, unpack_to=tmp_path, label="price").task == "regression"
    assert load(source, unpack_to=tmp_path, text="note", label="none").task == "matching"
    assert load(dataset / "one", unpack_to=tmp_path).label_names == ("zebra", "ant", "never")


def test_a_folder_for_the_pictures_of_a_dataset_that_cannot_be_written_is_told(dataset, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="Pictures cannot be unpacked to .*/file: Not a directory"):
        load(f"hf:{dataset / 'one'}", unpack_to=tmp_path / "file")


def test_a_dataset_that_is_not_there_is_told(dataset, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="cannot be loaded: .*hf:FOLDER"):
        load(f"hf:{tmp_path / 'empty'}")


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ExtraMissingError, match=r"pip install 'interfuse\[hub\]'"):
        load("hf:any")


def test_columns_of_usual_names_are_guessed_aloud_and_none_denies_one(zoo):
    frame = pl.DataFrame(
        {
            "Image": [f"cat/{n}.PNG" for n in range(12)],
            "title": [f"thing {n}" for n in range(12)],
            "caption": [f"caption {n}" for n in range(12)],
            "label": ["ab"[n % 2] for n in range(12)],
        }
    )
    found = load(frame, image_folder=zoo)
    assert (found.task, found.table["text"][3].as_py()) == ("multiclass", "caption 3")
    assert any("image 'Image', text 'caption', label 'label' (image=…" in note for note in found.notes)
    assert load(frame, image_folder=zoo, label="none").task == "matching"
    assert load(frame, image_folder=zoo, task="matching").table["label"].to_pylist()[:2] == [[1], [0]]
    fitting = frame.with_columns(pl.Series("label", [1, 0] * 6))
    assert len(load(fitting, image_folder=zoo, task="matching")) == 12
    alone = load(frame, image_folder=zoo, image="Image")
    assert alone.table["text"].null_count == 12
    assert not any("text '" in note for note in alone.notes)
    with pytest.raises(DataError, match=r"Give image=… and text=…\. Columns: a, b"):
        load(pl.DataFrame({"a": [1], "b": [2]}))


def test_captions_in_another_file_are_joined_by_key(zoo, tmp_path):
    frame = pl.DataFrame({"photo": [f"cat/{n}.PNG" for n in range(12)], "number": range(12), "kind": list("ab") * 6})
    words = pl.DataFrame(
        {"who": [*range(11), 0], "caption": [f"caption {n}" for n in [*range(11), 100]], "kind": ["z"] * 12}
    )
    words.write_csv(tmp_path / "words.csv")
    given = {"image": "photo", "text": "caption", "label": "kind", "image_folder": zoo}
    found = load(frame, join=f"{tmp_path / 'words.csv'}:number=who", **given)
    rows = found.table.to_pylist()
    assert [row["text"] for row in rows][:3] == ["caption 0", "caption 100", "caption 1"]
    assert len(rows) == 13
    assert rows[-1]["text"] is None
    assert found.label_names == ("a", "b")
    assert any("Joined words.csv by number=who: 13 rows, 1 without a row in it." in note for note in found.notes)
    with pytest.raises(ConfigError, match="join=… is FILE:KEY"):
        load(frame, join="words.csv", **given)
    with pytest.raises(DataError, match=r"Unknown column for join=… in words\.csv: 'number'"):
        load(frame, join=f"{tmp_path / 'words.csv'}:number", **given)
    with pytest.raises(DataError, match="no row has a 'photo' that words.csv knows as 'who'"):
        load(frame, join=f"{tmp_path / 'words.csv'}:photo=who", **given)
