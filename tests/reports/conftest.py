"""A study made up by hand, with names that would like to be markup, and a browser to look at its page."""

import dataclasses
import io

import pytest
from PIL import Image

from interfuse.core.records import Contrast, LeaderboardRow, StudySummary
from tests.browser import launched

NASTY = "<script>alert('x')</script>|*b*"


def row(design, mean, delta=None, verdict="no evidence", **given) -> LeaderboardRow:
    values = {
        "design": design,
        "fusion": design.split(":")[0],
        "baseline": verdict == "baseline",
        "metric": "accuracy",
        "mean": mean,
        "ci_low": mean - 0.01,
        "ci_high": mean + 0.012,
        "seeds": 3,
        "parameters": 1_234_567,
        "train_seconds": 12.34,
        "delta": delta,
        "delta_ci_low": None if delta is None else delta - 0.02,
        "delta_ci_high": None if delta is None else delta + 0.02,
        "p_holm": None if delta is None else 0.0372,
        "verdict": verdict,
    }
    return LeaderboardRow(**{**values, **given})


def history(epochs: int = 4, level: float = 0.5) -> list[dict]:
    return [
        {
            "epoch": epoch,
            "validation_score": level + 0.1 * epoch,
            "block": ["image_adapter", "text_adapter", "fusion", "head"],
            "gradient_norm": [0.1, 0.0, 0.3 * epoch, 1.0],
        }
        for epoch in range(1, epochs + 1)
    ]


def health_history(epochs: int = 4, level: float = 0.5, word: str = "healthy") -> list[dict]:
    """As training writes it since health is watched."""
    parts = {"image_adapter": 0.01, "fusion": 0.3, "fusion.layers.0": 0.2, "fusion.layers.1": 0.0, "head": 1.0}
    finding = {"word": word, "where": "image_adapter", "evidence": f"it fell {NASTY}", "fix": "norm=standard"}
    return [
        {
            **past,
            "health": word,
            "findings": [] if word == "healthy" else [finding],
            "parts": [
                {"part": p, "gradient_norm": n * past["epoch"], "update_ratio": 1e-3, "zeros": 0.0}
                for p, n in parts.items()
            ],
            "attention": [
                {"name": "fusion.layers.0.attention", "entropy": 0.8, "keys": 9, "heads": 4, "dead_heads": 1},
                {"name": "fusion.pooled", "entropy": None, "keys": 1, "heads": 4, "dead_heads": None},
            ],
            "gates": [{"name": "fusion.gate", "saturation": 0.031}],
            "ogm_ratio": 1.25,
            "image_use": 0.1 * past["epoch"],
            "text_use": 0.6,
        }
        for past in history(epochs, level)
    ]


def small_jpeg(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def example(kind: str, row: int, **given) -> dict:
    plain = {"kind": kind, "row": row, "id": f"r{row}", "text": f"a cup {NASTY}", "label": "cup", "design": NASTY}
    answers = {"answer": "cup", "image_answer": "plate", "text_answer": "plate", "score": 0.9, "picture": small_jpeg()}
    return {**plain, **answers, **given}


@pytest.fixture(scope="module")
def browser():
    """Chromium; the test is skipped, with the reason, where it or playwright is absent."""
    with launched() as found:
        yield found


@pytest.fixture
def summary() -> StudySummary:
    rows = [
        row("majority", 0.373, -0.42, "floor", parameters=0, train_seconds=0.0),
        row("concat:hidden=512", 0.801, verdict="baseline"),
        row(NASTY, 0.912, 0.111, "wins", parameters=2_000_000),
        row("text_only", 0.67, -0.131, "floor", parameters=60_000, train_seconds=0.4),
    ]
    study = {
        "created": "2026-01-02T03:04:05+0000",
        "command": f"interfuse compare rows.csv --fusions '{NASTY}'",
        "versions": {"interfuse": "0.1.0", "torch": "2.13.0"},
        "seeds": [0, 1, 2],
        "baseline": "concat:hidden=512",
        "margin": 0.01,
        "metric": "accuracy",
        "data": {
            "source": NASTY,
            "fingerprint": "feed",
            "task": "multiclass",
            "label_names": ["cat", NASTY],
            "rows": {"train": 6000, "validation": 1000, "test": 2000},
            "groups": 900,
            "missing_images": 3,
            "missing_texts": 0,
            "troubles": [{"row": 1}, {"row": 2}],
            "notes": [f"Said aloud {NASTY}"],
        },
        "designs": [
            {"name": NASTY, "fusion": "gmu", "role": "contender", "dim": 64, "epochs": 4, "settings": {"hidden": 8}},
            {"name": "text_only", "fusion": "text_only", "role": "floor", "dim": 64, "epochs": 5, "settings": {}},
        ],
        "machine": {"cpu": "a cpu", "cores": 2, "threads": 1},
        "seconds": {"encode": 10.0, "total": 400.0},
    }
    histories = {NASTY: {0: history(4), 1: history(3, 0.4)}, "text_only": {0: history(4, 0.2)}}
    return StudySummary(
        study, rows, f"Fusion beats text only ({NASTY} by 24.2 points).", [f"Detail {NASTY}"], histories
    )


@pytest.fixture
def empty() -> StudySummary:
    return StudySummary({}, [], "No verdict on fusion.")


@pytest.fixture
def full(summary) -> StudySummary:
    """All that a page can show."""
    histories = {
        NASTY: {0: health_history(4), 1: health_history(4, 0.4, "vanishing")},
        "concat:hidden=512": {0: health_history(4, 0.3), 1: health_history(4, 0.35)},
        "text_only": {0: history(4, 0.2)},
    }
    pairs = [
        Contrast(NASTY, "concat:hidden=512", 0.111, 0.09, 0.13, 0.0372),
        Contrast(NASTY, "text_only", 0.242, 0.2, 0.28, 0.0001),
        Contrast("concat:hidden=512", "text_only", 0.131, None, None, 0.4),
    ]
    examples = [
        *(example("needs both", n) for n in range(3)),
        example("wrong with both", 7, answer="plate"),
        example("missing image", 8, picture=None),
        example("missing text", 9, text=None),
    ]
    pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
    drawn = {"pictures": {"picture": pixel, "occlusion": pixel}, "words": {"occlusion": [["a", 0.5], [NASTY, 1.0]]}}
    diagnosis = {
        **{
            "run": f"{NASTY}, seed 0",
            "design": NASTY,
            "seed": 0,
            "split": "test",
            "verdict": "Multimodal: it needs both.",
        },
        "measures": [{"title": "Which modality does it look at?", "verdict": f"Both {NASTY}."}],
        "illustrations": {"1": drawn},
    }
    data = {
        **summary.study["data"],
        "missing": {
            "image": {"train": 2, "validation": 1, "test": 0},
            "text": {"train": 0, "validation": 0, "test": 0},
        },
        "classes": {
            "cat": {"train": 4000, "validation": 700, "test": 1500},
            NASTY: {"train": 2000, "validation": 300, "test": 500},
        },
        "leaks": {"picture": 0, "text": 12, "picture and text": 0},
        "quarantine": {f"the file is empty {NASTY}; the image is treated as missing": 2},
    }
    study = {**summary.study, "data": data, "trials": {NASTY: [0.45, 0.6, 0.65], "text_only": [0.4, 0.41, 0.42]}}
    costs = {NASTY: {"flops": 5e9, "latency_ms": 4.2}, "text_only": {"flops": 2e8, "latency_ms": 0.7}}
    return dataclasses.replace(
        summary, study=study, histories=histories, pairs=pairs, examples=examples, diagnoses=[diagnosis], costs=costs
    )
