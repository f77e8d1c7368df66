"""Collections that were made to harm: more names than there is time for, sizes that are lies, lists that lead away."""

import json
import os
import shutil
import tarfile

import numpy as np
import pytest

from interfuse.core.errors import DataError
from interfuse.data.pictures import Unpacked
from interfuse.data.readers.coco import read_coco
from interfuse.data.readers.hf_datasets import read_dataset
from interfuse.data.readers.webdataset import expand, read_shards

ROWS = 40


@pytest.mark.parametrize(
    ("braces", "message"),
    [
        ("{0..999999999999}", "name 1,000,000,000,000 shards, more than the limit of 100,000"),
        ("{0..9}{0..9}{0..9}{0..9}{0..9}{0..9}", "name 1,000,000 shards"),
        ("{a,b}" * 64, "name 18,446,744,073,709,551,616 shards"),
        (f"{{0..{'9' * 5000}}}", "counts with more than 18 digits"),
    ],
    ids=["long", "product", "many", "digits"],
)
def test_braces_that_stand_for_too_many_names_are_refused_at_once(tmp_path, braces, message):
    with pytest.raises(DataError, match=message):
        expand(f"{tmp_path}/{braces}.tar")


def test_a_pipe_in_place_of_a_shard_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.tar")
    with pytest.raises(DataError, match="a.tar cannot be read as a tar file to its end: it is a pipe or a device"):
        read_shards(f"{tmp_path}/*.tar", Unpacked(tmp_path / "pictures"))


@pytest.mark.parametrize("ending", ["png", "txt", "json"])
def test_a_member_that_says_it_is_huge_is_not_read(tmp_path, ending):
    header = tarfile.TarInfo(f"1.{ending}")
    header.size = 100 << 30
    with (tmp_path / "a.tar").open("wb") as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT))
        file.truncate(101 << 30)  # sparse: the bytes are there and take no place
    with pytest.raises(DataError, match=rf"1\.{ending}: it has 107,374,182,400 bytes, more than the limit"):
        read_shards(f"{tmp_path}/a.tar", Unpacked(tmp_path / "pictures"))


def test_a_pipe_in_place_of_annotations_is_not_waited_for(tmp_path):
    (tmp_path / "annotations").mkdir()
    os.mkfifo(tmp_path / "annotations" / "captions_train2017.json")
    with pytest.raises(DataError, match="cannot be read as JSON: it is a pipe or a device"):
        read_coco(tmp_path)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    datasets = pytest.importorskip("datasets", reason="datasets is not installed (the extra hub)")
    folder = tmp_path_factory.mktemp("hub") / "sound"
    rows = {"text": [f"a text {number:04d}" for number in range(ROWS)], "label": [number % 2 for number in range(ROWS)]}
    datasets.Dataset.from_dict(rows).save_to_disk(str(folder))
    return folder


@pytest.fixture
def copy(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "copy")


def test_a_sound_dataset_is_read(copy, tmp_path):
    assert read_dataset(str(copy), Unpacked(tmp_path)).frame["text"][7] == "a text 0007"


@pytest.mark.parametrize("value", [10**9, -1, -(2**31)])
def test_cells_that_lie_outside_their_buffers_are_refused_before_they_end_the_process(copy, tmp_path, value):
    (file,) = copy.glob("*.arrow")
    content = bytearray(file.read_bytes())
    length = len("a text 0000")
    offsets = np.arange(4, dtype="<i4") * length  # where the texts begin, as the file has them
    place = bytes(content).index(offsets.tobytes())
    content[place + 4 * 7 : place + 4 * 8] = int(value).to_bytes(4, "little", signed=True)
    file.write_bytes(content)
    with pytest.raises(DataError, match="is damaged: .*Take it from a copy"):
        read_dataset(str(copy), Unpacked(tmp_path))


def test_an_arrow_file_that_breaks_off_is_refused(copy, tmp_path):
    (file,) = copy.glob("*.arrow")
    file.write_bytes(file.read_bytes()[:-400])
    with pytest.raises(DataError, match="cannot be loaded"):
        read_dataset(str(copy), Unpacked(tmp_path))


@pytest.mark.parametrize("name", ["../sound.arrow", "/etc/passwd"])
def test_a_list_of_files_that_leads_outside_the_dataset_is_refused(copy, tmp_path, name):
    state = json.loads((copy / "state.json").read_text())
    (copy / "state.json").write_text(json.dumps({**state, "_data_files": [{"filename": name}]}))
    with pytest.raises(DataError, match="has an index that names"):
        read_dataset(str(copy), Unpacked(tmp_path))


def test_a_list_of_splits_that_leads_outside_the_dataset_is_refused(copy, tmp_path):
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "dataset_dict.json").write_text(json.dumps({"splits": ["../copy"]}))
    with pytest.raises(DataError, match="has an index that names"):
        read_dataset(str(tmp_path / "many"), Unpacked(tmp_path))


def test_a_pipe_in_place_of_a_table_is_not_waited_for(copy, tmp_path):
    (file,) = copy.glob("*.arrow")
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(DataError, match="a pipe or a device"):
        read_dataset(str(copy), Unpacked(tmp_path))
