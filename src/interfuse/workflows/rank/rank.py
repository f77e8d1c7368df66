"""From the studies of several data sets to what they say together; nothing is trained."""

from collections.abc import Sequence
from pathlib import Path

from interfuse.core.errors import DataError
from interfuse.core.files import write_atomically
from interfuse.core.outside import make_folder
from interfuse.core.ranking import Ranking
from interfuse.core.tasks import LOWER_IS_BETTER
from interfuse.evaluation import (
    compare_ranks,
    pair_ranks,
    rank_designs,
    say_caution,
    say_heterogeneity,
    say_ranking,
    say_ranks,
)
from interfuse.reports import ranking_to_csv, ranking_to_html, ranking_to_json, ranking_to_markdown
from interfuse.workflows.rank.shared import read_shared
from interfuse.workflows.rank.study_group import group_studies
from interfuse.workflows.study import Study

WRITERS = {
    ".html": ranking_to_html,
    ".md": ranking_to_markdown,
    ".csv": ranking_to_csv,
    ".json": ranking_to_json,
}
"""Ending of the file to what writes it."""
SIGNS = {
    ".html": "<title>Interfuse ranking: ",
    ".md": "\n## Over data sets\n",
    ".csv": "design,role,verdict,delta_mean,",
    ".json": '\n  "data_sets": [',
}
"""Ending of the file to what stands in it, and in no other file of a study."""


def rank(
    studies: Sequence[Study | Path | str],
    *,
    baseline: str | None = None,
    metric: str | None = None,
    margin: float | None = None,
    out: Path | str | None = None,
) -> Ranking:
    """Compare the designs that several studies share, over their data sets; nothing is trained.

    Designs are the same by their name. The differences of each design from the baseline are pooled by random effects,
    data sets being random too; average ranks stand beside them.

    Args:
        studies: two or more finished studies of different data sets, or their folders.
        baseline: design that all are compared with, in every study; none: each study's own, of one mechanism.
        metric: what to compare by; none: the one that all studies declared.
        margin: smallest difference worth a verdict, fraction 0 to 1; none: the largest of the studies'.
        out: file to write too; its ending, .html, .md, .csv or .json, chooses the format. An earlier ranking there is
            overwritten, and no other file.

    Returns:
        The record: the verdict in words, every design's pooled difference and ranks, and each data set's own.

    Raises:
        ConfigError: the studies are not of one task and metric, share no two designs, or a setting cannot work.
        DataError: a folder holds no finished study, two studies are of the same rows, or there is only one; or `out` is
            there and is no ranking.
    """
    target = None if out is None else Path(out)
    if target is not None and target.suffix not in WRITERS:
        raise DataError(f"A ranking ends in {', '.join(WRITERS)}, got {target.name!r}.")
    if target is not None:
        _spare_others(target)
    group = group_studies([one if isinstance(one, Study) else Study.open(one) for one in studies], metric, baseline)
    shared = read_shared(group)
    lower = group.metric in LOWER_IS_BETTER
    smallest = max(float(study.record["margin"]) for study in group.studies) if margin is None else margin
    designs = rank_designs(shared, smallest, lower)
    test, pairs = compare_ranks(designs), pair_ranks(designs, lower)
    data_sets = group.data_sets
    ranking = Ranking(
        metric=group.metric,
        task=group.task,
        baseline=group.baseline,
        margin=smallest,
        data_sets=data_sets,
        designs=designs,
        verdict=say_ranking(designs, group.baseline, len(data_sets)),
        details=[
            *say_heterogeneity(designs),
            *say_ranks(test, designs, pairs),
            *say_caution(data_sets),
            *group.notes,
        ],
        test=test,
        pairs=pairs,
    )
    if target is not None:
        write_ranking(ranking, target)
    return ranking


def _spare_others(path: Path) -> None:
    """Refuse a file that is there and is no ranking: a study's report or record would be lost."""
    if path.exists() and not (path.is_file() and SIGNS[path.suffix] in path.read_text("utf-8", errors="replace")):
        raise DataError(f"{path} is there and is no ranking. Give another out=…, or remove it first.")


def write_ranking(ranking: Ranking, path: Path) -> None:
    """Write a ranking in the format of the file's ending."""
    make_folder(path.parent)
    text = WRITERS[path.suffix](ranking)
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
