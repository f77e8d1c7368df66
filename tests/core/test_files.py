"""A file that cannot be written is an error in words, and no half file is left."""

import os

import pytest

from interfuse.core.errors import InterfuseError
from interfuse.core.files import write_atomically


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InterfuseError, match=r"file/page.html cannot be written: .*Give another place") as caught:
        write_atomically(tmp_path / "file" / "page.html", lambda temporary: temporary.write_text("x"))
    assert isinstance(caught.value, OSError)  # for those that handle a full disk
    (tmp_path / "folder").mkdir()
    with pytest.raises(InterfuseError, match="folder cannot be written: Is a directory"):
        write_atomically(tmp_path / "folder", lambda temporary: temporary.write_text("x"))
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
