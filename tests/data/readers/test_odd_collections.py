"""Folders, shards and COCO with what real ones hold: links, repeated names, bytes that are no UTF-8, half files."""

import io
import json
import os
import tarfile

import pytest

from interfuse.core.errors import DataError
from interfuse.data import SourceSettings, load_examples
from tests.data.readers.test_collections import add, picture


def load(source, **given):
    return load_examples(source, SourceSettings(**given))


def write_tar(path, members) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            add(tar, name, content)


def plain(count: int = 12):
    for number in range(count):
        yield f"{number}.png", picture(number)
        yield f"{number}.txt", f"text {number}".encode()
        yield f"{number}.cls", b"ab"[number % 2 : number % 2 + 1]


def pairs(examples) -> dict[str, tuple[str, bytes]]:
    """Return each row's text and the bytes of its picture."""
    found = {}
    for row in examples.table.to_pylist():
        with open(row["image"], "rb") as handle:
            found[row["id"]] = (row["text"], handle.read())
    return found


def test_a_name_that_comes_again_gives_another_row_with_its_own_text(tmp_path):
    again = [("3.png", picture(90)), ("3.txt", b"another"), ("3.cls", b"a")]
    write_tar(tmp_path / "rows.tar", [*plain(), *again])
    found = pairs(load(f"wds:{tmp_path}/rows.tar", unpack_to=tmp_path))
    assert len(found) == 13
    assert found["rows/3"] == ("text 3", picture(3))
    assert found["rows/3 (2)"] == ("another", picture(90))


def test_a_name_whose_members_cannot_be_told_apart_is_left_out_with_the_reason(tmp_path):
    twice = [("x.png", picture(90)), ("x.png", picture(91)), ("x.txt", b"first"), ("x.txt", b"last"), ("x.cls", b"a")]
    write_tar(tmp_path / "rows.tar", [*plain(), *twice])
    found = load(f"wds:{tmp_path}/rows.tar", unpack_to=tmp_path)
    assert "rows/x" not in found.table["id"].to_pylist()
    (trouble,) = found.troubles
    assert (trouble.row, trouble.id) == (12, "rows/x")
    assert trouble.reason == "the shard has x.png more than once, so what belongs together cannot be told"
    with pytest.raises(DataError, match=r"Row 12 \(rows/x\): the shard has x.png more than once"):
        load(f"wds:{tmp_path}/rows.tar", unpack_to=tmp_path, strict=True)


def test_members_of_a_name_that_lie_apart_are_still_one_row(tmp_path):
    members = sorted(plain(), key=lambda member: member[0].rpartition(".")[2])
    write_tar(tmp_path / "rows.tar", members)
    assert pairs(load(f"wds:{tmp_path}/rows.tar", unpack_to=tmp_path))["rows/7"] == ("text 7", picture(7))


