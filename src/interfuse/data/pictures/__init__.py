"""Picture files: told apart by content, opened safely, found by the names that rows give them."""

from interfuse.data.pictures.files import (
    DRAFT_PIXELS,
    FORMATS,
    MAX_FILE_BYTES,
    MAX_PIXELS,
    PictureError,
    PictureHeader,
    PictureIdentity,
    identify,
    open_picture,
    read_header,
)
from interfuse.data.pictures.near_copies import find_near
from interfuse.data.pictures.remote import RemoteCache, to_name, to_path
from interfuse.data.pictures.row_pictures import NamedPictures, as_series, identify_names
from interfuse.data.pictures.thumbnails import read_thumbnails
from interfuse.data.pictures.unpack import Unpacked

__all__ = [
    "DRAFT_PIXELS",
    "FORMATS",
    "MAX_FILE_BYTES",
    "MAX_PIXELS",
    "NamedPictures",
    "PictureError",
    "PictureHeader",
    "PictureIdentity",
    "RemoteCache",
    "Unpacked",
    "as_series",
    "find_near",
    "identify",
    "identify_names",
    "open_picture",
    "read_header",
    "read_thumbnails",
    "to_name",
    "to_path",
]
