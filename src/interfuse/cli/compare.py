"""`interfuse compare`: the main job."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interfuse.cli import options
from interfuse.cli.early import check_comparison
from interfuse.cli.settings import RARE, Fields, takes_settings
from interfuse.core.design import Design
from interfuse.settings import CompareSettings, EncoderSettings, SourceSettings, check_data, read_config

if TYPE_CHECKING:
    from typer import Context
else:
    Context = typer.Context.__base__  # what typer hands over; the tests check types as they run
MACHINE = dict.fromkeys(("jobs", "launcher", "threads", "precision"), "Machine")


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("compare")(compare_command)


def read_file(context: Context, path: Path | None) -> Path | None:
    """Let a file of settings stand in for what the command line does not say."""
    if path is not None:
        values, names = read_config(path), {parameter.name for parameter in context.command.params}
        context.default_map = {name: value for name, value in values.items() if name in names}
        context.meta[FILE] = {name: value for name, value in values.items() if name not in names}
    return path


FILE = "interfuse.settings"
"""Where the settings of the file that have no option wait for the command."""


@takes_settings
def compare_command(
    context: Context,
    data: options.Data,
    read: Annotated[SourceSettings, Fields(SourceSettings, without=RARE, **options.READ)],
    settings: Annotated[
        CompareSettings,
        Fields(CompareSettings, "Designs", without=RARE, panels={**MACHINE, "train_rows": "Rows"}),
    ],
    encode: options.Encoders,
    base: Annotated[dict[str, Any], Fields(Design, "Training", without=(*options.ELSEWHERE, *RARE))],
    config: Annotated[
        Path | None,
        typer.Option(
            is_eager=True,
            callback=read_file,
            help="TOML file of these settings and rarer ones, as learning_rate = 0.01; an option given beside it wins.",
        ),
    ] = None,
    out: Annotated[Path, options.out("Folder of the study.")] = Path("study"),
    format: options.Format = "text",
) -> None:
    """Compare fusion designs on your rows: which is best, is the gain real, what does it cost.

    Examples:

    - `interfuse compare products.csv --image photo --text title --label category --image-folder photos`
    - `interfuse compare easy-vqa --fusions concat,cross_attention --seeds 3 --image-size 96`
    - `interfuse compare products.csv --tune 20 --match-parameters concat:hidden=512`
    - `interfuse compare known:binding --fusions cross_attention,product --format json`
    """
    rare = context.meta[FILE] if config else {}
    settings = prefer_typed(context, settings)
    read, encode = replace(read, **pick(SourceSettings, rare)), replace(encode, **pick(EncoderSettings, rare))
    base = {**base, **pick(Design, rare)}
    settings = replace(settings, base=base, **pick(CompareSettings, rare))
    check_data(data, read.image_folder)
    check_comparison(settings, base, read.task)
    from interfuse.cli.results import show
    from interfuse.workflows import compare
    from interfuse.workflows.source import Source

    with options.watching() as progress:
        study = compare(Source(data, read, encode), out, settings, progress)
    show(study, format)


def prefer_typed(context: Context, settings: CompareSettings) -> CompareSettings:
    """Leave out the file's fusions where designs are typed, and its designs where fusions are."""
    sources = {name: context.get_parameter_source(name) for name in ("fusions", "designs")}
    typed = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if typed == ["designs"]:
        return replace(settings, fusions=None)
    return replace(settings, designs=None) if typed == ["fusions"] else settings


def pick(config: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return the values that are fields of this dataclass."""
    return {name: value for name, value in values.items() if name in config.__dataclass_fields__}
