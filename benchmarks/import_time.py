"""What importing the library costs beside importing torch, each in a process of its own.

    python benchmarks/import_time.py [--repeats 15]

The statements take turns, so that whatever else the machine does falls on all alike; a figure is the median of the
differences from `import torch` of the same turn.
"""

import argparse
import statistics
import subprocess
import sys

BASE = "import torch"
MOST = 0.3
"""Seconds that `import interfuse` may add."""
STATEMENTS = (
    "import torch, interfuse",
    "import torch; from interfuse import create_fusion",
    "import torch; from interfuse import examine",
    "import torch; from interfuse import compare",
    "import torch; from interfuse import FusionClassifier",
    "import torch, interfuse.cli.app",
)


def seconds(statement: str) -> float:
    """Time a statement by the process's own clock of the CPU, which other processes do not stretch much."""
    code = f"import time; start = time.process_time()\n{statement}\nprint(time.process_time() - start)"
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    given = parser.parse_args()
    for statement in (BASE, *STATEMENTS):
        seconds(statement)  # fill the disk cache
    turns = [{statement: seconds(statement) for statement in (BASE, *STATEMENTS)} for _ in range(given.repeats)]
    base = statistics.median(turn[BASE] for turn in turns)
    print(f"| statement | CPU seconds, median | over `{BASE}` |\n|---|--:|--:|\n| `{BASE}` | {base:.2f} | |")
    for statement in STATEMENTS:
        over = statistics.median(turn[statement] - turn[BASE] for turn in turns)
        print(f"| `{statement}` | {statistics.median(turn[statement] for turn in turns):.2f} | {over:+.2f} |")
    over = statistics.median(turn[STATEMENTS[0]] - turn[BASE] for turn in turns)
    print(f"\n`import interfuse` adds {over:.3f} s; at most {MOST} is wanted: {'kept' if over <= MOST else 'broken'}.")


if __name__ == "__main__":
    main()
