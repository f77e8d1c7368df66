"""Containers for tokens, side by side: random batches, writing, opening a million rows, anonymous memory.

pip install pylance zarr datasets
python benchmarks/containers.py [--items 1024] [--batches 12] [--rounds 3] [--folder /tmp/containers]

Every container ends in the same thing: 256 random rows as float32 tensors, 49 × 2048 image tokens and 8 to 20 × 768
text tokens. Each runs in a process of its own, the containers in turns; shown are medians over the rounds.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import torch
from store_scale import IMAGE, TEXT, anonymous_mb, keys, make_sparse

NAMES = ("ours", "safetensors+arrow", "lance", "zarr", "datasets")
BATCH = 256
WIDEST = 20


def make_items(start: int, count: int) -> tuple[np.ndarray, list[np.ndarray]]:
    draw = np.random.default_rng(start)
    images = draw.integers(0, 0x4000, (count, *IMAGE), dtype=np.int16)  # finite bfloat16 values
    texts = [
        draw.integers(0, 0x4000, (int(draw.integers(8, WIDEST + 1)), TEXT[1]), dtype=np.int16) for _ in range(count)
    ]
    return images, texts


def widen(rows: list[np.ndarray], dim: int) -> torch.Tensor:
    """Pad bfloat16 rows to float32, as our store does."""
    from interfuse.store.buffers import BUFFERS

    width = max(len(row) for row in rows)
    out = BUFFERS.empty(len(rows), width, dim)
    halves = out.numpy().view(np.int16)
    for slot, row in enumerate(rows):
        halves[slot, : len(row), 1::2] = row
    return out


class Ours:
    def __init__(self, folder: Path) -> None:
        from interfuse.store import TokenStore

        self.stores = [TokenStore(folder, {"name": n}, d) for n, d in (("image", IMAGE[1]), ("text", TEXT[1]))]

    def write(self, parts) -> None:
        with self.stores[0].writer() as images, self.stores[1].writer() as texts:
            for names, (image, text) in parts:
                images.add_batch(names, torch.from_numpy(image).view(torch.bfloat16).float())
                for name, row in zip(names, text, strict=True):
                    texts.add(name, torch.from_numpy(row).view(torch.bfloat16).float())

    def open(self, count: int) -> None:
        self.tables = [store.table(keys(count)) for store in self.stores]

    def load(self, rows: list[int]) -> list[torch.Tensor]:
        return [table.gather(torch.tensor(rows)).tokens for table in self.tables]


class SafetensorsArrow:
    """A tensor an item, and an Arrow table that says in which file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, parts) -> None:
        import pyarrow as pa
        from safetensors.numpy import save_file

        where: list[int] = []
        for number, (names, (image, text)) in enumerate(parts):
            save_file(
                {f"i{n}": v for n, v in zip(names, image, strict=True)}
                | {f"t{n}": v for n, v in zip(names, text, strict=True)},
                self.folder / f"{number}.safetensors",
            )
            where += [number] * len(names)
        table = pa.table({"shard": where})
        with pa.OSFile(str(self.folder / "index.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)

    def open(self, count: int) -> None:
        import pyarrow as pa

        self.keys = keys(count)
        self.where = pa.ipc.open_file(pa.memory_map(str(self.folder / "index.arrow"))).read_all()["shard"].to_numpy()
        self.files: dict[int, object] = {}

    def load(self, rows: list[int]) -> list[torch.Tensor]:
        from safetensors import safe_open

        found: list[list[np.ndarray]] = [[], []]
        for row in rows:
            number = int(self.where[row])
            if number not in self.files:
                self.files[number] = safe_open(self.folder / f"{number}.safetensors", "numpy")
            for kind, out in zip("it", found, strict=True):
                out.append(self.files[number].get_tensor(kind + self.keys[row]))
        return [widen(found[0], IMAGE[1]), widen(found[1], TEXT[1])]


def arrow_parts(parts):
    import pyarrow as pa

    for names, (image, text) in parts:
        yield pa.record_batch(
            {
                "key": pa.array([bytes.fromhex(n) for n in names], pa.binary(16)),
                "image": pa.array([v.tobytes() for v in image], pa.large_binary()),
                "text": pa.array([v.tobytes() for v in text], pa.large_binary()),
            }
        )


def from_arrow(table) -> list[torch.Tensor]:
    return [
        widen([np.frombuffer(cell.as_buffer(), np.int16).reshape(-1, dim) for cell in table[name]], dim)
        for name, dim in (("image", IMAGE[1]), ("text", TEXT[1]))
    ]


class Lance:
    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "tokens.lance")

    def write(self, parts) -> None:
        import lance
        import pyarrow as pa

        kinds = {"key": pa.binary(16), "image": pa.large_binary(), "text": pa.large_binary()}
        lance.write_dataset(arrow_parts(parts), self.path, schema=pa.schema(list(kinds.items())))

    def open(self, _: int) -> None:
        import lance

        self.data = lance.dataset(self.path)

    def load(self, rows: list[int]) -> list[torch.Tensor]:
        return from_arrow(self.data.take(rows, columns=["image", "text"]))


class Datasets:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "tokens.arrow"
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, parts) -> None:
        import pyarrow as pa

        writer = None
        with pa.OSFile(str(self.path), "wb") as sink:
            for part in arrow_parts(parts):
                writer = writer or pa.ipc.new_stream(sink, part.schema)
                writer.write_batch(part)
            writer.close()

    def open(self, _: int) -> None:
        import datasets

        self.data = datasets.Dataset.from_file(str(self.path)).with_format("arrow")

    def load(self, rows: list[int]) -> list[torch.Tensor]:
        return from_arrow(self.data[rows])


