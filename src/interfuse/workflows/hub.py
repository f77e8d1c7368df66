"""The Hub's habits: a run as safetensors, config.json and a model card, pushed to and pulled from the hub."""

import shutil
from pathlib import Path
from typing import Any

from interfuse.core.errors import DataError, HubError
from interfuse.core.files import read_json, write_atomically, write_json
from interfuse.core.settings import to_plain
from interfuse.training import Run, load_run
from interfuse.training.run import PROJECTION, TUNED

CARD, ESTIMATOR = "README.md", "estimator.json"
SHARED = ("config.json", "run.json", "model.safetensors", PROJECTION, *TUNED.values(), ESTIMATOR, CARD)
"""What is pushed and pulled: no predictions, since these name rows of the training data."""


def save_pretrained(run_folder: Path, folder: Path) -> None:
    """Write what is shared of a run: weights, `config.json`, `run.json` and a model card that is generated from it.

    Predictions and history stay at home: predictions name rows of the data.

    Raises:
        DataError: the folder is not empty, or `run_folder` holds no run.
    """
    run, out = load_run(Path(run_folder)), Path(folder)
    if out.is_dir() and any(out.iterdir()):
        raise DataError(f"{out} is not empty. Give a new folder.")
    out.mkdir(parents=True, exist_ok=True)
    for name in ("run.json", "model.safetensors"):
        shutil.copyfile(run.folder / name, out / name)
    if run.projections:
        shutil.copyfile(run.folder / PROJECTION, out / PROJECTION)
    for path in run.tuned.values():
        shutil.copyfile(path, out / path.name)
    if (run.folder / ESTIMATOR).is_file():
        record = read_json(run.folder / ESTIMATOR)
        record["params"] |= {"store": None, "image_folder": None}  # folders of this machine
        write_json(out / ESTIMATOR, record)
    plain = to_plain(run.design)
    write_json(out / "config.json", {"library_name": "interfuse", "model_type": run.design.fusion, "design": plain})
    write_atomically(out / CARD, lambda path: path.write_text(model_card(run), encoding="utf-8"))


def push_to_hub(
    run_folder: Path, repo_id: str, private: bool = True, token: str | None = None, message: str = "Upload a run"
) -> str:
    """Upload what is shared of a run to the Hugging Face hub; give the address of the commit.

    Args:
        run_folder: of the run.
        repo_id: owner/name; made where it is not there.
        private: whether a repository that is made now is private.
        token: of the hub; none: the one that is logged in.
        message: of the commit.

    Raises:
        DataError: `run_folder` holds no run.
        HubError: the hub did not take it.
    """
    from tempfile import TemporaryDirectory

    from huggingface_hub import HfApi

    with TemporaryDirectory(prefix="interfuse-push-") as home:
        save_pretrained(run_folder, Path(home) / "run")
        try:
            api = HfApi(token=token)
            api.create_repo(repo_id, private=private, exist_ok=True)
            done = api.upload_folder(repo_id=repo_id, folder_path=Path(home) / "run", commit_message=message)
        except Exception as error:  # no network, no such owner, no access: any of several errors
            raise HubError(f"The hub did not take {repo_id} ({type(error).__name__}: {error}).") from error
    return str(getattr(done, "commit_url", done))


def from_pretrained(name: str, **options: Any) -> Path:
    """Find a run: a local folder as it is, else a repository of the hub, of which only the known files are fetched.

    Args:
        name: folder, or owner/name.
        options: of `huggingface_hub.snapshot_download`: revision, cache_dir, token, local_files_only, …

    Raises:
        HubError: it is no folder and the hub does not give it.
    """
    if Path(name).is_dir():
        return Path(name)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise HubError(f"There is no folder {name}.")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(SHARED), **options))
    except Exception as error:  # no network, no such repository, no access: any of several errors
        raise HubError(
            f"{name!r} is no local folder and the hub did not give it ({type(error).__name__}: {error})."
        ) from error


def model_card(run: Run) -> str:
    """Write the model card of a run from its record."""
    info, design = run.info, run.design
    encoders = info["encoder_settings"]
    columns = info["columns"]
    scored = [(split, *pair) for split, each in info.get("metrics", {}).items() for pair in each.items()]
    metrics = "\n".join(f"| {split} | {metric} | {value:.4f} |" for split, metric, value in scored)
    names = ", ".join(f"`{name}`" for name in run.label_names[:20]) + (", …" if len(run.label_names) > 20 else "")
    never = [name for name, seen in info["trained_on_missing"].items() if not seen]
    tuned = f"fine-tuned: {' and '.join(run.tuned)}, whose weights are here" if run.tuned else "both frozen, not here"
    gaps = f"Rows without {' or without '.join(never)} were never trained on." if never else "Either may be missing."
    estimator = "FusionRegressor" if run.task == "regression" else "FusionClassifier"
    return f"""---
library_name: interfuse
tags:
- image-text
- multimodal
- {design.fusion}
---

# {design.name}

An image-text fusion network ({run.task}) made with interfuse: tokens of `{encoders["image_encoder"]}` and of
`{encoders["text_encoder"]}` ({tuned}), fused by `{design.fusion}`.

- Answers: {names}.
- Inputs: a picture (column `{columns["image"]}`) and a text (column `{columns["text"]}`). {gaps}
- Trained on {info["train_rows"]} rows, seed {info["seed"]}, {design.epochs} epochs; the best by validation was kept.

| split | metric | value |
|---|---|--:|
{metrics}

```python
from interfuse import {estimator}

model = {estimator}.from_pretrained("OWNER/NAME")  # or a local folder
model.predict(frame)
```

The scores are of rows set aside from the same data. What other data, languages or groups of people would give was not
measured.
"""
