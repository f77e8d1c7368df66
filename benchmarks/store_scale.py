"""What a store costs: opening a million items, memory as the rows grow, loading against the step that it feeds.

The large store's shards are sparse files with true headers and indices, so that a million pictures (200 GB) take
little disk; only what is served and timed as loading holds written tokens.

python benchmarks/store_scale.py open|memory|loading [--folder /tmp/store-scale] [--batch-size 256]
"""

import argparse
import json
import random
import shutil
import statistics
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from interfuse.store import TokenStore

SIGNATURE = {"name": "scale"}
IMAGE, TEXT = (49, 2048), (14, 768)
PER_SHARD = 334
"""49 × 2048 bfloat16 tokens that make 64 MB."""


def keys(count: int) -> list[str]:
    return [f"{number * 0x9E3779B97F4A7C15 % (1 << 64):016x}{number:016x}" for number in range(count)]


def write_sparse(folder: Path, number: int, names: list[str]) -> None:
    """Write a shard whose tokens are a hole; its checksums are those of zeros, so it is sound."""
    length, dim = IMAGE
    zeros = bytes(length * dim * 2)
    parts = {
        "lengths": ("I64", np.full(len(names), length, "<i8").tobytes(), [len(names)]),
        "checksums": (
            "I64",
            np.array([zlib.crc32(zeros, zlib.crc32(bytes.fromhex(n))) for n in names], "<i8").tobytes()
            if number < 3
            else bytes(8 * len(names)),
            [len(names)],
        ),
        "keys": ("U8", bytes.fromhex("".join(names)), [len(names), 16]),
    }
    header, place = {"__metadata__": {"format": "2"}}, 0
    for name, (dtype, content, shape) in parts.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + len(content)]}
        place += len(content)
    size = len(names) * length * dim * 2
    shape = [len(names) * length, dim]
    header["tokens"] = {"dtype": "BF16", "shape": shape, "data_offsets": [place, place + size]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with (folder / f"{number:032x}.tokens.safetensors").open("wb") as handle:
        handle.write(struct.pack("<Q", len(text)) + text + b"".join(content for _, content, _ in parts.values()))
        handle.truncate(8 + len(text) + place + size)


def make_sparse(root: Path, count: int) -> None:
    store, every = TokenStore(root, SIGNATURE, IMAGE[1]), keys(count)
    for number, start in enumerate(range(0, count, PER_SHARD)):
        write_sparse(store.folder, number, every[start : start + PER_SHARD])


def measure_open(root: Path) -> None:
    make_sparse(root / "million", 1_000_000)
    script = (
        "import sys, time; from pathlib import Path; import interfuse.store as s\n"
        f"start = time.perf_counter(); store = s.TokenStore(Path(sys.argv[1]), {SIGNATURE!r}, 2048)\n"
        "print(time.perf_counter() - start)"
    )
    times = [float(subprocess.check_output([sys.executable, "-c", script, str(root / "million")])) for _ in range(6)]
    print(f"1,000,000 items in {-(-1_000_000 // PER_SHARD):,} shards")
    print(f"first opening, every shard read and the snapshot written: {times[0]:.2f} s")
    print(f"later openings: median {statistics.median(times[1:]):.3f} s, slowest {max(times[1:]):.3f} s")


def anonymous_mb() -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("RssAnon"))) / 1024


