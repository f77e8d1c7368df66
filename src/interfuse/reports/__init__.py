"""Records in, pages and tables out; a report never sees a model."""

from interfuse.reports.diagnosis import diagnosis_to_html, diagnosis_to_json, diagnosis_to_markdown, diagnosis_to_text
from interfuse.reports.facts import spell_scope
from interfuse.reports.formats import to_csv, to_json, to_markdown
from interfuse.reports.gallery import group_pieces
from interfuse.reports.html import to_html
from interfuse.reports.inspection import inspection_to_html, inspection_to_json, print_inspection
from interfuse.reports.latex import to_latex
from interfuse.reports.maps import Maps, map_words, read_maps
from interfuse.reports.overlay import Illustration, draw_heat, picture_uri, read_words
from interfuse.reports.ranking import (
    print_ranking,
    ranking_to_csv,
    ranking_to_html,
    ranking_to_json,
    ranking_to_markdown,
)
from interfuse.reports.terminal import print_forecast, print_summary

__all__ = [
    "Illustration",
    "Maps",
    "diagnosis_to_html",
    "diagnosis_to_json",
    "diagnosis_to_markdown",
    "diagnosis_to_text",
    "draw_heat",
    "group_pieces",
    "inspection_to_html",
    "inspection_to_json",
    "map_words",
    "picture_uri",
    "print_forecast",
    "print_inspection",
    "print_ranking",
    "print_summary",
    "ranking_to_csv",
    "ranking_to_html",
    "ranking_to_json",
    "ranking_to_markdown",
    "read_maps",
    "read_words",
    "spell_scope",
    "to_csv",
    "to_html",
    "to_json",
    "to_latex",
    "to_markdown",
]
