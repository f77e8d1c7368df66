"""`interfuse train`: one design, one seed, one run."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from interfuse.cli import options
from interfuse.cli.compare import check_precision
from interfuse.cli.terms import takes_terms
from interfuse.core.design import Design, parse_designs
from interfuse.core.errors import ConfigError
from interfuse.training import FinetuneSettings, load_run
from interfuse.workflows import Compute, finetune_run, train_run

PANEL = "Fine-tuning"
Unfreeze = Annotated[
    str | None,
    typer.Option(
        help="Encoders that learn too: image, text, both, or last-N, the last N blocks of both.", rich_help_panel=PANEL
    ),
]
EncoderRate = Annotated[float, typer.Option(help="Peak learning rate of the encoders.", rich_help_panel=PANEL)]
HeadRate = Annotated[
    float, typer.Option(help="Peak learning rate of all else, which is trained already.", rich_help_panel=PANEL)
]
FinetuneEpochs = Annotated[int, typer.Option(min=1, help="Epochs with the encoders.", rich_help_panel=PANEL)]
FinetuneBatch = Annotated[
    int | None,
    typer.Option(min=1, help="Rows a batch with the encoders (default: --batch-size).", rich_help_panel=PANEL),
]
Accumulate = Annotated[
    int, typer.Option(min=1, help="Batches whose gradients are added up before a step.", rich_help_panel=PANEL)
]
Checkpointing = Annotated[
    bool,
    typer.Option(
        "--gradient-checkpointing", help="Compute activations twice instead of keeping them.", rich_help_panel=PANEL
    ),
]
StartFrom = Annotated[
    Path | None,
    typer.Option(
        help="Frozen run on these rows (default: one is trained first, in OUT-frozen).", rich_help_panel=PANEL
    ),
]


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("train")(train)


@takes_terms
def train(
    data: options.Data,
    image: options.Image = None,
    text: options.Text = None,
    label: options.Label = None,
    fusion: Annotated[str, typer.Option(help="One design, as cross_attention:num_layers=2.")] = "cross_attention",
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("run"),
    id: options.Id = None,
    group: options.Group = None,
    image_folder: options.ImageFolder = None,
    allow_outside: options.AllowOutside = False,
    join: options.Join = None,
    unpack_to: options.UnpackTo = None,
    split: options.Split = None,
    validation: options.Validation = None,
    test: options.Test = None,
    task: options.Task = None,
    hard_negatives: options.HardNegatives = False,
    strict: options.Strict = False,
    image_encoder: options.ImageEncoder = "efficientnet-lite0",
    text_encoder: options.TextEncoder = "minilm",
    image_size: options.ImageSize = None,
    store: options.StoreFolder = None,
    store_dtype: options.StoreDtype = "bfloat16",
    store_dim: options.StoreDim = None,
    seed: options.Seed = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.", rich_help_panel="Machine")] = 1,
    device: options.Device = "cpu",
    precision: options.Precision = "auto",
    unfreeze: Unfreeze = None,
    encoder_learning_rate: EncoderRate = 2e-5,
    head_learning_rate: HeadRate = 1e-4,
    finetune_epochs: FinetuneEpochs = 3,
    finetune_batch: FinetuneBatch = None,
    accumulate: Accumulate = 1,
    gradient_checkpointing: Checkpointing = False,
    start_from: StartFrom = None,
    **terms: Any,
) -> None:
    """Train one fusion network on your rows, with frozen encoders or, with --unfreeze, with encoders that learn too.

    Under `torchrun` the processes share the work, and a step has --batch-size rows of each.

    Examples:

    - `interfuse train products.csv --image photo --text title --label category --out run`
    - `interfuse train products.csv --image photo --text title --label category --unfreeze last-2 --out finetuned`
    """
    source = options.make_source(**locals())
    designs = parse_designs(fusion, {**terms, **source.encoder_settings()})
    if len(designs) != 1:
        raise typer.BadParameter(f"train takes one design, got {len(designs)}; compare takes several.")
    checked = check_precision(precision)
    given = (
        encoder_learning_rate,
        head_learning_rate,
        finetune_epochs,
        finetune_batch,
        accumulate,
        gradient_checkpointing,
    )
    if unfreeze is None and (start_from is not None or given != FinetuneSettings.defaults()):
        raise typer.BadParameter("Options of fine-tuning need --unfreeze: image, text, both or last-N.")
    with options.watching() as progress:
        if unfreeze is None:
            run = train_run(source, out, designs[0], seed, checked, threads, progress)
        else:
            if start_from is not None:
                _check_start(designs[0], start_from)
            settings, compute = FinetuneSettings(unfreeze, *given), Compute(checked, threads)
            run = finetune_run(source, out, start_from or designs[0], settings, seed, compute, progress)
    for split_name, metrics in run.info["metrics"].items():
        typer.echo(f"{split_name}: " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
    typer.echo(f"Run: {out}")


def _check_start(design: Design, start: Path) -> None:
    """Refuse terms that are neither the defaults nor those of the run to start from: its network is what learns on.

    Raises:
        ConfigError: there is such a term.
    """
    own, plain = load_run(start).design, Design("cross_attention")
    for name in (field.name for field in fields(Design) if field.name != "name"):
        asked = getattr(design, name)
        if asked not in (getattr(own, name), getattr(plain, name)):
            raise ConfigError(
                f"--start-from {start} takes the design of that run, whose {name} is {getattr(own, name)!r}, got "
                f"{asked!r}. Leave it out; --finetune-batch and --finetune-epochs are this training's own."
            )
