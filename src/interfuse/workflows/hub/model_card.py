"""The model card of a run: data, scores with intervals, use of both modalities, limits; all from its records."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interfuse.core.files import read_json
from interfuse.core.modalities import MODALITIES
from interfuse.core.records import read_table
from interfuse.core.tasks import HEADLINES, lowest_score
from interfuse.evaluation import mean_interval, vary_as_metric
from interfuse.reports import spell_scope
from interfuse.training import Run
from interfuse.workflows.study import Study

SHOWN = 20
"""Classes that are named."""


def model_card(run: Run, origin: Path | None = None) -> str:
    """Write the model card of a run from its records, and from its study and diagnosis where there are any.

    Args:
        run: the run; its folder may hold predictions and history.
        origin: folder of the same run inside a study; none: the run's own.
    """
    home = origin or run.folder
    study = find_study(home)
    parts = [
        _head(run),
        "## Data\n\n" + _data(run, study),
        "## Scores\n\n" + _scores(run, study),
        "## Use of both modalities\n\n" + _use(run, home),
        "## How to use it\n\n" + _how(run),
        "## Limits\n\n" + _limits(run, study),
    ]
    return "\n".join(parts)


def find_study(folder: Path) -> Study | None:
    """Find the study that a run's folder stands in: STUDY/runs/DESIGN/SEED, or a fold deeper."""
    for parent in list(folder.resolve().parents)[1:4]:
        if (parent / "study.json").is_file() and (parent / "runs") in folder.resolve().parents:
            return Study.open(parent)
    return None


def _head(run: Run) -> str:
    design, encoders = run.design, run.info["encoder_settings"]
    columns, plural = run.info["columns"], "s" if design.epochs > 1 else ""
    kind = f"An image-text fusion network ({run.task}) made with interfuse"
    fused = f"fused by `{design.fusion}`"
    trained = f"Seed {run.info['seed']}, {design.epochs} epoch{plural}; the best by validation was kept."
    if design.linear:
        kind = f"A linear model ({run.task}) fitted with interfuse"
        fused = f"averaged, of the modalities that `{design.fusion}` sees"
        trained = "No seed changes it. The strength of its penalty was chosen by validation."
    text = "TF-IDF of words and characters" if design.model == "tfidf" else f"`{encoders['text_encoder']}`"
    names = ", ".join(f"`{name}`" for name in run.label_names[:SHOWN])
    names += f", … ({len(run.label_names)} in all)" if len(run.label_names) > SHOWN else ""
    frozen = (
        f"fine-tuned: {' and '.join(run.finetuned)}, weights here"
        if run.finetuned
        else "both frozen, not part of this repository"
    )
    return f"""---
library_name: interfuse
tags:
- image-text
- multimodal
- {design.fusion}
---

# {design.name}

{kind}: tokens of `{encoders["image_encoder"]}` and of
{text} ({frozen}), {fused}.

- Answers: {names}.
- Inputs: a picture (column `{columns["image"]}`) and a text (column `{columns["text"]}`).
- {trained}
"""


def _data(run: Run, study: Study | None) -> str:
    info = run.info
    lines = [
        f"- Trained on {info['train_rows']:,} rows. Fingerprint of rows, splits and encoders: `{info['fingerprint']}`."
    ]
    data: Mapping[str, Any] = study.record["data"] if study else {}
    if data:
        rows = ", ".join(f"{name} {count:,}" for name, count in data["rows"].items())
        lines.append(f"- Source: {data['source']}; rows: {rows}, in {data['groups']:,} groups that no split divides.")
        lines.append(
            f"- Rows without a picture: {data['missing_images']:,}; without a text: {data['missing_texts']:,}; "
            f"in trouble while reading: {data['troubles']:,}."
        )
        classes = [f"{name} {counts.get('train', 0):,}" for name, counts in (data.get("classes") or {}).items()]
        if classes:
            lines.append(f"- Train rows a class: {', '.join(classes[:SHOWN])}{', …' if len(classes) > SHOWN else ''}.")
    return "\n".join(lines) + "\n"


