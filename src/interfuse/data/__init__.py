"""Rows of picture, text and label: read, checked, split, batched."""

from interfuse.data.batches import Batch, ahead, epoch_batches, eval_batches, make_batch, plan_epoch
from interfuse.data.examples import LEFT_OUT, MISSING_IMAGE, Examples, Trouble, write_quarantine, write_troubles
from interfuse.data.features import Features, assemble, encode_labels
from interfuse.data.folds import refold, split_rows
from interfuse.data.known_answer import make_known
from interfuse.data.leaks import LEAKS, find_leaks
from interfuse.data.load import load_examples, load_for_run, load_part
from interfuse.data.pictures import (
    DRAFT_PIXELS,
    FORMATS,
    MAX_PIXELS,
    PictureError,
    PictureHeader,
    PictureIdentity,
    identify,
    open_picture,
    read_header,
    to_path,
)
from interfuse.data.readers import COLLECTIONS, NONE
from interfuse.data.stream import Stream, open_stream
from interfuse.data.tables import neutral_cells
from interfuse.settings import SourceSettings

__all__ = [
    "COLLECTIONS",
    "DRAFT_PIXELS",
    "FORMATS",
    "LEAKS",
    "LEFT_OUT",
    "MAX_PIXELS",
    "MISSING_IMAGE",
    "NONE",
    "Batch",
    "Examples",
    "Features",
    "PictureError",
    "PictureHeader",
    "PictureIdentity",
    "SourceSettings",
    "Stream",
    "Trouble",
    "ahead",
    "assemble",
    "encode_labels",
    "epoch_batches",
    "eval_batches",
    "find_leaks",
    "identify",
    "load_examples",
    "load_for_run",
    "load_part",
    "make_batch",
    "make_known",
    "neutral_cells",
    "open_picture",
    "open_stream",
    "plan_epoch",
    "read_header",
    "refold",
    "split_rows",
    "to_path",
    "write_quarantine",
    "write_troubles",
]
