"""Latency of one request: the exported head beside the eager one, the exported whole model beside its bare encoders.

    python benchmarks/export_latency.py [--repeats 100] [--threads 1]

Packaged encoders at 160 px (25 image tokens), a caption of 12 tokens, width 256, one thread. The contenders take
turns within a repeat; a time is the median, with the quartiles beside it.
"""

import argparse
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
from interfuse.workflows.export import export_run, quiet

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
    least = statistics.median(times[base])
    print(f"\n{title}\n\n| contender | ms, median | quartiles | / {base} |\n|---|--:|--:|--:|")
    for name, values in times.items():
        low, middle, high = statistics.quantiles(values, n=4)
        print(f"| {name} | {middle:.2f} | {low:.2f}–{high:.2f} | {middle / least:.2f} |")


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fusions", nargs="+", default=["concat", "cross_attention", "merged_attention"])
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    see, read = load_image_encoder(dtype="float32"), load_text_encoder(dtype="float32")
    ids = torch.tensor(read.prepare([TEXT]).ids)
    pixels = torch.rand(1, 3, see.size, see.size) * 2 - 1
    with torch.inference_mode():
        image = see.encode(pixels)
        text = read.encode(ids.tolist())
    with tempfile.TemporaryDirectory() as home:
        for fusion in given.fusions:
            design = Design(fusion, dim=256)
            specs = [
                ModalitySpec(e.dim, getattr(e, "grid", None), torch.zeros(e.dim), torch.ones(e.dim))
                for e in (see, read)
            ]
            network = Network(design, *specs, classes=13).eval()
            info = {
                "task": "multiclass",
                "label_names": [str(n) for n in range(13)],
                "encoders": {"image": dict(see.signature), "text": dict(read.signature)},
                "encoder_settings": {"image_encoder": see.name, "text_encoder": read.name, "image_size": None},
            }
            run = Run(Path(fusion), design, network, info)
            head = export_run(run, Path(home) / f"{fusion}-head")
            session = open_session(head.file, given.threads)
            full = torch.ones(image.shape[:2], dtype=torch.bool)
            feed = {"image": image, "image_mask": full, "text": text.tokens, "text_mask": text.mask}
            arrays = {name: value.numpy() for name, value in feed.items()}

            def eager(network: Network = network, full: torch.Tensor = full) -> object:
                with torch.inference_mode():
                    return network(Tokens(image, full), text).softmax(-1)

            def exported(session: object = session, arrays: dict[str, np.ndarray] = arrays) -> object:
                return session.run(None, arrays)  # type: ignore[attr-defined]

            print(f"\n{fusion}: largest difference {head.largest:.1e}")
            show(f"Head, {fusion}", alternate({"eager": eager, "onnx": exported}, given.repeats), "eager")
            if fusion != given.fusions[-1]:
                continue
            whole = export_run(run, Path(home) / f"{fusion}-whole", whole=True)
            print(f"\nwhole: largest difference {whole.largest:.1e}, {whole.file.stat().st_size / 1e6:.0f} MB")
            trace_encoders(
                Encoders(see, read).eval(), (pixels, ids, torch.ones_like(ids) > 0), Path(home) / "encoders.onnx"
            )
            bare = open_session(Path(home) / "encoders.onnx", given.threads)
            all_of_it = open_session(whole.file, given.threads)
            asked = [pixels.numpy(), ids.numpy(), np.ones(ids.shape, bool)]
            bare_feed = dict(zip([node.name for node in bare.get_inputs()], asked, strict=True))
            whole_feed = {"pixels": asked[0], "picture": np.array([0]), "ids": asked[1], "ids_mask": asked[2]}

            def eager_encoders() -> object:
                with torch.inference_mode():
                    return see.compute(pixels), read.compute(ids, torch.ones_like(ids) > 0)

            contenders = {
                "encoders, onnx": partial(bare.run, None, bare_feed),
                "whole, onnx": partial(all_of_it.run, None, whole_feed),
                "encoders, eager": eager_encoders,
            }
            show(f"Whole model, {fusion}", alternate(contenders, given.repeats), "encoders, onnx")


if __name__ == "__main__":
    main()
