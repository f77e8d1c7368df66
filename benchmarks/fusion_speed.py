"""Speed and memory of the attention mechanisms beside the original's code, and beside nothing but their products.

    python benchmarks/fusion_speed.py [--repeats 15] [--threads 1 2] [--precisions float32 bfloat16] [--only shared]

A batch of 64: 49 image tokens, text padded to 40, or (`sorted`) to the longest of 64 neighbours in an order by
length, as the training batches are. Text lengths follow the captions of Flickr8k; every
picture has all its tokens, so only the text has a mask. Width 768, 8 heads, no dropout, one
layer; features need no gradient, parameters do. A step is forward + backward; bfloat16 is autocast.

All contenders take turns within a repeat; a time is the median of the repeats, so noise of the machine hits all alike.
`products` multiplies matrices of the same shapes into memory made before, and does nothing else: the limit.
Memory is what a step adds to the resident memory at its peak, parameters' gradients included, in a fresh process.
"""

import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interfuse.fusion import create_fusion

BATCH, IMAGE, TEXT, DIM, HEADS = 64, 49, 40, 768, 8
# Flickr8k, 30,000 training captions in MiniLM's word pieces: how many have 4, 5, 6 … pieces; mean 14.3
CAPTIONS = [7, 22, 119, 323, 787, 1691, 2256, 2608, 3017, 3052, 3099, 2839, 2435, 2018, 1549, 1160, 837, 652, 469]
CAPTIONS += [310, 232, 175, 99, 72, 55, 38, 28, 12, 11, 10, 2, 7, 3, 2, 2, 1, 1]
Batch = tuple[Tensor, Tensor, Tensor]


