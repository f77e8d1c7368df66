"""Records in, pages and tables out; a report never sees a model."""

from interfuse.reports.formats import to_csv, to_json, to_markdown
from interfuse.reports.html import to_html
from interfuse.reports.inspection import inspection_to_html, inspection_to_json, print_inspection
from interfuse.reports.terminal import print_summary

__all__ = [
    "inspection_to_html",
    "inspection_to_json",
    "print_inspection",
    "print_summary",
    "to_csv",
    "to_html",
    "to_json",
    "to_markdown",
]
