"""How long a report takes: a made-up study is written as compare writes it, reported, and opened in Chromium.

python benchmarks/report_speed.py [--designs 10] [--seeds 5] [--rows 10000] [--epochs 20] [--out FOLDER]
"""

import argparse
import io
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from playwright.sync_api import sync_playwright

from interfuse.core.files import write_json
from interfuse.core.records import EXAMPLES, HISTORY, PREDICTIONS, write_table
from interfuse.workflows import Study

FUSIONS = ("text_only", "image_only", "concat", "product", "cross_attention", "gmu", "film", "mfb", "merged_attention")
CLASSES = ("cup", "plate", "pot", "pan", "fork")


def make_study(folder: Path, designs: int, seeds: int, rows: int, epochs: int) -> Study:
    draw = np.random.default_rng(0)
    names = [FUSIONS[n] if n < len(FUSIONS) else f"concat:hidden={2**n}" for n in range(designs)]
    entries = []
    for n, name in enumerate(names):
        fusion, _, setting = name.partition(":")
        settings = {"hidden": int(setting.partition("=")[2])} if setting else {}
        role = "floor" if n < 2 else "baseline" if name == "concat" else "contender"
        plain = {"dim": 64, "epochs": epochs, "image_encoder": "known", "text_encoder": "known", "image_size": None}
        entries.append({"fusion": fusion, "name": name, "settings": settings, **plain, "key": "k", "role": role})
    thousand = {"train": 8 * rows, "validation": rows, "test": rows}
    record = {
        **{
            "created": "2026-01-01T00:00:00+0000",
            "command": "interfuse compare made-up.csv",
            "folds": 1,
            "margin": 0.01,
        },
        **{"seeds": list(range(seeds)), "baseline": "concat", "metric": "accuracy", "designs": entries},
        "versions": {"interfuse": "0.1.0"},
        "data": {
            **{"source": "made-up.csv", "task": "multiclass", "label_names": list(CLASSES), "rows": thousand},
            **{"groups": rows, "missing_images": 9, "missing_texts": 3, "troubles": 0, "notes": [], "fingerprint": "f"},
            "classes": {name: {split: count // 5 for split, count in thousand.items()} for name in CLASSES},
            "missing": {"image": dict.fromkeys(thousand, 3), "text": dict.fromkeys(thousand, 1)},
            "leaks": {"picture": 0, "text": 4, "picture and text": 0},
            "quarantine": {"the file is empty; the image is treated as missing": 2},
        },
        "trials": {name: (0.5 + 0.04 * n - 0.3 / np.arange(1, 21)).tolist() for n, name in enumerate(names)},
    }
    write_json(folder / "study.json", record)
    study = Study(folder, record)
    labels = draw.integers(0, 5, rows)
    split = ["validation"] * rows + ["test"] * rows
    for trial in study.trials():
        level = 0.55 + 0.035 * names.index(trial.design.name) + draw.normal(0, 0.01)
        score = (draw.random(2 * rows) < level).astype(float)
        columns = {
            **{"row": np.arange(2 * rows), "id": [f"r{n}" for n in range(2 * rows)], "group": np.arange(2 * rows) // 2},
            **{"split": split, "label": [[n] for n in np.tile(labels, 2).tolist()], "score": score},
            **{"probs": list(draw.dirichlet(np.ones(5), 2 * rows).astype(np.float32)), "target": [None] * (2 * rows)},
        }
        write_table(trial.folder / "predictions.parquet", pa.table(columns, schema=PREDICTIONS))
        history = make_history(draw, level, epochs, names.index(trial.design.name))
        write_table(trial.folder / "history.parquet", pa.Table.from_pylist(history, schema=HISTORY))
        costs = {"flops": 1e7 * 2 ** names.index(trial.design.name), "latency_ms": 1.5, "memory_mb": 210.0}
        spent = {"parameters": 50_000 * (2 + names.index(trial.design.name)), "train_seconds": 12.0 + level, **costs}
        write_json(trial.folder / "run.json", {**spent, "metrics": {"test": {"accuracy": level, "macro F1": level}}})
    constant = pa.table({"row": np.arange(2 * rows), "split": split, "score": (np.tile(labels, 2) == 0).astype(float)})
    write_table(folder / "majority.parquet", constant)
    write_table(folder / "examples.parquet", pa.Table.from_pylist(make_examples(draw, names[-1]), schema=EXAMPLES))
    return study


def make_history(draw: np.random.Generator, level: float, epochs: int, number: int) -> list[dict]:
    depth = [f"fusion.layers.{n}" for n in range(number % 4)]
    parts = ["image_adapter", "text_adapter", "fusion", *(depth if len(depth) > 1 else []), "head"]
    ill = number == 4
    finding = {
        "word": "vanishing",
        "where": "image_adapter",
        "evidence": "gradient norm 1.0e-06 at image_adapter, 1.0e-01 at head",
    }
    rows = []
    for epoch in range(1, epochs + 1):
        norms = np.exp(draw.normal(-1 - 0.08 * epoch, 0.3, len(parts)))
        norms[0] *= 1e-5 if ill else 1
        rows.append(
            {
                **{"epoch": epoch, "step": 100 * epoch, "train_loss": 1 / epoch, "validation_loss": 1 / epoch},
                "validation_score": level - 0.3 / epoch + draw.normal(0, 0.01),
                **{
                    "block": parts[:3],
                    "gradient_norm": norms[:3].tolist(),
                    "image_use": 0.4,
                    "text_use": 0.2 + 0.05 * number,
                },
                "health": "vanishing" if ill else "healthy",
                "findings": [{**finding, "fix": "--norm standard, fewer layers"}] if ill else [],
                "parts": [
                    {"part": part, "gradient_norm": norm, "update_ratio": 1e-3, "zeros": 0.0}
                    for part, norm in zip(parts, norms.tolist(), strict=True)
                ],
            }
        )
    return rows


def make_examples(draw: np.random.Generator, design: str) -> list[dict]:
    rows = []
    for number in range(24):
        buffer = io.BytesIO()
        noise = draw.integers(0, 255, (13, 16, 3)).astype(np.uint8)
        Image.fromarray(noise).resize((208, 169)).save(buffer, "JPEG", quality=78)
        kind = ("needs both", "wrong with both", "missing image", "missing text")[
            number // 8 if number < 16 else 2 + number % 2
        ]
        rows.append(
            {
                **{
                    "kind": kind,
                    "row": number,
                    "id": f"r{number}",
                    "text": None if kind == "missing text" else "a red cup",
                },
                **{
                    "label": "cup",
                    "design": design,
                    "answer": "pot" if kind == "wrong with both" else "cup",
                    "score": 0.9,
                },
                **{"image_answer": "plate", "text_answer": "pan"},
                "picture": None if kind == "missing image" else buffer.getvalue(),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, value in {"designs": 10, "seeds": 5, "rows": 10_000, "epochs": 20}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.out or Path(temporary)
        study = make_study(folder, given.designs, given.seeds, given.rows, given.epochs)
        start = time.perf_counter()
        page = study.report()
        seconds = time.perf_counter() - start
        print(
            f"{given.designs} designs × {given.seeds} seeds, {given.rows:,} test rows, {given.epochs} epochs: "
            f"{seconds:.1f} s, {page.stat().st_size / 1e6:.2f} MB"
        )
        print(f"opened in Chromium: {opening_seconds(page):.2f} s")


def opening_seconds(page: Path) -> float:
    """Open the page in a fresh browser until its load event has ended; nan where there is no browser."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return float("nan")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        window = browser.new_page()
        window.goto(page.resolve().as_uri(), wait_until="load")
        seconds = window.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd / 1000")
        browser.close()
    return float(seconds)


if __name__ == "__main__":
    main()