def test_shards_of_one_name_in_several_folders_have_ids_of_their_own(tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        write_tar(tmp_path / folder / "00000.tar", plain())
    found = load(f"wds:{tmp_path}/{{a,b}}/00000.tar", unpack_to=tmp_path)
    assert len(found) == 24
    assert found.table["id"][12].as_py() == f"{tmp_path}/b/00000/0"


def test_names_in_a_shard_that_are_not_utf8_are_read(tmp_path):
    odd = [(os.fsdecode(b"caf\xe9.png"), picture(60)), (os.fsdecode(b"caf\xe9.txt"), b"cup"), ("1.\udce9", b"?")]
    write_tar(tmp_path / "rows.tar", [*plain(), *odd])
    found = load(f"wds:{tmp_path}/rows.tar", unpack_to=tmp_path, label="none")
    assert pairs(found)["rows/café"] == ("cup", picture(60))


def test_half_surrogates_in_shards_and_coco_become_the_sign_for_what_is_no_character(tmp_path):
    told = "\ud800 cup {}"
    members = [
        (f"{n}.json", json.dumps({"caption": told.format(n), "no\udfff": ["\ud83d"]}).encode()) for n in range(20)
    ]
    write_tar(tmp_path / "rows.tar", [*members, *((f"{n}.png", picture(n)) for n in range(20))])
    (tmp_path / "annotations").mkdir()
    (tmp_path / "train2017").mkdir()
    for number in range(20):
        (tmp_path / "train2017" / f"{number}.png").write_bytes(picture(number))
    images = [{"id": n, "file_name": f"{n}.png"} for n in range(20)]
    captions = [{"id": n, "image_id": n, "caption": told.format(n)} for n in range(20)]
    content = json.dumps({"images": images, "annotations": captions})
    (tmp_path / "annotations" / "captions_train2017.json").write_text(content)
    for source in (f"wds:{tmp_path}/rows.tar", f"coco:{tmp_path}"):
        found = load(source, unpack_to=tmp_path)
        assert (len(found), found.troubles) == (40, ())
        assert "\ufffd cup 7" in found.table["text"].to_pylist()


@pytest.fixture
def zoo(tmp_path):
    for number in range(24):
        path = tmp_path / "zoo" / ("cat" if number < 12 else "dog") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
    return tmp_path / "zoo"


def test_a_class_folder_that_is_a_link_is_followed_inside_and_said_outside(zoo, tmp_path):
    (tmp_path / "pool" / "cow").mkdir(parents=True)
    (tmp_path / "pool" / "cow" / "1.png").write_bytes(picture(70))
    os.symlink(zoo / "cat", zoo / "puss")
    os.symlink(tmp_path / "pool" / "cow", zoo / "cow")
    os.symlink(zoo, zoo / "dog" / "up")
    found = load(f"folder:{zoo}")
    assert found.label_names == ("cat", "dog", "puss")
    assert len(found) == 36
    said = " ".join(found.notes)
    assert "1 symbolic links to folders lead outside and are not followed (allow_outside=True follows them)" in said
    assert "1 symbolic links to folders lead back to a folder above them" in said
    every = load(f"folder:{zoo}", allow_outside=True)
    assert every.label_names == ("cat", "cow", "dog", "puss")
    assert len(every) == 37


def test_names_in_a_folder_that_are_not_utf8_are_read_and_joined_to_their_captions(zoo):
    folder = os.fsencode(zoo) + b"/v\xe9lo"
    os.mkdir(folder)
    for number in range(3):
        with open(folder + f"/caf\xe9{number}.png".encode("latin-1"), "wb") as handle:
            handle.write(picture(80 + number))
    (zoo / "captions.csv").write_text("file,caption\nvélo/café1.png,a cup\n", encoding="utf-8")
    found = load(f"folder:{zoo}")
    assert found.label_names == ("cat", "dog", "vélo")
    assert found.troubles == ()
    assert found.table["text"].to_pylist().count("a cup") == 1


def test_a_shard_that_was_cut_gives_the_rows_before_the_cut(tmp_path):
    write_tar(tmp_path / "a-1.tar", plain())
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name, content in plain():
            add(tar, name, content)
    place = whole.getvalue().index(b"text 9")
    (tmp_path / "a-2.tar").write_bytes(whole.getvalue()[: place + 2])
    (tmp_path / "a-3.tar").write_bytes(b"")
    found = load(f"wds:{tmp_path}/a-*.tar", unpack_to=tmp_path)
    assert len(found) == 12 + 9
    assert [trouble.id for trouble in found.troubles] == ["a-2/9", "a-3/"]
    assert all("cannot be read as a tar file to its end" in trouble.reason for trouble in found.troubles)


def test_pictures_that_cannot_be_unpacked_say_so_and_not_that_the_shard_is_damaged(tmp_path):
    write_tar(tmp_path / "rows.tar", plain())
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"Pictures cannot be unpacked to .*/file/in: Not a directory.*unpack_to=…"):
        load(f"wds:{tmp_path}/rows.tar", unpack_to=tmp_path / "file" / "in")
