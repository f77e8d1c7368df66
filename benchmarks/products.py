"""What a whole comparison costs beside the bare encoding, on a table of products, in one run.

    python benchmarks/products.py FOLDER    # holds products.tsv and images/

Bare encoding: every distinct picture decoded and passed through the picture encoder, every distinct text through the
text encoder, in batches of 64, all threads, float32 as the encoders are published; and again in bfloat16.
Then eight designs × 3 seeds with an empty store, encoding included.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from interfuse.data import SourceSettings, load_examples, open_picture
from interfuse.encoders import load_image_encoder, load_text_encoder

EIGHT = "image_only,text_only,concat,concat:hidden=512,shared_cross_attention,cross_attention,merged_attention,glu"


def bare(settings: SourceSettings, table: Path, dtype: str) -> float:
    """Seconds of the bare encoding."""
    examples = load_examples(str(table), settings)
    image, text = load_image_encoder(dtype=dtype), load_text_encoder(dtype=dtype)
    start = time.perf_counter()
    paths = list(examples.pictures().values())
    for first in range(0, len(paths), 64):
        image.encode(torch.stack([image.prepare(open_picture(path)) for path in paths[first : first + 64]]))
    ids = sorted(text.prepare(list(examples.texts().values())).ids, key=len)
    for first in range(0, len(ids), 64):
        text.encode(ids[first : first + 64])
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", default="8")
    given = parser.parse_args()
    table, images = given.folder / "products.tsv", given.folder / "images"
    settings = SourceSettings(image="image", text="product_name", label="category_l1", image_folder=str(images))
    seconds = {dtype: bare(settings, table, dtype) for dtype in ("float32", "bfloat16")}
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            *(sys.executable, "-c", "from interfuse.cli.main import run; run()", "compare", str(table)),
            *("--image", "image", "--text", "product_name", "--label", "category_l1", "--image-folder", str(images)),
            *("--fusions", EIGHT, "--seeds", "3", "--epochs", given.epochs),
            *("--store", f"{scratch}/store", "--out", f"{scratch}/study"),
        ]
        start = time.perf_counter()
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        whole = time.perf_counter() - start
    print(
        f"bare encoding: float32 {seconds['float32']:.1f} s, bfloat16 {seconds['bfloat16']:.1f} s; whole: {whole:.1f} s"
    )
    print(f"ratio to float32 {whole / seconds['float32']:.2f}, to bfloat16 {whole / seconds['bfloat16']:.2f}")


if __name__ == "__main__":
    main()
