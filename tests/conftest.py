"""What holds for every test: which of them compare exactly, and the shop that many begin with."""

import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

from tests.shop import Row, need_encoders, open_shop

EXACTLY = re.compile(
    r"torch\.equal|\.equal\(|array_equal|bytes_of|read_bytes\(\) ==|tobytes\(\)|atol=0\b|\.any\(\)|\.all\(\)"
    r"|tolist\(\)\)? ==|== .*tolist\(\)|probs\b.* == |== .*probs\b|== 0\.0\b|parquet\(.*\)\.equals"
)
"""What a test says that compares numbers or bytes bit for bit, or asks whether one is exactly zero."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what compares exactly: it runs once for each kernel and number of threads in `make test-hostile`."""
    for item in items:
        if EXACTLY.search(inspect.getsource(item.function)):
            item.add_marker("exact")


@pytest.fixture(scope="session")
def make_shop(tmp_path_factory) -> Callable[..., tuple[Path, pl.DataFrame]]:
    """Open a shop in a folder of its own, as `open_shop` does; return the folder and the table.

    Unless `packaged` is False, the test rests on the packaged encoders and is skipped without them.
    """

    def make(
        count: int, row: Callable[[int], Row], columns: Sequence[str], packaged: bool = True
    ) -> tuple[Path, pl.DataFrame]:
        if packaged:
            need_encoders()
        folder = tmp_path_factory.mktemp("shop")
        return folder, open_shop(folder, count, row, columns)

    return make
