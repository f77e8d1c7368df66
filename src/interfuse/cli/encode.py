"""`interfuse encode`: fill the store, so that later commands find every token."""

from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.cli.settings import RARE, Field, Fields, takes_settings
from interfuse.core.errors import check_installed
from interfuse.settings import CompareSettings, SourceSettings, check_data


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("encode")(encode)


@takes_settings
def encode(
    data: options.Data,
    read: Annotated[
        SourceSettings,
        Fields(SourceSettings, without=(*RARE, "folds", "resplit", "hard_negatives"), **options.READ),
    ],
    encoders: options.Encoders,
    quarantine: options.Quarantine = None,
    shard: options.Shard = "1/1",
    launcher: Annotated[str | None, Field(CompareSettings, "Machine")] = None,
    jobs: Annotated[int | None, Field(CompareSettings, "Machine")] = None,
) -> None:
    """Encode each distinct picture and text of DATA once; a second time encodes nothing.

    Rows in trouble are listed in a CSV file under `quarantine/` in the store, or where `--quarantine` says.

    With `--store-dim` give the options that say which rows are train rows (label, task, split, group, seed) as for the
    training that follows: the projection is fitted on them.

    Examples:

    - `interfuse encode products.csv --image photo --text title --image-folder photos`
    - `interfuse encode products.csv --image photo --text title --shard $SLURM_ARRAY_TASK_ID/8`
    - `interfuse encode products.csv --image photo --text title --launcher ray --jobs 4`
    """
    portion = options.read_portion(shard)
    workers = options.count_workers(jobs, launcher)
    if launcher is not None and portion.of > 1:
        raise typer.BadParameter("Give --shard or --launcher, not both: a launcher deals the portions itself.")
    if launcher is not None:
        check_installed("ray", "ray")
    check_data(data, read.image_folder)
    from interfuse.workflows import encode_source
    from interfuse.workflows.encode import encode_on_workers
    from interfuse.workflows.source import Source, keep_troubles, place_in_store

    source = Source(data, read, encoders)
    with options.watching() as progress:
        if launcher is None:
            stores = encode_source(source, progress, portion)
        else:
            stores = encode_on_workers(source, progress, launcher, workers)
        if stores is not None:
            keep_troubles(stores.troubles, quarantine or place_in_store(source, portion), progress)
