"""What is fuzzed: for each kind of file a sound one, how it is changed, and what the library then does with it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
import torch
from PIL import Image

from interfuse.core.design import make_design
from interfuse.core.files import read_json
from interfuse.data import SourceSettings, load_for_run, make_known, open_picture
from interfuse.data.pictures.files import identify
from interfuse.estimator import FusionClassifier
from interfuse.reports import to_html
from interfuse.training import COLUMNS, Network, load_run, measure, save_run
from interfuse.workflows import EncoderSettings, Source, Study
from interfuse.workflows.predict.predict import answer_rows, source_of
from tests.fuzz.mutations import change_bytes, change_header, change_json
from tests.workflows.study.made import BASELINE, make_study

KNOWN = "known:additive"
TABLES = ("csv", "tsv", "jsonl", "parquet")
PICTURES = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP")


@dataclass(frozen=True)
class Target:
    """One kind of file."""

    file: Path
    """Its place below the folder of a case."""
    change: Callable[[random.Random, Path], bytes]
    """Return the changed content of the sound file."""
    use: Callable[[Path], object]
    """What the library does with the case's folder."""


def write_sound(folder: Path) -> None:
    """Write the sound files that all cases are changes of."""
    features = make_known(KNOWN, rows=(64, 16, 16))
    items = features.splits["train"]
    specs = measure(features.image, items), measure(features.text, items)
    design = make_design("cross_attention", {"dim": 16, "num_heads": 2, "encoder_layers": 1, "residual": True}, {})
    torch.manual_seed(0)
    network = Network(design, *specs, len(features.label_names))
    record = {
        "task": "multiclass",
        "label_names": list(features.label_names),
        "fingerprint": "0" * 32,
        "trained_on_missing": {"image": False, "text": False},
        "hard_negatives": False,
        "seed": 0,
        "fold": 0,
        "parameters": 1,
        "train_seconds": 1.0,
        "train_rows": 64,
        "best_epoch": 1,
        "metrics": {"test": {"accuracy": 0.5}},
    }
    known = {"known": KNOWN, "encoder_settings": {**_encoders("known", "known")}, "encoders": {}}
    columns = {"columns": {"image": "photo", "text": "title", "label": "kind"}}
    save_run(folder / "known", network, design, {**record, **known, "columns": {}}, [])
    signatures = {m: {"name": m, "weights": "0", "preprocessing": "", "dtype": "float32"} for m in ("image", "text")}
    shown = {"encoder_settings": _encoders("efficientnet-lite0", "minilm"), "encoders": signatures, **columns}
    save_run(folder / "shop", network, design, {**record, **shown}, [])
    params = {"image": "photo", "text": "title", "fusion": "cross_attention", "dim": 16}
    estimator = {"estimator": "FusionClassifier", "params": params, "classes": list(features.label_names)}
    (folder / "shop" / "estimator.json").write_bytes(_plain(estimator))
    _write_study(folder / "study")
    _write_tables(folder)
    for kind in PICTURES:
        _picture().save(folder / f"picture.{kind.lower()}", kind)


def _encoders(image: str, text: str) -> dict[str, object]:
    return {
        "image_encoder": image,
        "text_encoder": text,
        "image_size": None,
        "store_dtype": "bfloat16",
        "store_dim": None,
    }


def _plain(value: object) -> bytes:
    import json

    return json.dumps(value).encode()


def _picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8))


def _write_study(folder: Path) -> None:
    draw = np.random.default_rng(0)
    truth = {split: draw.integers(0, 2, 40) for split in ("validation", "test")}
    names = ("text_only", "image_only", "concat", BASELINE, "product")
    probs = {
        name: [{s: draw.dirichlet((1, 1), len(rows)) for s, rows in truth.items()} for _ in range(2)] for name in names
    }
    make_study(folder, "multiclass", truth, probs, added={}, encoders={}, command="compare", precision="float32")


