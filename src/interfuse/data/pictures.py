"""Picture files: told apart by content, opened safely. A bad file is a reason in words, never a crash."""

import hashlib
import os
import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from interfuse.core.errors import DataError

MAX_PIXELS = 64_000_000
"""Largest picture that is opened, in pixels; a larger one counts as missing."""
_CHUNK_BYTES = 1 << 20

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # our own limit is lower


class PictureError(DataError):
    """A file is not a picture that can be used; the message is the reason."""


@dataclass(frozen=True)
class PictureIdentity:
    """Which picture a file holds, or why it holds none."""

    key: str | None
    """Hash of the file's bytes, 32 hex digits."""
    reason: str | None


def identify(path: str) -> PictureIdentity:
    """Hash a file and read its header; nothing is decoded."""
    try:
        if os.path.getsize(path) == 0:
            return PictureIdentity(None, "the file is empty")
        digest = hashlib.blake2b(digest_size=16)
        with open(path, "rb") as handle:
            while chunk := handle.read(_CHUNK_BYTES):
                digest.update(chunk)
        with _open(path):
            return PictureIdentity(digest.hexdigest(), None)
    except FileNotFoundError:
        return PictureIdentity(None, "the file does not exist")
    except (OSError, ValueError) as error:
        return PictureIdentity(None, _reason(error))


def identify_all(paths: Iterable[str]) -> Mapping[str, PictureIdentity]:
    """Identify each distinct file once, several at a time."""
    distinct = sorted(set(paths))
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(distinct, pool.map(identify, distinct), strict=True))


def open_picture(path: str) -> Image.Image:
    """Decode a picture to 8-bit RGB: upright by EXIF, alpha on white, 16 bits scaled, the first frame.

    Raises:
        PictureError: the file cannot be decoded; the message says why.
    """
    try:
        with _open(path) as image:
            image.load()
            upright = ImageOps.exif_transpose(image)
            return _to_rgb(upright if upright is not None else image)
    except PictureError:
        raise
    except Exception as error:  # decoders raise anything on a broken file
        raise PictureError(_reason(error)) from error


def _open(path: str) -> Image.Image:
    """Open a file's header and refuse an absurd size."""
    try:
        image = Image.open(path)
    except Image.UnidentifiedImageError as error:
        raise PictureError("the file is not a picture in a known format") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"the picture is larger than the limit of {MAX_PIXELS:,} pixels") from error
    except (OSError, FileNotFoundError):
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


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB."""
    if image.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I", "F"):
        values = np.asarray(image).astype(np.float64)
        top = 255.0 if values.size and values.max() <= 255 else 65535.0
        image = Image.fromarray(np.clip(values * (255.0 / top), 0, 255).round().astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")


def _reason(error: BaseException) -> str:
    if isinstance(error, PictureError):
        return str(error)
    if isinstance(error, PermissionError):
        return "the file may not be read"
    if isinstance(error, IsADirectoryError):
        return "it is a folder, not a file"
    return f"the picture cannot be decoded: {str(error).strip() or type(error).__name__}"


def resolve(folder: Path, name: str, given_folder: bool) -> tuple[str, str | None]:
    """Find a picture's path below its folder; the second value says why it may not be used.

    Args:
        folder: what relative names are relative to.
        name: as the table has it.
        given_folder: whether the folder was declared, so that nothing outside it may be read.
    """
    path = os.path.normpath(folder / name)
    inside = os.path.commonpath([os.path.abspath(folder), os.path.abspath(path)]) == os.path.abspath(folder)
    if not inside and (given_folder or not os.path.isabs(name)):
        return path, f"the path leads outside the image folder: {name}"
    return path, None