class Zarr:
    """Texts padded to the longest: an array has one shape."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "tokens.zarr")

    def write(self, parts, per_shard: int = 256) -> None:
        import zarr

        root = zarr.create_group(self.path, overwrite=True)
        parts = list(parts)
        count = sum(len(names) for names, _ in parts)
        shapes = {"image": IMAGE, "text": (WIDEST, TEXT[1])}
        arrays = {
            name: root.create_array(
                name,
                shape=(count, *shape),
                dtype="int16",
                chunks=(1, *shape),
                shards=(per_shard, *shape),
                compressors=None,
            )
            for name, shape in shapes.items()
        }
        start = 0
        for names, (image, text) in parts:
            padded = np.zeros((len(names), WIDEST, TEXT[1]), np.int16)
            for slot, row in enumerate(text):
                padded[slot, : len(row)] = row
            arrays["image"][start : start + len(names)] = image
            arrays["text"][start : start + len(names)] = padded
            start += len(names)

    def open(self, _: int) -> None:
        import zarr

        root = zarr.open_group(self.path, mode="r")
        self.arrays = root["image"], root["text"]

    def load(self, rows: list[int]) -> list[torch.Tensor]:
        return [widen(list(array.oindex[rows]), array.shape[2]) for array in self.arrays]


KINDS = dict(zip(NAMES, (Ours, SafetensorsArrow, Lance, Zarr, Datasets), strict=True))


def run_one(name: str, folder: Path, items: int, batches: int) -> dict[str, float]:
    every = keys(items)
    parts = [(every[start : start + BATCH], make_items(start, BATCH)) for start in range(0, items, BATCH)]
    expected = parts[0][1][0][3]
    shutil.rmtree(folder, ignore_errors=True)
    start = time.perf_counter()
    container = KINDS[name](folder)
    container.write(iter(parts))
    written = time.perf_counter() - start
    size = sum(part[1][0].nbytes + sum(text.nbytes for text in part[1][1]) for part in parts)
    command = [sys.executable, __file__, "--read", name, "--folder", str(folder), "--items", str(items)]
    shown = json.loads(subprocess.check_output([*command, "--batches", str(batches)], text=True))
    assert shown.pop("check") == int(expected.astype(np.int64).sum()), name
    shutil.rmtree(folder)
    return {"write MB/s": size / written / 1e6, **shown}


def read(name: str, folder: Path, items: int, batches: int) -> None:
    container = KINDS[name](folder)
    container.open(items)
    first = container.load([3])[0].view(torch.bfloat16).view(torch.int16)[..., 1::2]
    draw, times = np.random.default_rng(0), []
    for _ in range(batches):
        rows = draw.integers(0, items, BATCH).tolist()
        start = time.perf_counter()
        container.load(rows)
        times.append(time.perf_counter() - start)
    half = times[len(times) // 3 :]  # ours compares checksums in the first ones
    shown = {"batch ms": statistics.median(half) * 1e3, "first batch ms": times[0] * 1e3, "RssAnon MB": anonymous_mb()}
    print(json.dumps(shown | {"check": int(first.to(torch.int64).sum())}))


def opening(folder: Path) -> dict[str, float]:
    """Seconds until 256 rows of a million can be asked for by key, rows of true number but little content."""
    from interfuse.store import TokenStore

    count, asked = 1_000_000, keys(1_000_000)[::3907]
    make_sparse(folder / "ours", count)
    TokenStore(folder / "ours", {"name": "scale"}, IMAGE[1])
    start = time.perf_counter()
    assert len(TokenStore(folder / "ours", {"name": "scale"}, IMAGE[1]).peek(asked)) == len(asked)
    seconds = {"ours": time.perf_counter() - start}
    shutil.rmtree(folder / "ours")
    import datasets
    import lance
    import pyarrow as pa
    import zarr

    table = pa.table({"key": pa.array([bytes.fromhex(key) for key in keys(count)], pa.binary(16))})
    wanted = pa.array([bytes.fromhex(key) for key in asked], pa.binary(16))
    lance.write_dataset(table, str(folder / "k.lance"))
    for name, new in (("k.file", pa.ipc.new_file), ("k.stream", pa.ipc.new_stream)):
        with pa.OSFile(str(folder / name), "wb") as sink, new(sink, table.schema) as writer:
            writer.write_table(table, 1_000)
    whole = np.frombuffer(b"".join(table["key"].to_pylist()), np.uint8).reshape(count, 16)
    zarr.create_array(str(folder / "k.zarr"), data=whole, chunks=(65_536, 16), compressors=None)

    def from_zarr() -> pa.ChunkedArray:
        found = zarr.open_array(str(folder / "k.zarr"), mode="r")[:]
        return pa.chunked_array([pa.Array.from_buffers(pa.binary(16), count, [None, pa.py_buffer(found)])])

    openers = {
        "safetensors+arrow": lambda: pa.ipc.open_file(pa.memory_map(str(folder / "k.file"))).read_all()["key"],
        "lance": lambda: lance.dataset(str(folder / "k.lance")).to_table(columns=["key"])["key"],
        "zarr": from_zarr,
        "datasets": lambda: datasets.Dataset.from_file(str(folder / "k.stream")).data.table["key"],
    }
    for name, keys_of in openers.items():
        start = time.perf_counter()
        assert pc.index_in(wanted, keys_of().combine_chunks()).null_count == 0
        seconds[name] = time.perf_counter() - start
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1024)
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/containers"))
    parser.add_argument("--read", choices=NAMES)
    given = parser.parse_args()
    if given.read:
        read(given.read, given.folder, given.items, given.batches)
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in NAMES}
    try:
        for _ in range(given.rounds):
            for name in NAMES:
                found[name].append(run_one(name, given.folder / name, given.items, given.batches))
        given.folder.mkdir(parents=True, exist_ok=True)
        seconds = opening(given.folder)
    finally:
        shutil.rmtree(given.folder, ignore_errors=True)
    columns = list(found["ours"][0])
    print("| container | " + " | ".join(columns) + " | open 1M s |\n|" + "---|" * (len(columns) + 2))
    for name in NAMES:
        cells = [f"{statistics.median(run[column] for run in found[name]):.0f}" for column in columns]
        print(f"| {name} | " + " | ".join(cells) + f" | {seconds[name]:.2f} |")


if __name__ == "__main__":
    main()
