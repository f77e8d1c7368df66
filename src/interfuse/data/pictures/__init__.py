"""Picture files: told apart by content, opened safely, found by the names that rows give them."""

from interfuse.data.pictures.files import (
    DRAFT_PIXELS,
    MAX_PIXELS,
    PictureError,
    PictureIdentity,
    identify,
    open_picture,
    open_regular,
)
from interfuse.data.pictures.near_copies import find_near
from interfuse.data.pictures.remote import RemoteCache, to_name, to_path
from interfuse.data.pictures.row_pictures import NamedPictures, as_series, identify_names
from interfuse.data.pictures.thumbnails import read_thumbnails
from interfuse.data.pictures.unpack import Unpacked

__all__ = [
    "DRAFT_PIXELS",
    "MAX_PIXELS",
    "NamedPictures",
    "PictureError",
    "PictureIdentity",
    "RemoteCache",
    "Unpacked",
    "as_series",
    "find_near",
    "identify",
    "identify_names",
    "open_picture",
    "open_regular",
    "read_thumbnails",
    "to_name",
    "to_path",
]
