"""What watching training health costs: epochs with and without it, alternating, in one process.

    python benchmarks/health_cost.py [--epochs 12]

Each pair trains the same steps from the same start; the figure is the ratio of their summed times: a look at a step
falls into one epoch in several where epochs are short, so that single epochs tell nothing.
"""

import argparse
import time
import warnings

import torch

from interfuse.core.design import make_design
from interfuse.core.seeds import generator
from interfuse.core.tokens import MemoryTable
from interfuse.data import Features
from interfuse.training import Network, loop, measure
from interfuse.training.health import HealthMonitor

BATCH = 64
DESIGNS = {
    "concat:hidden=256, pooled": ("concat", {"hidden": 256}, 100),
    "concat:hidden=256, pooled, small table": ("concat", {"hidden": 256}, 12),
    "cross_attention": ("cross_attention", {}, 100),
    "cross_attention, small table": ("cross_attention", {}, 12),
    "shared_cross_attention, 1 encoder layer": ("shared_cross_attention", {"encoder_layers": 1}, 100),
    "merged_attention, 4 layers": ("merged_attention", {"num_layers": 4}, 100),
}
"""Name to fusion, settings, and steps an epoch."""


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
    made = loop._Loop(design, 0, features, network, accelerator, loop.nobody)
    made.health = monitor(network.blocks(), len(features.splits["train"]) // design.batch_size * design.epochs)
    made.order = generator(0, "order")
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=12)
    epochs = parser.parse_args().epochs
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print(f"1 thread, torch {torch.__version__}, dim 128, batch {BATCH}, at least {100 * epochs} steps of each")
    for name, (fusion, given, steps) in DESIGNS.items():
        features = make_rows(64 + steps * BATCH, fusion == "concat")
        specs = (measure(features.image, features.image_items), measure(features.text, features.text_items))
        pairs = -(-100 * epochs // steps)
        design = make_design(fusion, given, {"dim": 128, "batch_size": BATCH, "epochs": pairs + 1})
        pair = {cls: make_loop(design, features, specs, cls) for cls in (HealthMonitor, Unwatched)}
        times = dict.fromkeys(pair, 0.0)
        for epoch in range(pairs + 1):
            for cls in list(pair) if epoch % 2 else list(pair)[::-1]:
                start = time.process_time()
                pair[cls].epoch(epoch)
                times[cls] += (time.process_time() - start) * (epoch > 0)
        step = 1000 * times[Unwatched] / (pairs * steps)
        cost = 100 * (times[HealthMonitor] / times[Unwatched] - 1)
        print(f"{name}: {steps} steps an epoch, {step:.1f} ms a step, watching costs {cost:+.1f} %", flush=True)


if __name__ == "__main__":
    main()