class Original(nn.Module):
    """The original's computation, its layer norm fixed and a padding mask added, read out as ours is."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.text = nn.Linear(DIM, DIM), nn.Linear(DIM, DIM)
        self.attention = nn.MultiheadAttention(DIM, HEADS, batch_first=True)
        self.readout = nn.Linear(2 * DIM, DIM)

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
        p, q = self.image(image), self.text(text)
        to_text, _ = self.attention(q, p, p)
        to_image, _ = self.attention(p, q, q, key_padding_mask=~text_mask)
        new_image, new_text = F.layer_norm(image + to_image, (DIM,)), F.layer_norm(text + to_text, (DIM,))
        return self.readout(torch.cat([new_image.mean(1), mean(new_text, text_mask)], -1))


class Decoders(nn.Module):
    """Two `nn.TransformerDecoderLayer`, text over image and image over text; each also attends to itself."""

    def __init__(self) -> None:
        super().__init__()
        make = partial(nn.TransformerDecoderLayer, DIM, HEADS, 4 * DIM, 0.0, "gelu", batch_first=True, norm_first=True)
        self.image, self.text = make(), make()

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
        new_image = self.image(image, text, memory_key_padding_mask=~text_mask)
        return new_image.mean(1) + mean(self.text(text, image, tgt_key_padding_mask=~text_mask), text_mask)


class Lxmert(nn.Module):
    """One cross-modality layer of LXMERT: attention both ways, then self-attention and feed-forward each."""

    def __init__(self) -> None:
        super().__init__()
        from transformers.models.lxmert.modeling_lxmert import LxmertConfig, LxmertXLayer

        dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        self.layer = LxmertXLayer(
            LxmertConfig(hidden_size=DIM, num_attention_heads=HEADS, intermediate_size=4 * DIM, **dropout)
        )

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
        hidden = (~text_mask)[:, None, None, :] * torch.finfo(torch.float32).min
        new_text, new_image = self.layer(text, hidden, image, None)[:2]
        return new_image.mean(1) + mean(new_text, text_mask)


class Ours(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.fuse = create_fusion(name, image_dim=DIM, text_dim=DIM, fused_dim=DIM, num_heads=HEADS)

    def forward(self, image: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
        vector: Tensor = self.fuse(image, text, None, text_mask).vector
        return vector


def mean(tokens: Tensor, mask: Tensor) -> Tensor:
    return (tokens * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)


MODELS: dict[str, Callable[[], nn.Module]] = {
    "original": Original,
    "shared_cross_attention": partial(Ours, "shared_cross_attention"),
    "cross_attention": partial(Ours, "cross_attention"),
    "lxmert": Lxmert,
    "decoder layers": Decoders,
}
# linear maps of each token as (input width, output width): the first takes features, which need no gradient
WIDE = [(DIM, DIM), (DIM, DIM), (DIM, 2 * DIM), (DIM, DIM), (DIM, 4 * DIM), (4 * DIM, DIM)]
MAPS = {"shared_cross_attention": [(DIM, DIM), (DIM, 3 * DIM), (DIM, DIM)], "cross_attention": WIDE}


class Products:
    """The matrix products of a mechanism and of its gradient, and nothing else."""

    def __init__(self, name: str, text: int, dtype: torch.dtype, *, step: bool) -> None:
        self.pairs: list[tuple[Tensor, Tensor, Tensor]] = []
        for tokens in (BATCH * IMAGE, BATCH * text):
            for index, (width, out) in enumerate(MAPS[name]):
                x, w, y = (torch.randn(*size).to(dtype) for size in ((tokens, width), (out, width), (tokens, out)))
                self.add(x, w.T)
                if step:
                    self.add(y.T, x)
                if step and index:
                    self.add(y, w)
        for queries, keys in ((IMAGE, text), (text, IMAGE)):
            size = BATCH * HEADS
            q, k, s = (torch.randn(size, *n).to(dtype) for n in ((queries, 96), (keys, 96), (queries, keys)))
            for _ in range(2):  # scores and answer; each has two gradients
                self.add(q, k.mT)
                if step:
                    self.add(s, k)
                    self.add(s.mT, q)

    def add(self, a: Tensor, b: Tensor) -> None:
        self.pairs.append((a, b, torch.empty(*a.shape[:-1], b.shape[-1], dtype=a.dtype)))

    def __call__(self) -> None:
        for a, b, out in self.pairs:
            torch.matmul(a, b, out=out)


def make_batches() -> dict[str, Batch]:
    """Make a random batch padded to 40 tokens, and of 32 sorted batches the one of the mean width."""
    draw = torch.Generator().manual_seed(0)
    lengths = 4 + torch.multinomial(torch.tensor(CAPTIONS, dtype=torch.float), 32 * BATCH, True, generator=draw)
    lengths = lengths.clamp_max(TEXT)
    runs = lengths.sort().values.view(32, BATCH)
    widths = runs[:, -1].double()
    nearest = runs[(widths - widths.mean()).abs().argmin()]
    return {"padded": one_batch(lengths[:BATCH], TEXT, draw), "sorted": one_batch(nearest, int(nearest[-1]), draw)}


def one_batch(lengths: Tensor, width: int, draw: torch.Generator) -> Batch:
    image, text = (torch.randn(BATCH, n, DIM, generator=draw) for n in (IMAGE, width))
    return image, text, torch.arange(width) < lengths[:, None]


def runner(model: nn.Module, batch: Batch, precision: str, *, step: bool) -> Callable[[], None]:
    def run() -> None:
        half = torch.autocast("cpu", torch.bfloat16) if precision == "bfloat16" else contextlib.nullcontext()
        with half, torch.set_grad_enabled(step):
            loss = model(*batch).float().square().mean()
        if step:
            loss.backward()
            model.zero_grad(set_to_none=True)

    model.train(step)
    return run


def contenders(precision: str, only: str, *, step: bool) -> dict[tuple[str, str, str], Callable[[], object]]:
    """Make what takes turns, by name, batch and precision; the original in float32 is always there."""
    batches, found = make_batches(), {}
    for name, make in MODELS.items():
        for kind, batch in batches.items():
            if name == "original" or only in name:
                found[name, kind, precision] = runner(make(), batch, precision, step=step)
            if name in MAPS and only in name:
                dtype = getattr(torch, precision)
                found[f"products of {name}", kind, precision] = Products(name, batch[1].shape[1], dtype, step=step)
    if precision != "float32":
        found["original", "padded", "float32"] = runner(Original(), batches["padded"], "float32", step=step)
    return found


def compare(precision: str, threads: int, given: argparse.Namespace, *, step: bool) -> None:
    clock = time.process_time if given.cpu_time else time.perf_counter
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    running = contenders(precision, given.only, step=step)
    times: dict[tuple[str, str, str], list[float]] = {key: [] for key in running}
    for repeat in range(given.repeats + 1):
        for key, run in running.items():
            start = clock()
            run()
            if repeat:  # the first is for warming up
                times[key].append(1e3 * (clock() - start))
    middle = {key: statistics.median(values) for key, values in times.items()}
    print(f"\n### {'Step' if step else 'Forward'}, {precision}, {threads} thread{'s' * (threads > 1)}\n")
    print(
        "| contender | text | ms, median | ms, least | / original, padded | / original, padded, float32 | / products |"
    )
    print("|---|---|--:|--:|--:|--:|--:|")
    for (name, kind, dtype), value in middle.items():
        same = value / middle["original", "padded", dtype]
        first = value / middle["original", "padded", "float32"]
        limit = middle.get((f"products of {name}", kind, dtype))
        label = name if dtype == precision else f"{name}, {dtype}"
        least = min(times[name, kind, dtype])
        end = f"{value / limit:.2f}" if limit else ""
        print(f"| {label} | {kind} | {value:.0f} | {least:.0f} | {same:.2f} | {first:.2f} | {end} |")


def peak_memory(name: str, kind: str, precision: str) -> float:
    """Measure here how many MB one step adds at its peak, after one step that warms up."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    run = runner(MODELS[name](), make_batches()[kind], precision, step=True)
    run()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = status("VmRSS")
    run()
    return status("VmHWM") - before


def status(word: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(word)) / 1024


def compare_memory(precision: str, only: str) -> None:
    print(
        f"\n### Peak memory of a step, {precision}\n\n| contender | text | MB | / original, padded |\n|---|---|--:|--:|"
    )
    base = 0.0
    exact = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}  # what is freed goes back to the system at once
    for name in (n for n in MODELS if n == "original" or only in n):
        for kind in ("padded", "sorted"):
            command = [sys.executable, __file__, "--memory-of", name, kind, precision]
            value = float(subprocess.run(command, check=True, capture_output=True, text=True, env=exact).stdout)
            base = base or value
            print(f"| {name} | {kind} | {value:.0f} | {value / base:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--what", nargs="+", default=["forward", "step", "memory"])
    parser.add_argument("--only", default="", help="contenders whose name holds this word, beside the original")
    parser.add_argument("--cpu-time", action="store_true", help="time of the processor, for a busy machine; 1 thread")
    parser.add_argument("--memory-of", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory_of:
        print(peak_memory(*given.memory_of))
        return
    kind = next((x for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x), platform.processor())
    print(f"{kind.split(':')[-1].strip()}, {os.cpu_count()} cores, torch {torch.__version__}, {given.repeats} repeats")
    print(f"text tokens: { ({k: b[1].shape[1] for k, b in make_batches().items()}) }")
    for precision in given.precisions:
        for threads in given.threads:
            for what in [w for w in given.what if w != "memory"]:
                compare(precision, threads, given, step=what == "step")
        if "memory" in given.what:
            compare_memory(precision, given.only)


if __name__ == "__main__":
    main()
