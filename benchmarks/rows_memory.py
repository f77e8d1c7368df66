"""Memory and time of reading rows: `load_examples` on files of so many rows, a process each.

python benchmarks/rows_memory.py [--rows 100000 1000000] [--endings csv parquet] [--source src]

Rows name five tiny pictures over and over; texts of 60 characters are all distinct; a column of 200 characters is not
used. Anonymous memory (RssAnon) is sampled while rows are read: its most, less what it was before.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
from PIL import Image

READ = """
import re, sys, threading, time
from interfuse.data import SourceSettings, load_examples
def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
load_examples(sys.argv[2], SourceSettings())
before = most = anonymous()
running = True
def watch():
    global most
    while running:
        most = max(most, anonymous())
        time.sleep(0.005)
thread = threading.Thread(target=watch)
thread.start()
start = time.perf_counter()
found = load_examples(sys.argv[1], SourceSettings())
seconds = time.perf_counter() - start
running = False
thread.join()
print(len(found), most - before, anonymous() - before, seconds)
"""
CHUNK = 50_000


def draw_pictures(home: Path) -> None:
    """Draw the pictures that the rows name."""
    (home / "pictures").mkdir()
    for number in range(5):
        Image.new("RGB", (6, 6), (40 * number, 5, 5)).save(home / "pictures" / f"{number}.png")


def write(path: Path, rows: int) -> None:
    """Write the table some rows at a time, so that the benchmark itself stays small."""
    parts = path.with_name(f"{path.name}.parts")
    parts.mkdir(exist_ok=True)
    for first in range(0, rows, CHUNK):
        numbers = range(first, min(first + CHUNK, rows))
        frame = pl.DataFrame(
            {
                "image": [f"pictures/{n % 5}.png" for n in numbers],
                "text": [f"caption {n:09}".ljust(60, "x") for n in numbers],
                "label": [f"class {n % 7}" for n in numbers],
                "split": ["train" if n % 10 else ("validation", "test")[n // 10 % 2] for n in numbers],
                "fat": ["f" * 200 for _ in numbers],
            }
        )
        if path.suffix == ".csv":
            with path.open("ab") as handle:
                frame.write_csv(handle, include_header=not first)
        else:
            frame.write_parquet(parts / f"{first:012}.parquet")
    if path.suffix == ".parquet":
        pl.scan_parquet(parts / "*.parquet").sink_parquet(path, row_group_size=CHUNK)


def read(path: Path, small: Path, source: Path) -> tuple[int, int, int, float]:
    """Return the rows, the most and the last anonymous bytes, and the seconds."""
    env = {**os.environ, "PYTHONPATH": str(source)}
    call = [sys.executable, "-c", READ, str(path), str(small)]
    words = subprocess.run(call, capture_output=True, text=True, check=True, env=env).stdout.split()
    return int(words[0]), int(words[1]), int(words[2]), float(words[3])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--endings", nargs="+", default=["csv", "parquet"])
    parser.add_argument("--source", type=Path, nargs="+", default=[Path(__file__).parents[1] / "src"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        draw_pictures(home)
        for ending in given.endings:
            small = home / f"small.{ending}"
            write(small, 100)
            for rows in given.rows:
                path = home / f"{rows}.{ending}"
                write(path, rows)
                for source in given.source:
                    count, most, left, seconds = read(path, small, source)
                    print(
                        f"{source}: {ending}, {count:,} rows: at most {most / 1e6:.0f} MB more ({most / count:.0f} B a "
                        f"row), after {left / 1e6:.0f} MB ({left / count:.0f} B a row), {seconds:.1f} s",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
