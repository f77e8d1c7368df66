"""The list of damaged copies: found once, by any process, and never served again."""

import os
import re
from contextlib import suppress
from pathlib import Path

LIST = "damaged.txt"
_LINE = re.compile(r"(\S+\.tokens\.safetensors) (\d+)")


def bury(folder: Path, shard: str, start: int) -> None:
    """List the copy that begins at this token of this shard; a folder that cannot be written stays as it is."""
    with suppress(OSError):
        handle = os.open(folder / LIST, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(handle, f"{shard} {start}\n".encode())  # one short write: whole lines, whoever writes at once
        finally:
            os.close(handle)


def buried(folder: Path) -> set[tuple[str, int]]:
    """Read the list; a line that is no entry is skipped."""
    try:
        text = (folder / LIST).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    matches = (_LINE.fullmatch(line) for line in text.splitlines())
    return {(match[1], int(match[2])) for match in matches if match}
