"""Files of others: regular ones of a sane size, inside the folder of their index."""

import os

import pytest

from interfuse.core.errors import DataError
from interfuse.core.outside import OddFileError, check_inside, check_regular_file, open_regular_file


@pytest.mark.parametrize(("kind", "reason"), [("pipe", "pipe or a device"), ("folder", "a folder"), ("bare", "empty")])
def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path, kind, reason):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "bare").touch()
    with pytest.raises(OddFileError, match=reason), open_regular_file(tmp_path / kind):
        pass
    with pytest.raises(DataError, match=rf"{kind} cannot be read: .*{reason}"):
        check_regular_file(tmp_path / kind)
    with pytest.raises(DataError, match="No such file"):
        check_regular_file(tmp_path / "none")


def test_a_file_is_opened_up_to_the_limit(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    with open_regular_file(tmp_path / "a", 3) as file:
        assert file.read() == b"abc"
    with pytest.raises(OddFileError, match="3 bytes, more than the limit of 2"), open_regular_file(tmp_path / "a", 2):
        pass


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b", "..\\b", "", ".", "..", "a\0b", None, 7])
def test_an_index_that_leads_outside_its_folder_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="has an index that names"):
        check_inside(tmp_path, name)


@pytest.mark.parametrize("name", ["a", "a/b.safetensors", "a/../b", "..a"])
def test_an_index_may_name_what_lies_beside_it(tmp_path, name):
    check_inside(tmp_path, name)
