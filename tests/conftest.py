"""What holds for every test: which of them compare exactly."""

import inspect
import re

import pytest

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
