"""`interfuse train`: one design, one seed, one run."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.cli.completions import COMPLETIONS
from interfuse.cli.early import check_designs
from interfuse.cli.settings import Field, Fields, takes_settings
from interfuse.core.design import Design, parse_designs
from interfuse.core.errors import ConfigError
from interfuse.settings import FINETUNE_NAMES, CompareSettings, FinetuneSettings, Precision, check_data, check_run

FINETUNING = Fields(FinetuneSettings, "Fine-tuning", option_names=FINETUNE_NAMES)


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("train")(train)


@takes_settings
def train(
    data: options.Data,
    read: options.Reading,
    encode: options.Encoders,
    base: options.DesignSettings,
    finetune: Annotated[FinetuneSettings | None, FINETUNING],
    fusion: Annotated[
        str, typer.Option(help="One design, as cross_attention:num_layers=2.", autocompletion=COMPLETIONS["fusion"])
    ] = "cross_attention",
    out: Annotated[Path, options.out("Folder of the run.")] = Path("run"),
    threads: Annotated[int, Field(CompareSettings, "Machine")] = 1,
    precision: Annotated[Precision, Field(CompareSettings, "Machine")] = "auto",
    start_from: Annotated[
        Path | None,
        typer.Option(
            help="Frozen run on these rows (default: one is trained first, in OUT-frozen).",
            rich_help_panel="Fine-tuning",
        ),
    ] = None,
) -> None:
    """Train one fusion network on your rows, with frozen encoders or, with --unfreeze, with encoders that learn too.

    Under `torchrun` the processes share the work, and a step has --batch-size rows of each.

    Examples:

    - `interfuse train products.csv --image photo --text title --label category --out run`
    - `interfuse train products.csv --image photo --text title --label category --unfreeze last-2 --out finetuned`
    """
    designs = parse_designs(fusion, base)
    if len(designs) != 1:
        raise typer.BadParameter(f"train takes one design, got {len(designs)}; compare takes several.")
    if finetune is None and start_from is not None:
        raise typer.BadParameter("--start-from would change nothing: it needs --unfreeze.")
    check_designs(designs)
    check_data(data, read.image_folder)
    if start_from is not None:
        check_run(start_from)
    from interfuse.workflows import Compute, finetune_run, train_run
    from interfuse.workflows.source import Source

    source = Source(data, read, encode)
    (design,) = parse_designs(fusion, {**base, **source.encoder_settings()})
    with options.watching() as progress:
        if finetune is None:
            run = train_run(source, out, design, read.seed, precision, threads, progress)
        else:
            if start_from is not None:
                _check_start(design, start_from)
            compute = Compute(precision, threads)
            run = finetune_run(source, out, start_from or design, finetune, read.seed, compute, progress)
    for split_name, metrics in run.info["metrics"].items():
        typer.echo(f"{split_name}: " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
    typer.echo(f"Run: {out}")


def _check_start(design: Design, start: Path) -> None:
    """Refuse settings that are neither the defaults nor those of the run to start from: its network is what learns on.

    Raises:
        ConfigError: there is such a setting.
    """
    from interfuse.training import load_run

    own, plain = load_run(start).design, Design("cross_attention")
    for name in (field.name for field in fields(Design) if field.name != "name"):
        value = getattr(design, name)
        if value not in (getattr(own, name), getattr(plain, name)):
            raise ConfigError(
                f"--start-from {start} takes the design of that run, whose {name} is {getattr(own, name)!r}, got "
                f"{value!r}. Leave it out; --finetune-batch and --finetune-epochs are this training's own."
            )
