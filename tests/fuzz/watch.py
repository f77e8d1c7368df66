"""What a case reaches for: files outside its folder, the network, other programs."""

import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
READ = ("open", "os.listdir", "os.scandir")
CHANGED = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "shutil.rmtree")
CODE = (*{sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()}, str(Path(__file__).resolve().parents[2]))
SYSTEM = ("/proc/", "/sys/", "/dev/null", "/dev/urandom")


class Watch:
    """Python's audit hook; it cannot be taken away again, so it is only made where nothing else runs."""

    def __init__(self, folder: Path) -> None:
        """Watch from now on, for what lies in no case's folder."""
        self.folder, self.active, self.reached = str(folder.resolve()), False, list[str]()
        sys.addaudithook(self._see)

    @contextmanager
    def case(self) -> Iterator[list[str]]:
        """Watch one case; what it reached for is in the list."""
        self.reached = []
        self.active = True
        try:
            yield self.reached
        finally:
            self.active = False

    def _see(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event in FORBIDDEN:
            self.reached.append(f"{event} {str(args)[:100]}")
        elif event in READ or event in CHANGED:
            writes = event in CHANGED or (event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"))
            for path in args[:1]:
                if isinstance(path, str | bytes | os.PathLike) and not self._is_own(os.fsdecode(path), bool(writes)):
                    self.reached.append(f"{event} {os.fsdecode(path)[:100]!r}")

    def _is_own(self, path: str, writes: bool) -> bool:
        real = os.path.realpath(path) if "\0" not in path else path
        if real.startswith(self.folder):
            return True
        return not writes and (real.startswith(CODE) or real.startswith(SYSTEM))
