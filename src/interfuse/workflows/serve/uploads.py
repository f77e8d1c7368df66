"""What clients of a served run may name: their own uploads and the page's examples, in a folder of this server's."""

import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from interfuse.core.errors import InterfuseError
from interfuse.data import open_regular

GRADIO_FOLDER = "GRADIO_TEMP_DIR"
"""The variable that says where Gradio puts uploads and the pictures of examples."""
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

    A signal that would end the process removes it first; only SIGKILL leaves it behind. Enter this before Gradio is
    imported.
    """
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="interfuse-serve-")))
    before, handlers = os.environ.get(GRADIO_FOLDER), {}

    def leave(number: int, _: FrameType | None) -> None:
        shutil.rmtree(folder, ignore_errors=True)
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
        shutil.rmtree(folder, ignore_errors=True)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if before is None:
            del os.environ[GRADIO_FOLDER]
        else:
            os.environ[GRADIO_FOLDER] = before


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
        self._files: set[str] = set()

    def add(self, file: str, client: Client) -> str:
        """Record an upload under a name that cannot be guessed, and return the name.

        Raises:
            RefusedError: the file is not in this server's folder.
        """
        if os.path.normpath(file) != file or not file.startswith(f"{self.folder}{os.sep}"):
            raise RefusedError("Refused: the upload was not stored in this server's folder.", 500)
        name = secrets.token_urlsafe(24)
        self._uploads[name] = file, client
        self._files.add(file)
        return name

    def lend(self, picture: str | Path, max_bytes: int) -> str:
        """Copy an example's picture into the folder for everyone; return the copy's path, which is its name too.

        Raises:
            PictureError: it is no regular file of at most `max_bytes`.
            OSError: it cannot be read.
        """
        suffix = Path(picture).suffix.lower()
        place = self.folder / secrets.token_urlsafe(24)
        with open_regular(picture, max_bytes) as file:
            place.mkdir()
            copy = place / f"example{suffix if suffix[1:].isalnum() and suffix.isascii() else ''}"
            with open(copy, "xb") as out:
                shutil.copyfileobj(file, out, _BUFFER)
        self._examples.add(str(copy))
        self._files.add(str(copy))
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
