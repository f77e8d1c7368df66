"""Picture files: told apart by content, opened safely. A bad file is a reason in words, never a crash."""

import hashlib
import os
import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from interfuse.core.errors import DataError, OutOfFilesError
from interfuse.core.outside import open_regular_file, refuse_out_of_files
from interfuse.data.pictures.remote import (
    NOT_FETCHED,
    SCHEMES,
    RemoteCache,
    as_written,
    is_remote,
    scheme_of,
    to_name,
    to_path,
)

MAX_PIXELS = 64_000_000
"""Largest picture that is opened, in pixels; a larger one counts as missing."""
DRAFT_PIXELS = 16_000_000
"""A JPEG of more pixels is decoded at 1/2, 1/4 or 1/8 of its size where the encoder needs far less."""
MAX_FILE_BYTES = 1 << 30
"""Largest picture file that is read: 64 million pixels of four times 32 bits."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Kinds of picture that are decoded, whatever the file is called; no other decoder is asked: some run programs."""
_AT_ONCE = 1 << 20
"""Pixels of a picture of wide values that are scaled at once."""
_FIX = "allow_outside=True reads it all the same"

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # our own limit is lower


class PictureError(DataError):
    """A file is not a picture that can be used; the message is the reason."""


@dataclass(frozen=True)
class PictureIdentity:
    """Which picture a file holds, or why it holds none."""

    key: str | None
    """Hash of the file's bytes, 32 hex digits."""
    reason: str | None
    file: str | None = None
    """Where a remote picture was put."""


@dataclass(frozen=True)
class PictureHeader:
    """What a picture file says of itself."""

    width: int
    height: int
    size: int
    """Bytes of the file."""
    format: str


def identify(path: str | Path, cache: RemoteCache | None = None) -> PictureIdentity:
    """Hash a file and read its header; nothing is decoded.

    Args:
        path: the file, or a URL.
        cache: fetches what a URL names, and keeps it; none: nothing is fetched.

    Raises:
        OutOfFilesError: this process may open no more files.
    """
    path = to_path(path)
    try:
        if is_remote(path):
            if cache is None:
                return PictureIdentity(None, NOT_FETCHED)
            file = cache.get(str(path))
            identity = identify(file)
            return PictureIdentity(identity.key, identity.reason, file)
        with open_regular_file(path, MAX_FILE_BYTES) as content, _open(content):
            content.seek(0)
            digest = hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=16))
            return PictureIdentity(digest.hexdigest(), None)
    except (OSError, ValueError) as error:
        return PictureIdentity(None, _reason(error))


def identify_all(paths: Iterable[str], cache: RemoteCache | None = None) -> Mapping[str, PictureIdentity]:
    """Identify each distinct file once, several at a time; `cache` keeps the remote ones."""
    distinct = sorted(set(paths))
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(distinct, pool.map(lambda path: identify(path, cache), distinct), strict=True))


def open_picture(
    path: str | Path | BufferedReader | BytesIO, at_least: int | None = None, above: int = 0
) -> Image.Image:
    """Decode a picture to 8-bit RGB: upright by EXIF, alpha on white, 16 bits scaled, the first frame.

    Args:
        path: the file, open or by its name.
        at_least: pixels that the shorter side must keep; a large JPEG is then decoded at 1/2, 1/4 or 1/8 of its size,
            which is faster but gives other pixels than resizing the whole picture.
        above: pixels that a picture must have more of to be decoded so.

    Raises:
        PictureError: the file cannot be decoded; the message says why.
        OutOfFilesError: this process may open no more files.
    """
    if isinstance(path, str | Path):
        try:
            with open_regular_file(to_path(path), MAX_FILE_BYTES) as file:
                return open_picture(file, at_least, above)
        except (OSError, ValueError) as error:
            raise PictureError(_reason(error)) from error
    try:
        with _open(path) as image:
            if at_least is not None and image.width * image.height > above:
                image.draft(None, (at_least, at_least))  # only JPEG heeds it
            image.load()
            return _to_rgb(_upright(image))
    except Exception as error:  # decoders raise anything on a broken file
        raise PictureError(_reason(error)) from error


def read_header(path: str | Path) -> PictureHeader:
    """Return size and kind of a picture file; nothing is decoded.

    Raises:
        PictureError: it is no picture that is read; the message says why.
        OutOfFilesError: this process may open no more files.
    """
    try:
        with open_regular_file(to_path(path), MAX_FILE_BYTES) as file, _open(file) as image:
            return PictureHeader(*image.size, os.fstat(file.fileno()).st_size, image.format or "?")
    except (OSError, ValueError) as error:
        raise PictureError(_reason(error)) from error


