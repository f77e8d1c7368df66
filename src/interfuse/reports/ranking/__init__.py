"""A ranking over data sets as a page, as tables, and on the terminal."""

from interfuse.reports.ranking.page import ranking_to_html
from interfuse.reports.ranking.tables import ranking_to_csv, ranking_to_json, ranking_to_markdown
from interfuse.reports.ranking.terminal import print_ranking

__all__ = [
    "print_ranking",
    "ranking_to_csv",
    "ranking_to_html",
    "ranking_to_json",
    "ranking_to_markdown",
]
