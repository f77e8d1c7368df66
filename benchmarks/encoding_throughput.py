"""Encoding against the bare encoder: the same pictures, files to store against tensors that lie ready, in turns.

OMP_WAIT_POLICY=PASSIVE python benchmarks/encoding_throughput.py FOLDER [--encoder efficientnet-lite0|resnet50]
    [--count 512] [--rounds 3] [--copies 1]

The policy is what the command line sets. Copies differ in a byte after the picture's end: a small folder can stand for
a large one, in which filling the pipeline is no part of the cost.

Prints the ratio to the bare loop, and to 1 / (encode + decode / cores), which is what full overlap can reach on a
machine whose cores are all busy. The ResNet-50 has its true layers and random weights.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import torch

from interfuse.core.progress import Silent
from interfuse.data.pictures.files import DRAFT_PIXELS, identify_all, open_picture
from interfuse.encoders import load_image_encoder
from interfuse.store import TokenStore
from interfuse.workflows.encode import encode_pictures


def load_resnet(folder: Path):
    from transformers import ConvNextImageProcessor, ResNetConfig, ResNetModel

    torch.manual_seed(0)
    ResNetModel(ResNetConfig()).save_pretrained(folder)
    ConvNextImageProcessor(size={"shortest_edge": 224}).save_pretrained(folder)
    return load_image_encoder(str(folder))


def copies(paths: list[Path], count: int, folder: Path) -> list[str]:
    """Write each file several times, with another last byte each time."""
    folder.mkdir()
    for path in paths:
        for number in range(count):
            (folder / f"{number}-{path.name}").write_bytes(path.read_bytes() + bytes([number]))
    return sorted(str(path) for path in folder.iterdir())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--encoder", default="efficientnet-lite0")
    parser.add_argument("--count", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=64)
    given = parser.parse_args()
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as scratch:
        if given.encoder == "resnet50":
            encoder = load_resnet(Path(scratch) / "resnet50")
        else:
            encoder = load_image_encoder(given.encoder)
        paths = copies(sorted(given.folder.iterdir())[: given.count], given.copies, Path(scratch) / "copies")
        keys = {identity.key: path for path, identity in identify_all(paths).items() if identity.key}
        enough = 4 * encoder.size
        items = {key: (lambda path=path: open_picture(path, enough, DRAFT_PIXELS)) for key, path in keys.items()}
        order = sorted(items)
        pictures = torch.stack([encoder.prepare(items[key]()) for key in order])
        parts = pictures.split(given.batch_size)
        plain = encoder.encode(parts[0])
        bare, ours, decode = [], [], []
        for number in range(given.rounds):
            start = time.perf_counter()
            for part in parts:
                encoder.encode(part)
            bare.append(time.perf_counter() - start)
            store = TokenStore(Path(scratch) / str(number), encoder.signature, encoder.dim, encoder.grid)
            start = time.perf_counter()
            report = encode_pictures(store, encoder, items, given.batch_size, Silent())
            ours.append(time.perf_counter() - start)
            assert report.encoded == len(items)
            stored = store.table(order).gather(torch.arange(len(plain))).tokens
            assert stored.equal(plain.bfloat16().float())  # one batch on all threads, or several side by side
            start = time.perf_counter()
            for key in order:
                encoder.prepare(items[key]())
            decode.append(time.perf_counter() - start)
        count = len(items)
        ratio = statistics.median(b / o for b, o in zip(bare, ours, strict=True))
        reach = statistics.median((b + d / cores) / o for b, o, d in zip(bare, ours, decode, strict=True))
        best, limit = min(bare) / min(ours), (min(bare) + min(decode) / cores) / min(ours)
        print(
            f"{given.encoder} {encoder.size} px {encoder.dtype}, {count} pictures, {torch.get_num_threads()} threads: "
            f"bare {count / statistics.median(bare):.1f}/s, files to store {count / statistics.median(ours):.1f}/s: "
            f"{ratio:.1%} of bare, {reach:.1%} of 1/(encode + decode/{cores}) (median of the rounds; by the fastest of "
            f"each: {best:.1%}, {limit:.1%}); "
            f"decoding alone {count / statistics.median(decode):.0f}/s on one thread; "
            f"OMP_WAIT_POLICY={os.environ.get('OMP_WAIT_POLICY', 'unset')}"
        )


if __name__ == "__main__":
    main()
