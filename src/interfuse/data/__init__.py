"""Rows of picture, text and label: read, checked, split, batched."""

from interfuse.data.batches import Batch, ahead, epoch_batches, eval_batches, make_batch, plan_epoch
from interfuse.data.examples import Examples, Trouble, write_quarantine, write_troubles
from interfuse.data.features import Features, assemble, encode_labels
from interfuse.data.folds import refold
from interfuse.data.known import make_known
from interfuse.data.pictures import MAX_PIXELS, PictureError, PictureIdentity, identify, open_picture
from interfuse.data.settings import SourceSettings
from interfuse.data.source import load_examples, load_for_run, load_part
from interfuse.data.stream import Stream, open_stream

__all__ = [
    "MAX_PIXELS",
    "Batch",
    "Examples",
    "Features",
    "PictureError",
    "PictureIdentity",
    "SourceSettings",
    "Stream",
    "Trouble",
    "ahead",
    "assemble",
    "encode_labels",
    "epoch_batches",
    "eval_batches",
    "identify",
    "load_examples",
    "load_for_run",
    "load_part",
    "make_batch",
    "make_known",
    "open_picture",
    "open_stream",
    "plan_epoch",
    "refold",
    "write_quarantine",
    "write_troubles",
]
