"""What watching training health costs: epochs with and without it, alternating, in one process.

    python benchmarks/health_cost.py [--epochs 12]

Each pair trains the same steps from the same start; the figure is the median over pairs of the ratio of their times.
"""

import argparse
import statistics
import time
import warnings

import torch

from interfuse.core.design import make_design
from interfuse.core.seeds import generator
from interfuse.core.tokens import MemoryTable
from interfuse.data import Features
from interfuse.training import loop, measure
from interfuse.training.health import HealthMonitor
from interfuse.training.network import Network

DESIGNS = {
    "concat:hidden=256, pooled": ("concat", {"hidden": 256}, 64),
    "cross_attention": ("cross_attention", {}, 64),
    "shared_cross_attention, 1 encoder layer": ("shared_cross_attention", {"encoder_layers": 1}, 64),
    "merged_attention, 4 layers": ("merged_attention", {"num_layers": 4}, 64),
}


def make_rows(rows: int, pooled: bool) -> Features:
    """Random tokens of the widths and lengths of easy-VQA at 160 px: 25 of the picture, 12 of the text."""
    draw = torch.Generator().manual_seed(0)
    image = torch.randn(rows, 1 if pooled else 25, 1280, generator=draw)
    text = torch.randn(rows, 1 if pooled else 12, 384, generator=draw)
    items = torch.arange(rows)
    tables = (MemoryTable(t, torch.ones(t.shape[:2], dtype=torch.bool)) for t in (image, text))
    return Features(
        *tables,
        items,
        items,
        torch.randint(13, (rows,), generator=draw),
        "multiclass",
        tuple(str(n) for n in range(13)),
        items,
        tuple(str(n) for n in range(rows)),
        items,
        {"train": items[64:], "validation": items[:64], "test": items[:0]},
    )


class Unwatched(HealthMonitor):
    """Looks at no step."""

    def begin(self) -> bool:
        return False


def make_loop(design, features, specs, monitor):
    torch.manual_seed(0)
    network = Network(design, *specs, 13)
    accelerator = loop._accelerator("float32", "cpu")
    made = loop._Loop(design, 0, features, network, accelerator, loop._nobody)
    made.health = monitor(network.blocks(), -(-len(features.splits["train"]) // design.batch_size))
    made.order = generator(0, "order")
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=12)
    epochs = parser.parse_args().epochs
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(f"1 thread, torch {torch.__version__}, dim 128, batch 64, 100 steps an epoch, {epochs} pairs of epochs")
    for name, (fusion, given, batch) in DESIGNS.items():
        features = make_rows(64 + 100 * batch, fusion == "concat")
        specs = (measure(features.image, features.image_items), measure(features.text, features.text_items))
        design = make_design(fusion, given, {"dim": 128, "batch_size": batch, "epochs": epochs + 1})
        pair = {cls: make_loop(design, features, specs, cls) for cls in (HealthMonitor, Unwatched)}
        ratios, seconds = [], []
        for epoch in range(epochs + 1):
            times = {}
            for cls in list(pair) if epoch % 2 else list(pair)[::-1]:
                start = time.process_time()
                pair[cls].epoch(epoch)
                times[cls] = time.process_time() - start
            if epoch:
                ratios.append(times[HealthMonitor] / times[Unwatched])
                seconds.append(times[Unwatched])
        low, middle, high = (100 * (value - 1) for value in statistics.quantiles(ratios, n=4))
        cost = f"watching costs {middle:+.1f} % (middle half {low:+.1f} to {high:+.1f})"
        print(f"{name}: {10 * statistics.median(seconds):.1f} ms a step, {cost}", flush=True)


if __name__ == "__main__":
    main()
