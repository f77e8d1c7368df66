"""What adding seeds until a contrast is sure saves against as many seeds for all, on the known-answer tasks.

    python benchmarks/until_sure.py [--most 12] [--only WORD]

Four designs and two controls, from 3 seeds on, 2,000 train rows. The verdict must be the known one.
"""

import argparse
import tempfile
from pathlib import Path

import interfuse

FUSIONS = ["cross_attention", "product", "concat:hidden=64", "text_only", "image_only"]
TERMS = {"dim": 32, "num_heads": 4, "batch_size": 64, "epochs": 6, "learning_rate": 3e-3, "dropout": 0.0}
TASKS = {
    "xor": "Fusion beats",
    "additive": "Fusion beats",
    "unique_text": ("No evidence", "Fusion and"),
    "unique_image": ("No evidence", "Fusion and"),
    "redundant": ("No evidence", "Fusion and"),
    "binding": "Fusion beats",
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=12)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    print(f"| task | trainings | of {options.most} seeds for all | verdict |\n|---|---:|---:|---|", flush=True)
    for task, known in TASKS.items():
        if options.only not in task:
            continue
        with tempfile.TemporaryDirectory() as folder:
            study = interfuse.compare(
                f"known:{task}",
                fusions=FUSIONS,
                baseline="concat",
                seeds=3,
                until_sure=options.most,
                train_rows=2_000,
                out=Path(folder),
                **TERMS,
            )
            counts = {design.name: len(study.seeds_of(design.name)) for design in study.designs()}
            verdict = study.summary().verdict
        used, fixed = sum(counts.values()), options.most * len(counts)
        right = "" if verdict.startswith(known) else " (not the known one)"
        print(f"| {task} | {used} | {100 * used / fixed:.0f} % of {fixed} | {verdict}{right} |", flush=True)


if __name__ == "__main__":
    main()
