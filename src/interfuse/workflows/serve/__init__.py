"""Serve a run: answer single questions, and show them on a page."""

from interfuse.workflows.serve.page import build_page, launch, validation_examples
from interfuse.workflows.serve.responder import Limits, Responder

__all__ = [
    "Limits",
    "Responder",
    "build_page",
    "launch",
    "validation_examples",
]