class Keys(Sequence[str]):
    """Keys that are made when they are asked for, as a column of a mapped table is read."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> str:  # type: ignore[override]
        if not 0 <= number < self.count:
            raise IndexError(number)
        return f"{number * 0x9E3779B97F4A7C15 % (1 << 64):016x}{number:016x}"


def serve(root: str, count: int, whole: bool) -> None:
    """Open, make a table of all items, load 20 batches; print the anonymous memory after each, in MB."""
    from interfuse.store import store as room

    room.VERIFY_BYTES = 64 << 20
    begin = anonymous_mb()
    store = TokenStore(Path(root), SIGNATURE, IMAGE[1])
    opened = anonymous_mb()
    table = store.table(keys(count) if whole else Keys(count))
    table.sound[:] = True  # the sparse shards' checksums are not theirs
    made = anonymous_mb()
    draw = torch.Generator().manual_seed(0)
    for _ in range(20):
        table.gather(torch.randint(0, count, (64,), generator=draw))
    print(begin, opened, made, anonymous_mb())


def measure_memory(root: Path) -> None:
    """Print RssAnon after each stage; with the keys as a mapped column, and as a list of Python texts."""
    print("| keys | items | imports | store opened | table made | 20 batches loaded |\n|---|---|---|---|---|---|")
    for kind in ("column", "list"):
        for count in (10_000, 100_000, 1_000_000):
            if not (root / str(count)).is_dir():
                make_sparse(root / str(count), count)
            command = [sys.executable, __file__, "serve", "--folder", str(root / str(count)), "--count", str(count)]
            command += ["--list"] if kind == "list" else []
            for _ in range(2):  # the first writes the snapshot
                shown = subprocess.check_output(command, text=True)
            print(f"| {kind} | {count:,} | {' | '.join(f'{float(mb):.0f}' for mb in shown.split())} |", flush=True)


def measure_loading(root: Path, batch_size: int, dims: list[int] | None = None) -> None:
    from interfuse.core.design import parse_designs
    from interfuse.data import Batch, Features, ahead, make_batch
    from interfuse.training import ModalitySpec, Network

    count, draw = 4 * 1024, torch.Generator().manual_seed(0)
    tables = []
    for name, (length, dim) in (("image", IMAGE), ("text", TEXT)):
        store, every = TokenStore(root / "loading", {"name": name}, dim), keys(count)
        with store.writer() as writer:
            for key in store.missing(every):
                tokens = length if name == "image" else int(torch.randint(8, 21, (1,), generator=draw))
                writer.add(key, torch.randn(tokens, dim, generator=draw))
        tables.append(store.table(every))
    items = torch.arange(count)
    labels = torch.randint(0, 80, (count,), generator=draw)
    ids = tuple(str(n) for n in range(count))
    names = tuple(str(n) for n in range(80))
    features = Features(*tables, items, items, labels, "multiclass", names, items, ids, items, {})
    for table in tables:  # every item's checksum is compared once, when it is first read
        for part in items.split(256):
            table.gather(part)
    print("| design | batch | step ms | gathering ms | waiting, one batch ahead, ms |\n|---|---|---|---|---|")
    chosen = (("cross_attention", 128), ("cross_attention", 512), ("shared_cross_attention", 768))
    for design_text, dim in (pair for pair in chosen if dims is None or pair[1] in dims):
        design = parse_designs(design_text, {"dim": dim, "num_heads": 8})[0]
        specs = [
            ModalitySpec(t.dim, (7, 7) if t is tables[0] else None, torch.zeros(t.dim), torch.ones(t.dim))
            for t in tables
        ]
        network = Network(design, *specs, classes=80)
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
        steps, loads, waits = [], [], []

        def step(batch: Batch, network: Network = network, optimiser: torch.optim.Optimizer = optimiser) -> float:
            start = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16):
                output = network(batch.image, batch.text, batch.image_index, batch.text_index)
            torch.nn.functional.cross_entropy(output.logits.float(), batch.labels).backward()
            optimiser.step()
            optimiser.zero_grad()
            return time.perf_counter() - start

        for _ in range(3 * max(1, 256 // batch_size)):  # in turns, so that other work on the machine meets both alike
            start = time.perf_counter()
            batch = make_batch(features, torch.randint(0, count, (batch_size,), generator=draw))
            loads.append(time.perf_counter() - start)
            steps.append(step(batch))
        del batch
        asked = (torch.randint(0, count, (batch_size,), generator=draw) for _ in range(4 * max(1, 256 // batch_size)))
        coming = ahead(make_batch(features, rows) for rows in asked)
        start = time.perf_counter()
        for batch in coming:
            waits.append(time.perf_counter() - start)
            step(batch)
            start = time.perf_counter()
        load, alone, wait = (statistics.median(times[1:]) for times in (loads, steps, waits))
        print(
            f"| {design_text} dim {dim} | {batch_size} | {alone * 1e3:.0f} | {load * 1e3:.1f} ({load / alone:.1%}) | "
            f"{wait * 1e3:.2f} ({wait / alone:.2%}) |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["open", "memory", "loading", "serve"])
    parser.add_argument("--folder", type=Path, default=Path("/tmp/store-scale"))
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--dims", type=int, nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--count", type=int, default=0)
    given = parser.parse_args()
    random.seed(0)
    if given.what == "serve":
        serve(str(given.folder), given.count, given.list)
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    try:
        if given.what == "open":
            measure_open(given.folder)
        elif given.what == "memory":
            measure_memory(given.folder)
        else:
            measure_loading(given.folder, given.batch_size, given.dims)
    finally:
        shutil.rmtree(given.folder)


if __name__ == "__main__":
    main()
