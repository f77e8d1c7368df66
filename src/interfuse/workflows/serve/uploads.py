"""What clients of a served run may name: their own uploads and the page's examples, in a folder of this server's."""

import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from interfuse.core.errors import InterfuseError
from interfuse.core.outside import open_regular_file

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

GRADIO_FOLDER = "GRADIO_TEMP_DIR"
"""The variable that says where Gradio puts uploads and the pictures of examples."""
MAX_HELD_BYTES = 500_000_000
"""Uploads that are held at once; the oldest go first."""
STALE_SECONDS = 120.0
"""What is left of an upload after so long is nobody's."""
BUSY = "Refused: too many uploads are on their way at once. Try again in a moment."
_PREFIX = "interfuse-serve-"
_LOCK = ".lock"
"""Held as long as the server runs."""
_BUFFER = 1 << 20


class RefusedError(InterfuseError):
    """A request is not served; the message is what the client is told."""

    def __init__(self, words: str, status: int = 403) -> None:
        """Keep the HTTP status beside the words."""
        super().__init__(words)
        self.status = status


@contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder that only this user may enter, tell Gradio of it, and remove it whatever ends the process.

    A signal that would end the process removes it first; what SIGKILL leaves behind the next server removes. Enter this
    before Gradio is imported.
    """
    _remove_orphans()
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix=_PREFIX)))
    holder = (folder / _LOCK).open("wb")
    _lock(holder)
    before, handlers = os.environ.get(GRADIO_FOLDER), {}

    def leave(number: int, _: FrameType | None) -> None:
        _remove(folder)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    os.environ[GRADIO_FOLDER] = str(folder)
    try:
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            main = threading.current_thread() is threading.main_thread()  # others may set no handler
            if main and number is not None and signal.getsignal(number) is signal.SIG_DFL:
                handlers[number] = signal.signal(number, leave)
        yield folder
    finally:
        _remove(folder)
        holder.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if before is None:
            del os.environ[GRADIO_FOLDER]
        else:
            os.environ[GRADIO_FOLDER] = before


def _remove(folder: Path) -> None:
    """Remove the folder, also where an upload that is still on its way puts something into it meanwhile."""
    for _ in range(10):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


def _remove_orphans() -> None:
    """Remove the folders of servers that were killed: nobody holds their lock; those of other users stay."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or time.time() - folder.stat().st_mtime < STALE_SECONDS:
                continue  # it may be about to be locked
            with (folder / _LOCK).open("rb+") as file:
                if _lock(file):
                    shutil.rmtree(folder, ignore_errors=True)


def _lock(file: BinaryIO) -> bool:
    """Lock a file while it is open, in this process or any other; False where another holds it, or none can."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _size(file: str) -> int:
    try:
        return os.path.getsize(file)
    except OSError:
        return 0


@dataclass(frozen=True)
class Client:
    """Who asks."""

    login: str | None
    """Name that logged in; None where there is no login."""
    address: str | None
    browser: str | None
    """Our cookie; clients that are no browsers may keep none, and then an upload's name alone is the secret."""

    def owns(self, uploader: "Client") -> bool:
        """Return whether what `uploader` sent is this client's."""
        same = (self.login, self.address) == (uploader.login, uploader.address)
        return same and uploader.browser in (None, self.browser)


class Uploads:
    """Names that may be asked for, and the file that each stands for; looking one up touches no disk.

    Clients see a random name for an upload and never its path, so that a path is no name, whoever guesses it.
    """

    def __init__(self, folder: Path) -> None:
        """Start with none.

        Args:
            folder: the one of `private_folder`.
        """
        self.folder = folder
        self._uploads: dict[str, tuple[str, Client]] = {}
        self._examples: set[str] = set()
        self._files: dict[str, int] = {}
        """Each file to its bytes, the one that was named last at the end."""
        self._expected = 0

    def add(self, file: str, client: Client) -> str:
        """Record an upload under a name that cannot be guessed, and return the name.

        Raises:
            RefusedError: the file is not in this server's folder.
        """
        if os.path.normpath(file) != file or not file.startswith(f"{self.folder}{os.sep}"):
            raise RefusedError("Refused: the upload was not stored in this server's folder.", 500)
        name = secrets.token_urlsafe(24)
        self._uploads[name] = file, client
        self._files.pop(file, None)
        self._files[file] = _size(file)
        self._forget_old()
        return name

    @contextmanager
    def expecting(self, size: int) -> Iterator[None]:
        """Take an upload of so many bytes; what it leaves behind without a name is removed.

        Raises:
            RefusedError: together with others that are on their way it has more than `MAX_HELD_BYTES`.
        """
        if self._expected and self._expected + size > MAX_HELD_BYTES:
            raise RefusedError(BUSY, 503)
        self._expected += size
        try:
            yield
        finally:
            self._expected -= size
            self._sweep(0.0 if not self._expected else STALE_SECONDS)

    def _sweep(self, seconds: float) -> None:
        """Remove pieces of uploads, given up so long ago; they lie right in the folder, whole uploads deeper."""
        with os.scandir(self.folder) as entries:
            for entry in entries:
                with suppress(OSError):  # it is gone meanwhile
                    plain = entry.name != _LOCK and entry.is_file(follow_symlinks=False)
                    if plain and time.time() - entry.stat().st_mtime >= seconds:
                        os.unlink(entry.path)

    def _forget_old(self) -> None:
        """Remove the oldest uploads beyond `MAX_HELD_BYTES`, and their names; the newest stays."""
        lent = self._examples
        while sum(size for file, size in self._files.items() if file not in lent) > MAX_HELD_BYTES:
            oldest, *others = (file for file in self._files if file not in lent)
            if not others:
                return
            del self._files[oldest]
            self._uploads = {name: one for name, one in self._uploads.items() if one[0] != oldest}
            shutil.rmtree(Path(oldest).parent, ignore_errors=True)

    def lend(self, picture: str | Path, max_bytes: int) -> str:
        """Copy an example's picture into the folder for everyone; return the copy's path, which is its name too.

        Raises:
            OddFileError: it is no regular file of at most `max_bytes`.
            OSError: it cannot be read.
        """
        suffix = Path(picture).suffix.lower()
        place = self.folder / secrets.token_urlsafe(24)
        with open_regular_file(picture, max_bytes) as file:
            place.mkdir()
            copy = place / f"example{suffix if suffix[1:].isalnum() and suffix.isascii() else ''}"
            with open(copy, "xb") as out:
                shutil.copyfileobj(file, out, _BUFFER)
        self._examples.add(str(copy))
        self._files[str(copy)] = _size(str(copy))
        return str(copy)

    def find(self, name: object, client: Client) -> str | None:
        """Return the file that this client means by a name; None where the name is not its own, whatever the reason."""
        if not isinstance(name, str):
            return None
        if name in self._examples:
            return name
        file, uploader = self._uploads.get(name, (None, client))
        return file if client.owns(uploader) else None

    def holds(self, file: object) -> bool:
        """Return whether a file is an upload or an example, whoever's."""
        return isinstance(file, str) and file in self._files
