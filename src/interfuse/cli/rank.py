"""`interfuse rank`: the studies of several data sets put together."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.cli.flags import spell_flags
from interfuse.cli.settings import Field, takes_settings
from interfuse.core.tasks import check_metric
from interfuse.settings import CompareSettings, check_study


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("rank")(rank_command)


@takes_settings
def rank_command(
    studies: Annotated[list[Path], typer.Argument(metavar="STUDY", help="Folders of two or more studies.")],
    out: Annotated[Path, options.out("File to write: .html, .md, .csv or .json.")] = Path("ranking.html"),
    format: options.Format = "text",
    baseline: Annotated[str | None, Field(CompareSettings, fallback="each study's own")] = None,
    metric: Annotated[str | None, Field(CompareSettings, fallback="the one that all studies declared")] = None,
    margin: Annotated[float | None, Field(CompareSettings, fallback="the largest of the studies'")] = None,
) -> None:
    """Rank designs over the studies of several data sets: which is best on data sets like these. Nothing is trained.

    Examples:

    - `interfuse rank shop news memes --out ranking.html`
    - `interfuse rank shop news memes --baseline text_only --metric macro-f1`
    """
    for study in studies:
        check_study(study)
    if metric is not None:
        check_metric(metric)
    from rich.console import Console

    from interfuse.reports import print_ranking, ranking_to_json
    from interfuse.workflows import rank

    ranking = rank(studies, baseline=baseline, metric=metric, margin=margin, out=out)
    if format == "json":
        typer.echo(ranking_to_json(ranking))
    else:
        details = [spell_flags(detail) for detail in ranking.details]
        print_ranking(replace(ranking, details=details), Console())
    typer.echo(f"Ranking: {out}", err=format == "json")
