"""Options that several commands share, and how they become workflow settings."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from interfuse.cli.progress import ConsoleProgress
from interfuse.data import SourceSettings
from interfuse.fusion import OneKeyAttentionWarning
from interfuse.training import launched
from interfuse.workflows.source import EncoderSettings, Source, default_store

Data = Annotated[
    str,
    typer.Argument(
        help="CSV, TSV, JSONL or Parquet file; a folder of pictures; coco:DIR; hf:DIR or hf:NAME; wds:PATTERN; "
        "or a built-in: easy-vqa, known:binding, …"
    ),
]
Image = Annotated[str | None, typer.Option("--image", help="Column with the picture files.", rich_help_panel="Rows")]
Text = Annotated[str | None, typer.Option("--text", help="Column with the texts.", rich_help_panel="Rows")]
Label = Annotated[
    str | None, typer.Option("--label", help="Column with the labels; none: there is none.", rich_help_panel="Rows")
]
Id = Annotated[
    str | None,
    typer.Option("--id", help="Column that names a row (default: its number).", rich_help_panel="Rows"),
]
Group = Annotated[
    str | None,
    typer.Option("--group", help="Rows with the same value stay in one split.", rich_help_panel="Rows"),
]
ImageFolder = Annotated[
    Path | None,
    typer.Option(
        "--image-folder",
        help="Folder that picture files are relative to (default: DATA's folder).",
        rich_help_panel="Rows",
    ),
]
AllowOutside = Annotated[
    bool,
    typer.Option("--allow-outside", help="Read pictures outside the image folder too.", rich_help_panel="Rows"),
]
Join = Annotated[
    str | None,
    typer.Option("--join", help="FILE:KEY, more columns from another file by that column.", rich_help_panel="Rows"),
]
UnpackTo = Annotated[
    Path | None,
    typer.Option(
        "--unpack-to",
        help="Folder for the pictures inside hf: and wds: (default: the user's cache).",
        rich_help_panel="Rows",
    ),
]
Split = Annotated[
    str | None, typer.Option("--split", help="Column with train, validation or test.", rich_help_panel="Rows")
]
Validation = Annotated[
    Path | None, typer.Option("--validation", help="File with the validation rows.", rich_help_panel="Rows")
]
Test = Annotated[Path | None, typer.Option("--test", help="File with the test rows.", rich_help_panel="Rows")]
Task = Annotated[
    str | None,
    typer.Option(
        "--task",
        help="multiclass, multilabel, matching or regression (default: seen from the labels; without any, matching).",
        rich_help_panel="Rows",
    ),
]
HardNegatives = Annotated[
    bool,
    typer.Option(
        "--hard-negatives",
        help="Matching from captions: pair pictures with captions like their own.",
        rich_help_panel="Rows",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first bad row or picture.", rich_help_panel="Rows")]
Quarantine = Annotated[
    Path | None,
    typer.Option(
        "--quarantine",
        help="CSV file that lists every row in trouble with its reason (default: said while it runs).",
        rich_help_panel="Rows",
    ),
]
TrainRows = Annotated[
    int | None,
    typer.Option("--train-rows", min=1, help="Train on this many rows at most.", rich_help_panel="Rows"),
]
ImageEncoder = Annotated[
    str,
    typer.Option(
        "--image-encoder",
        help="efficientnet-lite0, efficientnet-lite0-stride16, resnet50, a hub id or a local folder.",
        rich_help_panel="Encoders",
    ),
]
TextEncoder = Annotated[
    str,
    typer.Option(
        "--text-encoder",
        help="minilm, bert-base-uncased, a hub id or a local folder.",
        rich_help_panel="Encoders",
    ),
]
ImageSize = Annotated[
    int | None,
    typer.Option(
        "--image-size", min=32, help="Pixels a side (default: the encoder's own).", rich_help_panel="Encoders"
    ),
]
StoreFolder = Annotated[
    Path | None,
    typer.Option(
        "--store",
        help="Folder of the token store (default: $INTERFUSE_STORE or the user's cache).",
        rich_help_panel="Encoders",
    ),
]
StoreDtype = Annotated[
    str,
    typer.Option(
        "--store-dtype",
        help="bfloat16; int8: half the disk, a scale a token; float32: twice the disk, and the encoders compute in "
        "float32, as a whole export does.",
        rich_help_panel="Encoders",
    ),
]
StoreDim = Annotated[
    int | None,
    typer.Option(
        "--store-dim",
        min=1,
        help="Keep so many principal components of each token, fitted on the train rows.",
        rich_help_panel="Encoders",
    ),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, mps.", rich_help_panel="Machine")]
Precision = Annotated[
    str,
    typer.Option("--precision", help="auto, float32 or bfloat16 training steps.", rich_help_panel="Machine"),
]
Seed = Annotated[int, typer.Option("--seed", help="Of the split, and of one training.", rich_help_panel="Training")]


def make_source(data: str, **given: Any) -> Source:
    """Sort the shared options into how to read and how to encode."""
    read = {name: given[name] for name in SourceSettings.__dataclass_fields__ if name in given}
    encode = {name: given[name] for name in EncoderSettings.__dataclass_fields__ if name in given}
    encode["store"] = given.get("store") or default_store()
    return Source(data, SourceSettings(**read), EncoderSettings(**encode))


@contextmanager
def watching() -> Iterator[ConsoleProgress]:
    """Draw progress on stderr while a workflow runs; our own warnings are said there too, each once."""
    console = Console(stderr=True, quiet=not launched().leads)
    with ConsoleProgress(console) as progress, warnings.catch_warnings():
        show, said = warnings.showwarning, set[str]()

        def say(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if not issubclass(category, OneKeyAttentionWarning):
                show(message, category, *place, **more)
            elif str(message) not in said:
                said.add(str(message))
                progress.say(f"warning: {message}")

        warnings.showwarning = say
        yield progress
