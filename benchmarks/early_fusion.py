"""When does concatenating raw features fail to train, why, and which single change fixes it?

    python benchmarks/early_fusion.py DATA [options of `interfuse compare` that say how DATA is read] --out FOLDER

Early fusion as it was first tried: raw features, concatenated, a hidden layer, Adam with a constant start (no warmup)
and no clipping, at learning rates from usual to high; then one change at a time. A training fails where its best
validation score is below text alone's (best epoch, mean over seeds, same rows), and its record of training health says
why. A folder that is there already is gone on with.
"""

import argparse
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from interfuse.workflows import Study

ORIGINAL = {"hidden": 512, "norm": "none", "clip": 0, "warmup": 0}
CHANGES: dict[str, dict[str, str | int | float]] = {
    "as it was": {},
    "clipping": {"clip": 1},
    "warmup": {"warmup": 0.1},
    "normalised": {"norm": "standard"},
    "GLU": {"gate": "glu"},
}
RATES = (0.001, 0.01, 0.03, 0.1)


def spell(change: str, rate: float) -> str:
    settings = {**ORIGINAL, **CHANGES[change], "learning_rate": rate}
    return "\n".join([f'["{change}, {rate:g}"]', 'fusion = "concat"', *(f"{k} = {v!r}" for k, v in settings.items())])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    known, rest = parser.parse_known_args()
    known.out.mkdir(parents=True, exist_ok=True)
    designs = known.out / "designs.toml"
    designs.write_text("\n\n".join(spell(change, rate) for rate in RATES for change in CHANGES) + "\n")
    command = [str(Path(sys.executable).with_name("interfuse")), "compare", *rest, "--designs", str(designs)]
    subprocess.run([*command, "--seeds", str(known.seeds), "--out", str(known.out / "study")], check=True)
    tell(Study.open(known.out / "study"))


def tell(study: Study) -> None:
    """Print a table: the scores of the seeds, how many fail, and the words of the health record."""
    print("| change | learning rate | validation score, median (lowest to highest) | failed | training health |")
    print("|---|---|---|---|---|")
    runs: dict[str, list[tuple[float, str]]] = {}
    for trial in study.trials():
        history = pq.read_table(trial.folder / "history.parquet").to_pylist()
        best = max(row["validation_score"] for row in history)
        runs.setdefault(trial.design.name, []).append((100 * best, history[-1]["health"]))
    text = statistics.fmean(score for score, _ in runs["text_only"])
    for rate in RATES:
        for change in CHANGES:
            ends = runs[f"{change}, {rate:g}"]
            scores = [score for score, _ in ends]
            failed = sum(score < text for score in scores)
            words = ", ".join(f"{word} {n}" for word, n in Counter(word for _, word in ends).most_common())
            spread = f"{statistics.median(scores):.1f} ({min(scores):.1f} to {max(scores):.1f})"
            print(f"| {change} | {rate:g} | {spread} | {failed} of {len(ends)} | {words} |")
    print(f"\nText only, validation: {text:.1f}")


if __name__ == "__main__":
    main()