def _open(file: BufferedReader | BytesIO) -> Image.Image:
    """Open a file's header and refuse an absurd size."""
    try:
        image = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise PictureError(f"the file is not a picture in a known format ({', '.join(FORMATS)})") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"the picture is larger than the limit of {MAX_PIXELS:,} pixels") from error
    except OSError:
        raise
    except Exception as error:  # decoders raise anything on a broken header
        raise PictureError(_reason(error)) from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise PictureError(
            f"the picture has {width:,} × {height:,} pixels, more than the limit of {MAX_PIXELS:,} pixels"
        )
    return image


def _upright(image: Image.Image) -> Image.Image:
    """Return the picture turned as its EXIF says; EXIF that cannot be read turns nothing: the pixels are sound."""
    try:
        ImageOps.exif_transpose(image, in_place=True)
        return image
    except Exception:  # whatever the tags hold
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = Image.fromarray(_scale(np.asarray(image), image.mode))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")


def _scale(values: np.ndarray, mode: str) -> np.ndarray:
    """Return wide values as bytes, some rows at a time: as floats they take eight times the picture's place."""
    step = max(1, _AT_ONCE // max(1, values.shape[1]))
    parts = [values[start : start + step] for start in range(0, len(values), step)]
    factor = 255.0 / _white(mode, max((_finite(part).max(initial=0.0) for part in parts), default=0.0))
    levels = [np.clip(_finite(part) * factor, 0, 255).round().astype(np.uint8) for part in parts]
    return np.concatenate(levels) if levels else values.astype(np.uint8)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values.astype(np.float64))


def _white(mode: str, top: float) -> float:
    """Return which value is white: 16 bits are told by the mode; wider modes do not say, their largest value does."""
    if mode == "F" and top <= 1:
        return 1.0
    return 255.0 if mode in ("I", "F") and top <= 255 else 65535.0


def _reason(error: BaseException) -> str:
    """Return why a file is no picture that can be used.

    Raises:
        OutOfFilesError: it is not the file's fault.
    """
    if isinstance(error, OutOfFilesError):
        raise error
    refuse_out_of_files(error)
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "the file does not exist"
    if isinstance(error, PermissionError):
        return "the file may not be read"
    if isinstance(error, IsADirectoryError):
        return "it is a folder, not a file"
    return f"the picture cannot be decoded: {str(error).strip() or type(error).__name__}"


def resolve(
    folder: Path, name: str, bounded: bool, allow_outside: bool = False, fetches: bool = False
) -> tuple[str, str | None]:
    """Return a picture's absolute path; the second value says why it may not be used.

    Args:
        folder: what relative names are relative to.
        name: as the table has it.
        bounded: whether the folder was declared, so that an absolute name must lie in it too.
        allow_outside: read what lies outside the folder all the same.
        fetches: whether the user asked for URLs to be fetched.

    Returns:
        The path, as a `file://` URL where its bytes are not UTF-8; a remote URL as it is.
    """
    scheme = scheme_of(name)
    if scheme is not None and scheme != "file":
        if scheme not in SCHEMES:
            return name, f"URLs of the kind {scheme}:// are not read; known: {', '.join(SCHEMES)}"
        return name, None if fetches else NOT_FETCHED
    path, reason = _resolve_path(folder, as_written(folder, str(to_path(name))), bounded, allow_outside)
    return to_name(path), reason


def _resolve_path(folder: Path, name: str, bounded: bool, allow_outside: bool) -> tuple[str, str | None]:
    path = os.path.abspath(folder / name)
    if allow_outside or (os.path.isabs(name) and not bounded):
        return path, None
    if not _inside(path, os.path.abspath(folder)):
        return path, f"the path leads outside the image folder ({name!r}); {_FIX}"
    try:
        real = os.path.realpath(path)
    except (OSError, ValueError) as error:
        return path, f"the path cannot be followed ({error})"
    if not _inside(real, os.path.realpath(folder)):
        return path, f"the path leads outside the image folder through a symbolic link; {_FIX}"
    return path, None


def leads_outside(folder: Path, path: str) -> bool:
    """Whether a picture that `resolve` gave lies outside the folder, by its name; a URL does not."""
    return not is_remote(path) and not _inside(str(to_path(path)), os.path.abspath(folder))


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
