"""Picture files: told apart by content, opened safely. A bad file is a reason in words, never a crash."""

import hashlib
import os
import stat
import warnings
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from interfuse.core.errors import DataError
from interfuse.data.pictures.remote import (
    SCHEMES,
    RemoteCache,
    as_written,
    fetch,
    is_remote,
    scheme_of,
    to_name,
    to_path,
)

MAX_PIXELS = 64_000_000
"""Largest picture that is opened, in pixels; a larger one counts as missing."""
DRAFT_PIXELS = 16_000_000
"""A JPEG of more pixels is decoded at 1/2, 1/4 or 1/8 of its size where the encoder needs far less."""
_CHUNK_BYTES = 1 << 20
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))
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


def identify(path: str | Path, cache: RemoteCache | None = None) -> PictureIdentity:
    """Hash a file and read its header; nothing is decoded.

    Args:
        path: the file, or a URL.
        cache: keeps what a URL gives, so that it is not fetched again; none: it is only looked at.
    """
    path = to_path(path)
    try:
        if is_remote(path):
            return _identify_remote(str(path), cache)
        if os.path.getsize(path) == 0:
            return PictureIdentity(None, "the file is empty")
        digest = hashlib.blake2b(digest_size=16)
        with open(path, "rb") as handle:
            while chunk := handle.read(_CHUNK_BYTES):
                digest.update(chunk)
        with _open(path):
            return PictureIdentity(digest.hexdigest(), None)
    except (OSError, ValueError) as error:
        return PictureIdentity(None, _reason(error))


def _identify_remote(url: str, cache: RemoteCache | None) -> PictureIdentity:
    if cache is not None:
        file = cache.get(url)
        identity = identify(file)
        return PictureIdentity(identity.key, identity.reason, file)
    content = fetch(url)
    if not content.getbuffer().nbytes:
        return PictureIdentity(None, "the file is empty")
    with _open(content):
        return PictureIdentity(hashlib.blake2b(content.getbuffer(), digest_size=16).hexdigest(), None)


def identify_all(paths: Iterable[str], cache: RemoteCache | None = None) -> Mapping[str, PictureIdentity]:
    """Identify each distinct file once, several at a time; `cache` keeps the remote ones."""
    distinct = sorted(set(paths))
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(distinct, pool.map(lambda path: identify(path, cache), distinct), strict=True))


@contextmanager
def open_regular(path: str | Path, max_bytes: int) -> Iterator[BufferedReader]:
    """Open a regular file and never wait for it: a pipe, a device and a folder are refused, and none is read.

    What is looked at is what is opened: the kind and the size are those of the open file.

    Raises:
        PictureError: it is no regular file, is empty, or has more than `max_bytes`.
        OSError: it cannot be opened.
    """
    _refuse_odd(os.stat(path), max_bytes)  # opening a device may already do something
    with os.fdopen(os.open(path, _FLAGS), "rb") as file:
        _refuse_odd(os.fstat(file.fileno()), max_bytes)  # it may be another file by now
        yield file


def _refuse_odd(status: os.stat_result, max_bytes: int) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise PictureError("it is a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise PictureError("it is a pipe or a device, not a regular file")
    if status.st_size == 0:  # so are the files of /proc, whose reading may wait
        raise PictureError("the file is empty")
    if status.st_size > max_bytes:
        raise PictureError(f"the file has {status.st_size:,} bytes, more than the limit of {max_bytes:,}")


def open_picture(
    path: str | Path | BufferedReader | BytesIO, at_least: int | None = None, above: int = 0
) -> Image.Image:
    """Decode a picture to 8-bit RGB: upright by EXIF, alpha on white, 16 bits scaled, the first frame.

    Args:
        path: the file, open or by its name, or a URL that `fsspec` reads.
        at_least: pixels that the shorter side must keep; a large JPEG is then decoded at 1/2, 1/4 or 1/8 of its size,
            which is faster but gives other pixels than resizing the whole picture.
        above: pixels that a picture must have more of to be decoded so.

    Raises:
        PictureError: the file cannot be decoded; the message says why.
    """
    try:
        with _open(_local(path)) as image:
            if at_least is not None and image.width * image.height > above:
                image.draft(None, (at_least, at_least))  # only JPEG heeds it
            image.load()
            return _to_rgb(_upright(image))
    except DataError as error:
        raise PictureError(str(error)) from error
    except Exception as error:  # decoders raise anything on a broken file
        raise PictureError(_reason(error)) from error


def _local(path: str | Path | BufferedReader | BytesIO) -> str | Path | BufferedReader | BytesIO:
    """Fetch what is remote."""
    if not isinstance(path, str | Path):
        return path
    path = to_path(path)
    return fetch(str(path)) if is_remote(path) else path


def _open(path: str | Path | BufferedReader | BytesIO) -> Image.Image:
    """Open a file's header and refuse an absurd size."""
    try:
        image = Image.open(path)
    except UnidentifiedImageError as error:
        raise PictureError("the file is not a picture in a known format") from error
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
        return ImageOps.exif_transpose(image) or image
    except Exception:  # whatever the tags hold
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.nan_to_num(np.asarray(image).astype(np.float64))
        levels = np.clip(values * (255.0 / _white(image.mode, values)), 0, 255)
        image = Image.fromarray(levels.round().astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")


def _white(mode: str, values: np.ndarray) -> float:
    """Return which value is white: 16 bits are told by the mode; wider modes do not say, their largest value does."""
    top = values.max() if values.size else 0.0
    if mode == "F" and top <= 1:
        return 1.0
    return 255.0 if mode in ("I", "F") and top <= 255 else 65535.0


def _reason(error: BaseException) -> str:
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "the file does not exist"
    if isinstance(error, PermissionError):
        return "the file may not be read"
    if isinstance(error, IsADirectoryError):
        return "it is a folder, not a file"
    return f"the picture cannot be decoded: {str(error).strip() or type(error).__name__}"


def resolve(folder: Path, name: str, bounded: bool, allow_outside: bool = False) -> tuple[str, str | None]:
    """Return a picture's absolute path; the second value says why it may not be used.

    Args:
        folder: what relative names are relative to.
        name: as the table has it.
        bounded: whether the folder was declared, so that an absolute name must lie in it too.
        allow_outside: read what lies outside the folder all the same.

    Returns:
        The path, as a `file://` URL where its bytes are not UTF-8; a remote URL as it is.
    """
    scheme = scheme_of(name)
    if scheme is not None and scheme != "file":
        if scheme not in SCHEMES:
            return name, f"URLs of the kind {scheme}:// are not read; known: {', '.join(SCHEMES)}"
        outside = bounded and not allow_outside
        return name, f"the URL leads outside the image folder; {_FIX}" if outside else None
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
    """Whether a picture that `resolve` gave lies outside the folder, by its name."""
    return is_remote(path) or not _inside(str(to_path(path)), os.path.abspath(folder))


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
