"""What the system refuses is one sentence, whichever library met it."""

import errno
import os
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from interfuse.core.errors import OutputError
from interfuse.core.files import write_atomically
from interfuse.core.outside import describe_system_error, make_folder, writing
from tests.full_disk import full_disk

WRITERS = {
    "python": lambda path: path.write_bytes(bytes(1 << 20)),
    "safetensors": lambda path: save_file({"a": torch.zeros(1 << 18)}, path),
    "polars": lambda path: pl.DataFrame({"a": np.random.default_rng(0).random(1 << 17)}).write_parquet(path),
    "polars csv": lambda path: pl.DataFrame({"a": range(1 << 17)}).write_csv(path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_a_sentence_and_leaves_the_old_file(tmp_path, name):
    (tmp_path / "a").write_text("old")
    with full_disk(), pytest.raises(OutputError, match="cannot be written: File too large"):
        write_atomically(tmp_path / "a", WRITERS[name])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


@pytest.mark.parametrize(
    ("number", "fix"),
    [(errno.ENOSPC, "Free some space"), (errno.EROFS, "Give a place"), (errno.EMFILE, "ulimit -n 4096")],
)
def test_what_the_system_refuses_is_said_with_what_to_do(tmp_path, number, fix):
    error = OSError(number, "x", str(tmp_path))
    assert fix in describe_system_error(error)
    assert str(tmp_path) in describe_system_error(error)
    with pytest.raises(OutputError, match=fix), writing(tmp_path):
        raise error
    with pytest.raises(OutputError, match=fix), writing(tmp_path):
        raise RuntimeError(f"I/O error: whatever (os error {number})")


@pytest.mark.parametrize("error", [ValueError("a"), FileNotFoundError(errno.ENOENT, "a"), OSError("no number")])
def test_an_error_that_is_not_the_systems_passes_as_it_is(tmp_path, error):
    assert describe_system_error(error) is None
    with pytest.raises(type(error)) as caught, writing(tmp_path):
        raise error
    assert caught.value is error


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file/run cannot be written: Not a directory"):
        make_folder(tmp_path / "file" / "run")
    with pytest.raises(OutputError, match="cannot be made: No such file or directory"):
        make_folder(Path("/proc/run"))


def test_a_name_that_is_not_utf_8_is_a_sentence_where_a_library_needs_it(tmp_path):
    with pytest.raises(OutputError, match="holds bytes that are not UTF-8"):
        make_folder(tmp_path / os.fsdecode(b"caf\xe9"))
    assert "not UTF-8" in describe_system_error(UnicodeEncodeError("utf-8", "a\udce9", 1, 2, "surrogates not allowed"))
    path = tmp_path / os.fsdecode(b"caf\xe9.parquet")
    with pytest.raises(OutputError, match="its name, or what it is to hold, is not UTF-8"):
        write_atomically(path, lambda temporary: pq.write_table(pa.table({"a": [1]}), temporary))
