"""How long EMAP takes: all pairs of N rows through fusion and head, adapters once an item.

    python benchmarks/diagnose_speed.py [--rows 300] [--image-tokens 25] [--dim 256] [--layers 1] [--threads 2]

Texts have 8 to 20 tokens, 14 on average, as captions have.
"""

import argparse
import time

import torch

from interfuse.core.design import Design
from interfuse.core.tokens import Tokens
from interfuse.evaluation import measure_emap
from interfuse.explain import pair_logits
from interfuse.training import ModalitySpec, Network


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, value in {"rows": 300, "image-tokens": 25, "dim": 256, "layers": 1, "threads": 2, "pairs": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--fusion", default="cross_attention")
    given = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(given.threads)
    side = int(given.image_tokens**0.5)
    settings = {"num_layers": given.layers} if given.fusion == "cross_attention" else {}
    design = Design(given.fusion, settings=settings, dim=given.dim)
    specs = [
        ModalitySpec(width, grid, torch.zeros(width), torch.ones(width))
        for width, grid in ((1280, (side,) * 2), (384, None))
    ]
    network = Network(design, *specs, classes=13).eval()
    image = Tokens(torch.randn(given.rows, side * side, 1280), torch.ones(given.rows, side * side, dtype=torch.bool))
    lengths = torch.randint(8, 21, (given.rows,))
    text = Tokens(torch.randn(given.rows, 20, 384), torch.arange(20) < lengths[:, None])
    chunk = {"pairs": given.pairs} if given.pairs else {}
    start = time.perf_counter()
    table = pair_logits(network, image, text, **chunk)
    middle = time.perf_counter()
    found = measure_emap(table.numpy(), torch.randint(13, (given.rows,)).numpy(), "multiclass")
    end = time.perf_counter()
    print(
        f"{given.rows}² pairs, {side * side} image tokens, {given.fusion}, dim {given.dim}, {given.threads} threads: "
        f"{middle - start:.1f} s for the logits, {end - middle:.2f} s for EMAP; "
        f"interaction share {found.interaction_share:.3f}"
    )


if __name__ == "__main__":
    main()
