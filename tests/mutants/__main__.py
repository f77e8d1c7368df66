"""Seed every fault in a copy of the package and run the ordinary tests on it: `make mutants`.

A fault is caught by a failing test; an error at import would be no proof and counts as a survivor.
"""

import fnmatch
import functools
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import accelerate  # noqa: F401  the slow imports, once before the forks
import polars  # noqa: F401
import pytest
import safetensors.torch  # noqa: F401
import scipy.stats  # noqa: F401
import sklearn.metrics  # noqa: F401
import torch
import transformers  # noqa: F401

from tests.mutants.faults import ROOT, SOURCE, Fault, read_faults

REFERENCES = ("tests/nn", "tests/fusion/test_references.py", "-o", "addopts=--import-mode=importlib")
"""The tests that catch most, first and without the shape checker, which takes most of the time."""

TESTS = ("tests/nn", "tests/fusion", "tests/training/test_balance.py", "tests/training/test_network.py")
"""All tests of mechanisms, blocks and training methods, as in the ordinary run, for what survives the first."""

QUIET = ("-x", "-q", "--tb=no", "--show-capture=no", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestWarning")


def hunt(fault: Fault, source: Path, tests: tuple[str, ...]) -> tuple[Fault, str, float]:
    """Run the tests on a faulty copy; give the first test that fails, or nothing."""
    start, room = time.perf_counter(), f"tests/{Path(fault.file).parts[0]}"
    tests = tuple(sorted(tests, key=lambda name: room not in name))  # those of its own room first
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "interfuse"
        shutil.copytree(source, copy)
        fault.seed(copy)
        sys.dont_write_bytecode = True
        sys.path.insert(0, folder)
        torch.set_num_threads(1)
        log = Path(folder) / "log"
        with log.open("w") as stream:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
            code = pytest.main([*tests, *QUIET])
            sys.stdout.flush()
        failed = re.findall(r"^FAILED (.+?)(?: - .*)?$", log.read_text(), re.MULTILINE)
    caught = failed[0] if code == pytest.ExitCode.TESTS_FAILED and failed else ""
    return fault, caught, time.perf_counter() - start


def main() -> int:
    """Hunt all faults, or those whose file fits a pattern; print the table; 1 where one survives."""
    os.chdir(ROOT)
    pattern = sys.argv[1] if len(sys.argv) > 1 else "*"
    faults = [fault for fault in read_faults() if fnmatch.fnmatch(fault.file, pattern)]
    print("| file | fault | caught by | s |\n|---|---|---|---:|", flush=True)
    workers = multiprocessing.get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1)
    with tempfile.TemporaryDirectory() as folder, workers as pool:
        source = Path(folder) / "interfuse"  # as it is now: it may be edited while the hunt is on
        shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
        left = list(faults)
        for tests in (REFERENCES, TESTS):
            seeded, left = left, []
            for fault, caught, seconds in pool.imap(functools.partial(hunt, source=source, tests=tests), seeded):
                if not caught:
                    left.append(fault)
                    continue
                print(f"| {fault.file} | {fault.what} | {caught.removeprefix('tests/')} | {seconds:.0f} |", flush=True)
    for fault in left:
        print(f"| {fault.file} | {fault.what} | **survives** | |")
    print(f"\n{len(faults)} faults seeded, {len(left)} survived.")
    return 1 if left or not faults else 0


if __name__ == "__main__":
    sys.exit(main())
