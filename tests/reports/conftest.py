"""A study made up by hand, with names that would like to be markup."""

import pytest

from interfuse.core.records import LeaderboardRow, StudySummary

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
