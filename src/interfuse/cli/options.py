"""Options that several commands share: each is declared here, or is a field of the settings."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from interfuse.cli.flags import spell_flags
from interfuse.cli.settings import RARE, Fields
from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.core.processes import launched
from interfuse.core.progress import Progress
from interfuse.settings import EncoderSettings, Portion, SourceSettings

READ: dict[str, Any] = {"panel": "Rows", "panels": {"seed": "Training"}}
ENCODE: dict[str, Any] = {"panel": "Encoders", "panels": {"device": "Machine"}}
WORKERS = 2
"""Workers of a launcher where it is not said."""
ELSEWHERE = ("fusion", "name", "model", "image_encoder", "text_encoder", "image_size", "store_dtype", "store_dim")
"""Fields of a design that no option of their own sets, but `--fusions`, `--designs` or the encoders' options."""

Data = Annotated[
    str,
    typer.Argument(
        help="CSV, TSV, JSONL or Parquet file; a folder of pictures; coco:DIR; hf:DIR or hf:NAME; wds:PATTERN; "
        "or a built-in: easy-vqa, known:binding, …"
    ),
]
RunFolder = Annotated[Path, typer.Argument(help="Folder of a run: what train wrote, or STUDY/runs/DESIGN/SEED.")]
Format = Annotated[
    Literal["text", "json"], typer.Option("--format", help="How stdout gets the result: for people or for programs.")
]
Quarantine = Annotated[
    Path | None,
    typer.Option(
        "--quarantine",
        help="CSV file that lists every row in trouble with its reason (default: said while it runs).",
        rich_help_panel="Rows",
    ),
]
Shard = Annotated[
    str,
    typer.Option(
        "--shard",
        help="Every n-th batch or part of the work only, as 2/8, for batch schedulers.",
        rich_help_panel="Machine",
    ),
]
OF_A_COMPARISON = (*(name for name in RARE if name not in ("hard_negatives", "fetch")), "folds", "resplit")
"""Settings of the rows that only a comparison has, or its file."""
Reading = Annotated[SourceSettings, Fields(SourceSettings, without=OF_A_COMPARISON, **READ)]
"""How rows are read where their split may have to be made."""
ReadingAsTrained = Annotated[SourceSettings, Fields(SourceSettings, without=(*OF_A_COMPARISON, "task"), **READ)]
"""How rows are read for a run, which knows its task."""
Encoders = Annotated[EncoderSettings, Fields(EncoderSettings, without=RARE, **ENCODE)]
EncodersAsTrained = Annotated[EncoderSettings, Fields(EncoderSettings, only=("store", "device"), **ENCODE)]
"""Where tokens are kept and encoders run, for a run, which knows its encoders."""
DesignSettings = Annotated[dict[str, Any], Fields(Design, "Training", without=ELSEWHERE)]
"""Settings of a design."""


def out(what: str) -> Any:
    """Return the option `--out`, which says where the result is written.

    Args:
        what: is written.
    """
    return typer.Option("--out", help=what)


def read_portion(shard: str) -> Portion:
    """Read `2/8`.

    Raises:
        typer.BadParameter: the text is no such portion.
    """
    try:
        return Portion.parse(shard)
    except ConfigError as error:
        raise typer.BadParameter(spell_flags(str(error))) from None


def count_workers(jobs: int | None, launcher: str | None) -> int:
    """Return how many workers of a launcher share the work.

    Raises:
        typer.BadParameter: there is no launcher.
    """
    if jobs is not None and launcher is None:
        raise typer.BadParameter("--jobs counts the workers of a launcher: give --launcher ray too.")
    return jobs or WORKERS


@contextmanager
def watching() -> Iterator[Progress]:
    """Return a progress bar on stderr while a workflow runs; our own warnings are shown there too, each once."""
    from rich.console import Console

    from interfuse.cli.progress import ConsoleProgress
    from interfuse.fusion import OneKeyAttentionWarning

    console = Console(stderr=True, quiet=not launched().leads)
    with ConsoleProgress(console) as progress, warnings.catch_warnings():
        show, messages = warnings.showwarning, set[str]()

        def say(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if not issubclass(category, OneKeyAttentionWarning):
                show(message, category, *place, **more)
            elif str(message) not in messages:
                messages.add(str(message))
                progress.say(f"warning: {message}")

        warnings.showwarning = say
        yield progress
