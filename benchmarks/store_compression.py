"""What smaller tokens cost: accuracy and disk with --store-dtype int8 and --store-dim, beside bfloat16 tokens.

    python benchmarks/store_compression.py FOLDER   # a folder that holds products.tsv and images/

Cross-attention, 3 seeds. Products: the defaults at 8 epochs. easy-VQA: as `interfuse demo` trains it (96 pixels, 20,000
train questions, 3 epochs). The difference to bfloat16 is paired by test row and seed; its 95 % interval spans both.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from interfuse.core.design import parse_designs
from interfuse.core.progress import Silent
from interfuse.core.records import read_table
from interfuse.data import SourceSettings
from interfuse.evaluation import mean_interval
from interfuse.store import list_holdings
from interfuse.workflows import EncoderSettings, Source
from interfuse.workflows.train import RunContext, Trial, make_training_set, prepare, run_trials

VARIANTS: dict[str, dict[str, Any]] = {
    "bfloat16": {},
    "int8": {"store_dtype": "int8"},
    "dim 256": {"store_dim": 256},
    "dim 128": {"store_dim": 128},
    "int8, dim 128": {"store_dtype": "int8", "store_dim": 128},
}
SEEDS = 3


def scores(source: Source, base: dict[str, Any], train_rows: int | None, home: Path) -> tuple[np.ndarray, np.ndarray]:
    """Train all seeds; give which test rows were answered right, (seeds, rows), and the rows' groups."""
    prepared = prepare(source, Silent(), train_rows)
    design = parse_designs("cross_attention", {**base, **source.encoder_settings()})[0]
    bench = make_training_set(prepared.features, prepared.folds, [design])
    terms = RunContext("auto", 1, prepared.info, prepared.projections)
    found, groups = [], np.zeros(0)
    for trial in run_trials(
        bench, terms, [Trial(design, s, 0, home / str(s)) for s in range(SEEDS)], 1, lambda *_: None
    ):
        table = read_table(trial.folder / "predictions.parquet").to_pandas()
        test = table[table["split"] == "test"]
        found.append(test["score"].to_numpy(float))
        groups = test["group"].to_numpy(np.int64)
    return np.stack(found), groups


def held(root: Path, source: Source) -> int:
    """Bytes of the stores that this variant trains from."""
    dims, coding = source.encode.store_dim, source.encode.store_dtype
    return sum(
        holding.bytes
        for holding in list_holdings(root)
        if holding.signature.get("projection", {}).get("dim") == dims
        and holding.signature.get("coding", "bfloat16") == coding
    )


def measure(
    name: str, data: str, read: SourceSettings, encode: dict[str, Any], base: dict[str, Any], rows: int | None
) -> None:
    print(
        f"\n{name}\n\n| tokens | accuracy | difference to bfloat16, points [95 %] | store MB |\n|---|---|---|---|",
        flush=True,
    )
    plain = None
    with tempfile.TemporaryDirectory() as scratch:
        for variant, settings in VARIANTS.items():
            store = Path(scratch) / "store"
            source = Source(data, read, EncoderSettings(**encode, **settings, store=store))
            right, groups = scores(source, base, rows, Path(scratch) / variant)
            plain = right if plain is None else plain
            found = mean_interval(right - plain, groups)
            told = (
                "–"
                if variant == "bfloat16"
                else f"{100 * found.mean:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]"
            )
            print(f"| {variant} | {100 * right.mean():.2f} | {told} | {held(store, source) / 1e6:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=["products", "easy-vqa"])
    given = parser.parse_args()
    images = str(given.folder / "images")
    table = SourceSettings(image="image", text="product_name", label="category_l1", image_folder=images)
    if given.only != "easy-vqa":
        measure("products", str(given.folder / "products.tsv"), table, {}, {}, None)
    if given.only != "products":
        base = {"epochs": 3, "batch_size": 128, "dropout": 0.0, "learning_rate": 1e-3}
        measure("easy-VQA", "easy-vqa", SourceSettings(), {"image_size": 96}, base, 20_000)


if __name__ == "__main__":
    main()
