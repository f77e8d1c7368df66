"""Prediction against the bare encoders: files to a Parquet file, and tensors that lie ready, in turns.

OMP_WAIT_POLICY=PASSIVE python benchmarks/predict_throughput.py FOLDER [--rows 5000] [--rounds 5] [--fusion concat]
    [--original]

FOLDER holds captions_dev.tsv (image, caption) and the pictures in dev/. The bare loop runs both encoders over the
distinct pictures and texts, decoded, tokenised and batched beforehand. The prediction starts with the file of rows and
ends with the file of probabilities: it reads, hashes, decodes, encodes, fuses and writes, and keeps no token.

The share by processor time is what busy cores can give: on a machine that others use too, wall time says little.
Loading the encoders, which a long prediction does once, is timed by itself; both ratios are printed.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import polars as pl
import torch
from encoder_speed import make_bert, make_resnet

from interfuse.core.design import Design
from interfuse.core.progress import Silent
from interfuse.data import DRAFT_PIXELS, SourceSettings, open_picture
from interfuse.data.readers.table import read_frame
from interfuse.training import load_run
from interfuse.workflows import EncoderSettings, Source, StreamSettings, predict_stream, train_run
from interfuse.workflows.encode import Towers


def bare_batches(towers: Towers, frame: pl.DataFrame, pictures: Path, size: int):
    """Decode and tokenise every distinct item."""
    see, read = towers.image.tower.encoder, towers.text.tower.encoder
    names = sorted(set(frame["image"].to_list()))
    tensors = torch.stack([see.prepare(open_picture(pictures / name, 4 * see.size, DRAFT_PIXELS)) for name in names])
    ids = sorted(read.prepare(sorted(set(frame["caption"].to_list()))).ids, key=len)
    return tensors.split(size), [ids[start : start + size] for start in range(0, len(ids), size)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fusion", default="cross_attention")
    parser.add_argument("--original", action="store_true", help="ResNet-50 and BERT-base, true layers, random weights")
    parser.add_argument("--rows-per-part", type=int, default=StreamSettings().rows_per_part)
    given = parser.parse_args()
    frame, pictures = read_frame(given.folder / "captions_dev.tsv")[: given.rows], given.folder / "dev"
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        frame[:300].select("image", "caption").write_csv(home / "train.csv")
        frame.select("image", "caption").write_parquet(home / "rows.parquet")
        read = SourceSettings(image="image", text="caption", image_folder=str(pictures))
        names = {}
        if given.original:
            names = {"image_encoder": make_resnet(home / "resnet"), "text_encoder": make_bert(home / "bert")}
        source = Source(str(home / "train.csv"), read, EncoderSettings(store=home / "trained", **names))
        design = Design(given.fusion, epochs=1, **source.encoder_settings())
        train_run(source, home / "run", design)
        run, settings = load_run(home / "run"), StreamSettings(given.rows_per_part, keep_tokens=False)
        encode = EncoderSettings(store=home / "empty", **names)
        towers = Towers(run, encode, Silent(), keep=False)
        images, texts = bare_batches(towers, frame, pictures, encode.encoding_batch)
        towers.image.tower.encoder.encode(images[0])
        towers.text.tower.encoder.encode(texts[0])
        bare, ours, load, work = [], [], [], []
        for _ in range(given.rounds):
            start, used = time.perf_counter(), time.process_time()
            for batch in images:
                towers.image.tower.encoder.encode(batch)
            for ids in texts:
                towers.text.tower.encoder.encode(ids)
            bare.append(time.perf_counter() - start)
            bare_used = time.process_time() - used
            start, used = time.perf_counter(), time.process_time()
            new = Source(str(home / "rows.parquet"), SourceSettings(image_folder=str(pictures)), encode)
            done = predict_stream(run, new, home / "out.parquet", settings)
            ours.append(time.perf_counter() - start)
            work.append(bare_used / (time.process_time() - used))
            assert done.joined is not None
            assert done.joined.rows == frame.height
            start = time.perf_counter()
            Towers(run, encode, Silent(), keep=False)
            load.append(time.perf_counter() - start)
            print(
                f"bare {bare[-1]:.2f} s, predict {ours[-1]:.2f} s, of which loading {load[-1]:.2f} s, "
                f"processor time {work[-1]:.1%}",
                flush=True,
            )
    count = sum(len(batch) for batch in images), sum(len(batch) for batch in texts)
    whole = statistics.median(b / o for b, o in zip(bare, ours, strict=True))
    loaded = statistics.median(b / (o - t) for b, o, t in zip(bare, ours, load, strict=True))
    print(
        f"{given.fusion}, {frame.height} rows, {count[0]} pictures, {count[1]} texts, {torch.get_num_threads()} "
        f"threads, load average {os.getloadavg()[0]:.1f}: predict has {loaded:.1%} of the bare encoders' throughput, "
        f"{whole:.1%} with loading (median of {given.rounds} rounds; by the fastest of each: "
        f"{min(bare) / min(ours):.1%} with loading; by processor time {statistics.median(work):.1%} with loading); "
        f"{frame.height / statistics.median(ours):.0f} rows/s; "
        f"OMP_WAIT_POLICY={os.environ.get('OMP_WAIT_POLICY', 'unset')}"
    )


if __name__ == "__main__":
    main()
