"""Publish a run on the Hugging Face hub with its model card, and take it back."""

from interfuse.workflows.hub.hub import find, write_shared

__all__ = [
    "find",
    "write_shared",
]
