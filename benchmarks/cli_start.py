"""How long a command takes to help, to refuse and to complete, beside Python itself, each in a process of its own.

    python benchmarks/cli_start.py [--repeats 15]

The commands take turns, so that whatever else the machine does falls on all alike; figures are medians. Processor time
is what the command needs; the clock on the wall depends on who else works.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

MOST = {"help": 0.5, "error": 0.5, "completion": 0.3}
"""Seconds that are wanted at most."""
BASE = "python -c pass"
RUN = "import sys; sys.argv[0] = 'interfuse'; from interfuse.cli.main import run; run()"
COMMANDS = {
    "help": ("--help", "compare --help", "train --help", "store --help"),
    "error": (
        "compare --no-such-option",
        "compare nothing.csv",
        "train known:xor --fusion concta",
        "compare known:xor --metric auk",
        "predict nowhere rows.csv",
    ),
    "completion": ("co", "compare --im", "compare --fusions concat,gm", "compare rows.csv --label "),
}


class Cost(NamedTuple):
    """Seconds of a process."""

    processor: float
    wall: float


def measure(command: list[str], folder: Path, **environment: str) -> Cost:
    """Run a command to its end, whatever it says."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, capture_output=True, check=False, cwd=folder, env={**os.environ, **environment})
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)


def measure_kind(kind: str, words: str, folder: Path) -> Cost:
    """Run one command line, or have it completed as bash does."""
    if kind != "completion":
        return measure([sys.executable, "-c", RUN, *words.split()], folder)
    line = f"interfuse {words}"
    shell = {"_INTERFUSE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    return measure([sys.executable, "-c", RUN], folder, **shell)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    every = [(kind, words) for kind, several in COMMANDS.items() for words in several]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rows.csv").write_text("photo,title,category\n")
        costs: dict[tuple[str, str], list[Cost]] = {("", BASE): [], **{one: [] for one in every}}
        for turn in range(repeats + 1):
            for kind, words in costs:
                cost = measure_kind(kind, words, folder) if kind else measure([sys.executable, "-c", "pass"], folder)
                if turn:  # the first fills the disk cache
                    costs[kind, words].append(cost)
    print("| what | command | processor seconds | wall seconds | wanted |\n|---|---|--:|--:|--:|")
    for (kind, words), several in costs.items():
        processor, wall = (statistics.median(values) for values in zip(*several, strict=True))
        wanted = f"{MOST[kind]}" if kind else ""
        print(f"| {kind} | `{words}` | {processor:.2f} | {wall:.2f} | {wanted} |")


if __name__ == "__main__":
    main()