def _scores(run: Run, study: Study | None) -> str:
    path = run.folder / "predictions.parquet"
    predictions = read_table(path) if path.is_file() else None
    rows = ["| split | metric | value | 95 % interval |", "|---|---|--:|--:|"]
    for split, metrics in run.info.get("metrics", {}).items():
        for metric, value in metrics.items():
            span = _interval(run, predictions, split) if metric == HEADLINES[run.task] else ""
            rows.append(f"| {split} | {metric} | {value:.4f} | {span} |")
    note = "Intervals of this card's first table are over rows (groups of rows), for this one trained model.\n"
    return "\n".join(rows) + "\n\n" + note + (_compared(run, study) if study else "")


def _interval(run: Run, predictions: pa.Table | None, split: str) -> str:
    if predictions is None:
        return ""
    rows = predictions.filter(pc.equal(predictions["split"], split))
    if len(rows) < 2:
        return ""
    scores, groups = (rows[name].to_numpy() for name in ("score", "group"))
    scores = vary_as_metric(scores[None].astype(np.float64), rows["target"].to_numpy(), run.task)
    lowest = lowest_score(run.task)
    interval = mean_interval(scores, groups, lowest=lowest).within(lowest, 1.0)
    return f"{interval.low:.4f} to {interval.high:.4f}" if np.isfinite([interval.low, interval.high]).all() else ""


def _compared(run: Run, study: Study) -> str:
    """Return the comparison that the run comes from: every design's test score over all seeds."""
    summary = study.summary()
    rows = [
        f"\nThe comparison it comes from, on test rows, {len(study.record['seeds'])} seeds ({summary.rows[0].metric}; "
        f"95 % intervals over {spell_scope(study.record)}):\n\n"
        "| design | mean | 95 % interval | verdict |\n|---|--:|--:|---|"
    ]
    for row in summary.rows:
        name = f"**{row.design}**" if row.design == run.design.name else row.design
        span = "" if row.ci_low is None or row.ci_high is None else f"{row.ci_low:.4f} to {row.ci_high:.4f}"
        rows.append(f"| {name} | {row.mean:.4f} | {span} | {row.verdict} |")
    return "\n".join(rows) + f"\n\n{summary.verdict}\n"


def _use(run: Run, home: Path) -> str:
    record = home / "diagnosis.json"
    if record.is_file():
        diagnosis = read_json(record)
        measures = [one for one in diagnosis["measures"] if one["key"] in ("permutation", "emap", "shapley", "missing")]
        lines = [f"{diagnosis['verdict']} ({diagnosis['split']} rows of {diagnosis['source']})", ""]
        return "\n".join([*lines, *(f"- {one['title']} {one['verdict']}" for one in measures)]) + "\n"
    history = run.folder / "history.parquet"
    last = read_table(history).to_pylist()[-1:] if history.is_file() else []
    use = [(name, last[0].get(f"{name}_use")) for name in MODALITIES] if last else []
    if not use or any(value is None for _, value in use):
        return "Not measured. `interfuse diagnose` measures it.\n"
    uses = ", ".join(f"{name} {value:.3f}" for name, value in use)
    return (
        f"How far another row's modality moves a prediction (0 to 1, last epoch): {uses}. Whether the score needs both "
        "was not measured; `interfuse diagnose` does.\n"
    )


def _how(run: Run) -> str:
    if run.info["encoder_settings"]["image_encoder"] == "known":
        return (
            "A known-answer task has tokens and no encoders: `interfuse.training.load_run(folder)` opens the network.\n"
        )
    estimator = "FusionRegressor" if run.task == "regression" else "FusionClassifier"
    return f"""```python
from interfuse import {estimator}

model = {estimator}.from_pretrained("OWNER/NAME")  # or a local folder
model.predict(frame)
```
"""


def _limits(run: Run, study: Study | None) -> str:
    never = [name for name, has_rows in run.info["trained_on_missing"].items() if not has_rows]
    gaps = f"Rows without {' or without '.join(never)} were never trained on." if never else "Either may be missing."
    lines = [f"- {gaps}"]
    if study is None:
        lines.append("- One training with one seed: another seed may score otherwise by more than the interval says.")
    lines.append(
        "- The scores are of rows set aside from the same data. What other data, languages or groups of people"
    )
    lines.append("  would give was not measured.")
    return "\n".join(lines) + "\n"
