"""Rank designs over the studies of several data sets: read side by side, pooled, ranked, and written as a page."""

from interfuse.workflows.rank.rank import rank

__all__ = ["rank"]
