"""Records in, pages and tables out; a report never sees a model."""

from interfuse.reports.formats import to_csv, to_json, to_markdown
from interfuse.reports.html import to_html
from interfuse.reports.terminal import print_summary

__all__ = ["print_summary", "to_csv", "to_html", "to_json", "to_markdown"]
