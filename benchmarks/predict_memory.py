"""Memory of `interfuse predict` at ten times the rows: the most anonymous memory of the process, sampled from outside.

python benchmarks/predict_memory.py FOLDER [--rows 10000] [--times 10]

FOLDER holds captions_dev.tsv (image, caption) and the pictures in dev/. Rows repeat those of the file, each with an id
of its own; their tokens are encoded once into a store, so that the rows are what costs.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from interfuse.core.design import Design
from interfuse.core.progress import Silent
from interfuse.data import SourceSettings
from interfuse.data.readers.table import read_frame
from interfuse.workflows import EncoderSettings, Source, encode_source, train_run


def most_memory(words: list[str]) -> tuple[float, float]:
    """Run a command; give its most anonymous memory in MB and its seconds."""
    start, most = time.perf_counter(), 0
    process = subprocess.Popen(
        [sys.executable, "-c", "from interfuse.cli.main import run; run()", *words], stderr=subprocess.DEVNULL
    )
    while process.poll() is None:
        found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
        most = max(most, int(found[1]) if found else 0)
        time.sleep(0.05)
    assert process.returncode == 0
    return most / 1024, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=10)
    given = parser.parse_args()
    frame = read_frame(given.folder / "captions_dev.tsv").select("image", "caption")
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        frame.write_csv(home / "rows.csv")
        frame[:300].write_csv(home / "train.csv")
        read = SourceSettings(image="image", text="caption", image_folder=str(given.folder / "dev"))
        encode = EncoderSettings(store=home / "store")
        encode_source(Source(str(home / "rows.csv"), read, encode), Silent())
        source = Source(str(home / "train.csv"), read, encode)
        train_run(source, home / "run", Design("concat", dim=64, epochs=1, **source.encoder_settings()))
        for ending in ("parquet", "csv"):
            for count in (given.rows, given.rows * given.times):
                many = pl.concat([frame] * -(-count // frame.height))[:count]
                many = many.with_columns(pl.Series("name", [f"row number {row}" for row in range(count)]))
                path = home / f"{count}.{ending}"
                getattr(many, f"write_{ending}")(path)
                words = ["predict", home / "run", path, "--id", "name", "--image-folder", given.folder / "dev"]
                words += ["--store", home / "store", "--out", home / f"out.{ending}"]
                most, seconds = most_memory([str(word) for word in words])
                print(f"{ending}, {count:,} rows: {most:.0f} MB, {count / seconds:.0f} rows/s", flush=True)


if __name__ == "__main__":
    main()
