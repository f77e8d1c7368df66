"""Fresh studies of every known-answer task: how often does the comparison reach the known verdict?

    python benchmarks/known.py [--studies 20]

Four designs, 3 seeds, 2,000 train rows, another seed of the data each time.
"""

import argparse
import tempfile
from pathlib import Path

import interfuse
from interfuse.workflows import Study

DESIGNS = ["cross_attention", "product", "concat:hidden=64", "merged_attention"]
TERMS = {"dim": 32, "num_heads": 4, "batch_size": 64, "epochs": 6, "learning_rate": 3e-3, "dropout": 0.0}
BINDING = {**TERMS, "dim": 64, "epochs": 10, "learning_rate": 2e-3}


def right(task: str, study: Study) -> bool:
    """Whether the verdicts are the known ones."""
    summary = study.summary()
    rows = {row.design: row for row in summary.rows}
    wins = {name for name in DESIGNS if rows[name].verdict.endswith("wins")}
    if task == "binding":
        return {"cross_attention", "merged_attention"} <= wins and "product" not in wins
    if task == "xor":
        return wins == set(DESIGNS)
    if task == "additive":
        return not wins
    return not wins and not summary.verdict.startswith("Fusion beats")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--only", default="", help="tasks whose name holds this word")
    given = parser.parse_args()
    studies = given.studies
    for task in ("binding", "xor", "additive", "unique_text", "unique_image", "redundant"):
        if given.only not in task:
            continue
        hits = 0
        for number in range(studies):
            with tempfile.TemporaryDirectory() as folder:
                study = interfuse.compare(
                    f"known:{task}",
                    fusions=DESIGNS,
                    baseline="concat",
                    seeds=3,
                    seed=number,
                    train_rows=2_000,
                    out=Path(folder),
                    **(BINDING if task == "binding" else TERMS),
                )
                hits += right(task, study)
        print(f"{task}: {hits} of {studies} studies right", flush=True)


if __name__ == "__main__":
    main()
