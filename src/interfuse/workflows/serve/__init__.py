"""Serve a run: answer single questions, and show them on a page, to those who may ask."""

from interfuse.workflows.serve.guard import Names
from interfuse.workflows.serve.page import build_page, run_server, validation_examples
from interfuse.workflows.serve.responder import Limits, Responder
from interfuse.workflows.serve.uploads import Uploads, private_folder

__all__ = [
    "Limits",
    "Names",
    "Responder",
    "Uploads",
    "build_page",
    "private_folder",
    "run_server",
    "validation_examples",
]
