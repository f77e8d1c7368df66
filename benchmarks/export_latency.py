"""Latency of one request: the exported head beside the eager one, the exported whole model beside its bare encoders.

    python benchmarks/export_latency.py [--repeats 50] [--threads 1] [--dim 128] [--fusions concat film]

Packaged encoders at 160 px (25 image tokens), a caption of 12 tokens, one thread. The contenders take
turns within a repeat; a time is the median, with the quartiles beside it. A ratio is the median over the repeats of
the ratio within each, so that other work on the machine bears on both sides; in brackets, that of the fastest calls,
which other work bears on least. Wanted: an exported head takes at most
half of the eager one's time, a whole model at most 1.2 times its encoders'.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from interfuse.core.design import Design
from interfuse.core.tokens import Tokens
from interfuse.encoders import load_image_encoder, load_text_encoder
from interfuse.training import ModalitySpec, Network, Run
from interfuse.workflows.export.export import export_run, quiet

FUSIONS = ["concat", "shared_cross_attention", "cross_attention", "merged_attention", "film", "two_tower"]
TEXT = "a small red square to the left of a large blue circle"


def alternate(contenders: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Let all contenders take turns; milliseconds of each call."""
    for call in contenders.values():
        for _ in range(3):
            call()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, call in contenders.items():
            start = time.perf_counter()
            call()
            times[name].append(1e3 * (time.perf_counter() - start))
    return times


def show(title: str, times: dict[str, list[float]], base: str) -> None:
    print(f"\n{title}\n\n| contender | ms, median | quartiles | / {base} |\n|---|--:|--:|--:|")
    for name, values in times.items():
        low, middle, high = statistics.quantiles(values, n=4)
        print(f"| {name} | {middle:.2f} | {low:.2f}–{high:.2f} | {ratio(values, times[base]):.2f} |", flush=True)


def ratio(values: list[float], base: list[float]) -> float:
    return statistics.median(value / other for value, other in zip(values, base, strict=True))


def told(values: list[float], base: list[float]) -> str:
    return f"{ratio(values, base):.2f} ({min(values) / min(base):.2f})"


def summarise(heads: dict[str, dict[str, list[float]]], wholes: dict[str, list[float]], base: list[float]) -> None:
    print("\n| mechanism | head: ONNX / eager (wanted: 0.5) | whole / encoders, both ONNX (wanted: 1.2) |")
    print("|---|--:|--:|")
    for name, times in heads.items():
        print(f"| {name} | {told(times['onnx'], times['eager'])} | {told(wholes[name], base)} |")


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def trace_encoders(graph: torch.nn.Module, feed: tuple[torch.Tensor, ...], path: Path) -> None:
    with quiet():
        program = torch.onnx.export(graph, feed, dynamo=True, verbose=False)
    assert program is not None
    program.save(path)


class Encoders(torch.nn.Module):
    """Both encoders and nothing after them."""

    def __init__(self, see: object, read: object) -> None:
        super().__init__()
        self.see, self.read = see, read
        self.towers = torch.nn.ModuleList([see.network, read.network])  # type: ignore[attr-defined]

    def forward(self, pixels: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.see.compute(pixels), self.read.compute(ids, mask)  # type: ignore[attr-defined]


def make_run(fusion: str, dim: int, see: object, read: object) -> Run:
    """A network that is not trained, which takes the time of one that is."""
    specs = [ModalitySpec(e.dim, getattr(e, "grid", None), torch.zeros(e.dim), torch.ones(e.dim)) for e in (see, read)]
    design = Design(fusion, dim=dim)
    info = {
        "task": "multiclass",
        "label_names": [str(n) for n in range(13)],
        "encoders": {"image": dict(see.signature), "text": dict(read.signature)},
        "encoder_settings": {"image_encoder": see.name, "text_encoder": read.name, "image_size": None},
    }
    return Run(Path(fusion), design, Network(design, *specs, classes=13).eval(), info)


def time_head(run: Run, path: Path, inputs: tuple[Tokens, Tokens], given: argparse.Namespace) -> dict[str, list[float]]:
    session = open_session(path, given.threads)
    arrays = {}
    for name, tokens in zip(("image", "text"), inputs, strict=True):
        arrays |= {name: tokens.tokens.numpy(), f"{name}_mask": tokens.mask.numpy()}

    def eager() -> object:
        with torch.inference_mode():
            return run.network(*inputs).logits.softmax(-1)

    return alternate({"eager": eager, "onnx": partial(session.run, None, arrays)}, given.repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--fusions", nargs="+", default=FUSIONS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    see, read = load_image_encoder(dtype="float32"), load_text_encoder(dtype="float32")
    ids = torch.tensor(read.prepare([TEXT]).ids)
    pixels, real = torch.rand(1, 3, see.size, see.size) * 2 - 1, torch.ones_like(ids) > 0
    with torch.inference_mode():
        image = see.encode(pixels)
    inputs = Tokens(image, torch.ones(image.shape[:2], dtype=torch.bool)), read.encode(ids.tolist())
    asked = [pixels.numpy(), ids.numpy(), real.numpy()]
    whole_feed = {"pixels": asked[0], "picture": np.array([0]), "ids": asked[1], "ids_mask": asked[2]}
    with tempfile.TemporaryDirectory() as home:
        trace_encoders(Encoders(see, read).eval(), (pixels, ids, real), Path(home) / "encoders.onnx")
        bare = open_session(Path(home) / "encoders.onnx", given.threads)
        bare_feed = dict(zip([node.name for node in bare.get_inputs()], asked, strict=True))

        def eager_encoders() -> object:
            with torch.inference_mode():
                return see.compute(pixels), read.compute(ids, real)

        heads: dict[str, dict[str, list[float]]] = {}
        contenders = {"encoders, onnx": partial(bare.run, None, bare_feed), "encoders, eager": eager_encoders}
        for fusion in given.fusions:
            run = make_run(fusion, given.dim, see, read)
            head = export_run(run, Path(home) / f"{fusion}-head")
            whole = export_run(run, Path(home) / f"{fusion}-whole", whole=True)
            print(f"{fusion}: largest difference {head.largest:.1e}, whole {whole.largest:.1e}", flush=True)
            heads[fusion] = time_head(run, head.file, inputs, given)
            contenders[fusion] = partial(open_session(whole.file, given.threads).run, None, whole_feed)
        for fusion, times in heads.items():
            show(f"Head, {fusion}", times, "eager")
        times = alternate(contenders, given.repeats)
        show("Whole models, all in turns", times, "encoders, onnx")
        summarise(heads, times, times["encoders, onnx"])
        print(f"\n{given.repeats} repeats, {given.threads} threads, load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
