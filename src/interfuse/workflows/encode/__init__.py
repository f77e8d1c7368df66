"""Encode pictures and texts into the token store, here, beside others or on a cluster."""

from interfuse.workflows.encode.decode import DECODERS, Opener
from interfuse.workflows.encode.encode import EncodeReport, encode_pictures, encode_texts
from interfuse.workflows.encode.fill_store import encode_examples, encode_source
from interfuse.workflows.encode.on_ray import encode_on_workers
from interfuse.workflows.encode.projected import FOLDER
from interfuse.workflows.encode.stream import Part, Towers
from interfuse.workflows.encode.tower import Tower, open_tower

__all__ = [
    "DECODERS",
    "FOLDER",
    "EncodeReport",
    "Opener",
    "Part",
    "Tower",
    "Towers",
    "encode_examples",
    "encode_on_workers",
    "encode_pictures",
    "encode_source",
    "encode_texts",
    "open_tower",
]