def _write_tables(folder: Path) -> None:
    _picture().save(folder / "0.png")
    rows = 12
    frame = pl.DataFrame(
        {
            "photo": ["0.png"] * (rows - 1) + [None],
            "title": [f"a red bicycle, number {n}" for n in range(rows)],
            "kind": [str(n % 2) for n in range(rows)],
        }
    )
    frame.write_csv(folder / "rows.csv")
    frame.write_csv(folder / "rows.tsv", separator="\t")
    frame.write_ndjson(folder / "rows.jsonl")
    frame.write_parquet(folder / "rows.parquet")


@lru_cache(maxsize=1)
def known_features() -> object:
    return make_known(KNOWN, rows=(8, 4, 4))


def _use_known(folder: Path) -> None:
    run = load_run(folder / "known")
    source_of(run, Source(KNOWN))
    answer_rows(run, known_features(), torch.arange(8))
    str(run.info["label_names"]), run.task


def _use_shop(folder: Path) -> None:
    run = load_run(folder / "shop")
    source = source_of(run, Source(str(folder / "rows.csv"), SourceSettings(), EncoderSettings(store=folder / "store")))
    assert source.encode.store == folder / "store", "a file chose the store"
    assert source.read == SourceSettings(
        **{c: getattr(source.read, c) for c in COLUMNS}, hard_negatives=source.read.hard_negatives
    )
    load_for_run(source.data, source.read, run.task, run.label_names, labelled=False)


def _use_estimator(folder: Path) -> None:
    loaded = FusionClassifier.load(folder / "shop")
    assert (loaded.store, loaded.image_folder) == (None, None), "a file chose a folder"
    loaded.design, loaded.get_params(), loaded.classes_


def _use_study(folder: Path) -> None:
    study = Study.open(folder / "study")
    summary = study.summary()
    to_html(summary)
    study.best_fusion()


def _use_table(name: str) -> Callable[[Path], object]:
    def use(folder: Path) -> None:
        settings = SourceSettings(image="photo", text="title", label="kind", image_folder=str(folder))
        load_for_run(str(folder / name), settings, "multiclass", ("0", "1"), labelled=False)

    return use


def _use_picture(name: str) -> Callable[[Path], object]:
    def use(folder: Path) -> None:
        identify(folder / name)
        open_picture(folder / name)

    return use


def _json(draw: random.Random, file: Path) -> bytes:
    return change_json(draw, read_json(file)) if draw.random() < 0.95 else change_bytes(draw, file.read_bytes())


def _bytes(draw: random.Random, file: Path) -> bytes:
    return change_bytes(draw, file.read_bytes())


def _header(draw: random.Random, file: Path) -> bytes:
    return change_header(draw, file.read_bytes())


def list_targets() -> dict[str, Target]:
    """Return every kind of file by name."""
    targets = {
        "run.json": Target(Path("known/run.json"), _json, _use_known),
        "run.json with pictures": Target(Path("shop/run.json"), _json, _use_shop),
        "estimator.json": Target(Path("shop/estimator.json"), _json, _use_estimator),
        "study.json": Target(Path("study/study.json"), _json, _use_study),
        "a run.json of a study": Target(Path("study/runs/product/0/run.json"), _json, _use_study),
        "predictions.parquet": Target(Path("study/runs/product/1/predictions.parquet"), _bytes, _use_study),
        "safetensors": Target(Path("known/model.safetensors"), _header, _use_known),
    }
    tables = {f"table.{kind}": Target(Path(f"rows.{kind}"), _bytes, _use_table(f"rows.{kind}")) for kind in TABLES}
    pictures = {
        f"picture.{kind.lower()}": Target(
            Path(f"picture.{kind.lower()}"), _bytes, _use_picture(f"picture.{kind.lower()}")
        )
        for kind in PICTURES
    }
    return {**targets, **tables, **pictures}


SHARES = {
    "run.json": 6,
    "run.json with pictures": 5,
    "estimator.json": 2,
    "study.json": 4,
    "safetensors": 5,
    "predictions.parquet": 1,
    "a run.json of a study": 2,
}
"""Cases of a kind, as parts of all; a kind that is not named here has one part."""
