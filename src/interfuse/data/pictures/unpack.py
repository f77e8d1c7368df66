"""Pictures that lie inside shards and datasets, unpacked once into a folder under the hash of their bytes."""

import hashlib
import os
import uuid
from pathlib import Path

from interfuse.core.errors import DataError


def default_folder() -> Path:
    """Return where pictures are unpacked to by default: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "interfuse" / "pictures"


class Unpacked:
    """A folder of pictures named by their content: the same picture is written once, whatever it was called inside."""

    def __init__(self, folder: str | Path | None) -> None:
        """Use this folder, or the default."""
        self.folder = Path(folder or default_folder()).absolute()
        self.written = 0

    def path_of(self, name: str) -> str | None:
        """Return the path of a picture by the name it was kept under; None where it is gone."""
        path = self.folder / name[:2] / name
        return str(path) if path.is_file() else None

    def keep(self, content: bytes) -> str:
        """Write the bytes unless they are there; return the path.

        Raises:
            DataError: the folder cannot be written.
        """
        name = hashlib.blake2b(content, digest_size=16).hexdigest()
        path = self.folder / name[:2] / name
        try:
            if not path.is_file() or path.stat().st_size != len(content):
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary = path.with_name(f".{name}.{uuid.uuid4().hex}.tmp")
                temporary.write_bytes(content)
                temporary.replace(path)  # not flushed one by one: a torn file has another size or is identified anew
                self.written += 1
        except OSError as error:
            raise DataError(
                f"Pictures cannot be unpacked to {self.folder}: {error.strerror or error}. Give a folder that can be "
                "written with unpack_to=…."
            ) from error
        return str(path)
