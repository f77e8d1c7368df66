"""The cost model of docs/scale.md: rates from small runs, and a check of what they foretell at larger ones.

    OMP_NUM_THREADS=1 python benchmarks/store_cost.py rates             # pictures and texts a second and core
    OMP_NUM_THREADS=1 python benchmarks/store_cost.py check --folder /tmp/store-cost

The check writes simulated tokens: two small runs give seconds an item and seconds a byte, from which a million small
items and 10,000 pictures are foretold, then written, measured, and removed.
"""

import argparse
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import BertConfig, BertModel, ResNetConfig, ResNetModel

from interfuse.store import TokenStore

INDEX_BYTES = 64
"""An item's key, length, checksum and place: in its shard, and again in the snapshot."""


def foretold_bytes(items: int, tokens: int, dim: int) -> int:
    return items * (tokens * dim * 2 + INDEX_BYTES)


def write(root: Path, items: int, tokens: int, dim: int) -> tuple[float, int]:
    """Write simulated items in batches of 256; give seconds, and bytes on disk."""
    batch = torch.randn(256, tokens, dim, generator=torch.Generator().manual_seed(0))
    start = time.perf_counter()
    store = TokenStore(root, {"name": f"{items} x {tokens} x {dim}"}, dim)
    with store.writer() as writer:
        for first in range(0, items, 256):
            keys = [f"{n * 0x9E3779B97F4A7C15 % (1 << 64):016x}{n:016x}" for n in range(first, min(first + 256, items))]
            writer.add_batch(keys, batch[: len(keys)])
    seconds = time.perf_counter() - start
    size = sum(path.stat().st_size for path in store.folder.iterdir() if path.is_file())
    shutil.rmtree(store.folder)
    return seconds, size


def check(root: Path) -> None:
    small, large = (50_000, 4, 64), (1_000, 49, 1280)
    runs = [(shape, write(root, *shape)[0]) for shape in (small, large) for _ in range(2)]
    seconds = {shape: min(found for other, found in runs if other == shape) for shape in (small, large)}
    data = {shape: shape[0] * shape[1] * shape[2] * 2 for shape in (small, large)}
    system = torch.tensor([[small[0], data[small]], [large[0], data[large]]], dtype=torch.float64)
    an_item, a_byte = torch.linalg.solve(system, torch.tensor([seconds[small], seconds[large]]).double()).tolist()
    print(f"seconds an item {an_item:.2e}, seconds a MB {a_byte * 1e6:.2e}", flush=True)
    print(
        "| written | bytes foretold | bytes found | seconds foretold | seconds found |\n|---|---|---|---|---|",
        flush=True,
    )
    for items, tokens, dim in ((1_000_000, 4, 64), (10_000, 49, 1280), (200_000, 14, 384)):
        expected = an_item * items + a_byte * items * tokens * dim * 2
        found, size = write(root, items, tokens, dim)
        told = foretold_bytes(items, tokens, dim)
        print(
            f"| {items:,} × {tokens} × {dim} | {told / 1e6:,.1f} MB | {size / 1e6:,.1f} MB ({size / told - 1:+.1%}) "
            f"| {expected:.0f} | {found:.0f} ({found / expected - 1:+.0%}) |",
            flush=True,
        )


def rate(run: Callable[[], object], count: int) -> float:
    run()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return count / statistics.median(times)


@torch.inference_mode()
def rates() -> None:
    """Measure the original's pair, whose speed does not depend on its weights, and the packaged pair, bfloat16."""
    from interfuse.encoders import load_image_encoder, load_text_encoder

    resnet = ResNetModel(ResNetConfig()).eval().bfloat16().to(memory_format=torch.channels_last)
    pixels = torch.randn(16, 3, 224, 224).bfloat16().contiguous(memory_format=torch.channels_last)
    print(f"ResNet-50, 224 pixels: {rate(lambda: resnet(pixels), 16):.1f} pictures/s", flush=True)
    bert = BertModel(BertConfig(), add_pooling_layer=False).eval().bfloat16()
    ids = torch.randint(1, 30_000, (64, 14))
    print(f"BERT-base, 14 tokens: {rate(lambda: bert(ids), 64):.0f} texts/s", flush=True)
    see, read = load_image_encoder(dtype="bfloat16"), load_text_encoder(dtype="bfloat16")
    print(f"EfficientNet-Lite0, {see.size} pixels: ", end="")
    shown = torch.rand(16, 3, see.size, see.size)
    print(f"{rate(lambda: see.encode(shown), 16):.1f} pictures/s", flush=True)
    sentences = [[5] * 14] * 64
    print(f"MiniLM, 14 tokens: {rate(lambda: read.encode(sentences), 64):.0f} texts/s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["rates", "check"])
    parser.add_argument("--folder", type=Path, default=Path("/tmp/store-cost"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    rates() if given.what == "rates" else check(given.folder)


if __name__ == "__main__":
    main()
