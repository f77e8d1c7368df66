"""What a hub gets of a run (safetensors, config.json, a model card), and how a run is found there."""

import shutil
from pathlib import Path
from typing import Any

from interfuse.core.errors import HubError
from interfuse.core.files import write_atomically, write_json
from interfuse.core.settings import to_plain
from interfuse.training import FINETUNED, PROJECTION, VOCABULARY, load_run
from interfuse.workflows.hub.model_card import model_card

CARD, ESTIMATOR = "README.md", "estimator.json"
SHARED = ("config.json", "run.json", "model.safetensors", PROJECTION, VOCABULARY, *FINETUNED.values(), ESTIMATOR, CARD)
"""What is pushed and pulled: no predictions, since these name rows of the training data."""


def write_shared(run_folder: Path, out: Path, origin: Path | None = None) -> None:
    """Write what is shared of a run: weights, `config.json`, `run.json` and a model card that is generated from it.

    Predictions and history stay at home: predictions name rows of the data.

    Args:
        run_folder: of the run.
        out: a folder.
        origin: the same run's folder in a study, which the card tells of; none: `run_folder`.

    Raises:
        DataError: `run_folder` holds no run.
    """
    run = load_run(Path(run_folder))
    out.mkdir(parents=True, exist_ok=True)
    for name in ("run.json", "model.safetensors"):
        shutil.copyfile(run.folder / name, out / name)
    if run.network.bag is not None:
        shutil.copyfile(run.folder / VOCABULARY, out / VOCABULARY)
    if run.projections:
        shutil.copyfile(run.folder / PROJECTION, out / PROJECTION)
    for path in run.finetuned.values():
        shutil.copyfile(path, out / path.name)
    if (run.folder / ESTIMATOR).is_file():
        shutil.copyfile(run.folder / ESTIMATOR, out / ESTIMATOR)
    plain = to_plain(run.design)
    write_json(out / "config.json", {"library_name": "interfuse", "model_type": run.design.fusion, "design": plain})
    write_atomically(out / CARD, lambda path: path.write_text(model_card(run, origin), encoding="utf-8"))


def find(name: str, **options: Any) -> Path:
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
