"""The pages of the documentation, their code blocks, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LANGUAGES = {"python", "bash", "toml", "yaml", "text"}
"""What a fence may be called; text is what is not run."""
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.M | re.S)
VARIABLE = re.compile(r"\$\w+")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    title: str
    """File that the block is to stand in, where the fence has `title="…"`."""
    code: str
    line: int


def read_blocks(page: Path) -> list[Block]:
    """Read the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    blocks = []
    for found in FENCE.finditer(text):
        title = re.search(r'title="([^"]+)"', found[2])
        line = text.count("\n", 0, found.start()) + 1
        blocks.append(Block(found[1], title[1] if title else "", found[3], line))
    return blocks


def read_prose(page: Path) -> str:
    """Read a page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def name_of(page: Path) -> str:
    """Call a page by its path in the repository."""
    return page.relative_to(ROOT).as_posix()


def commands_of(block: Block) -> Iterator[list[str]]:
    """Split a shell block, or the `run:` lines of a workflow, into the words of each command."""
    code = block.code.replace("\\\n", " ")
    if block.language == "yaml":
        code = "\n".join(re.findall(r"^\s*- run: (.*)$", code, re.M))
    for line in code.splitlines():
        words = split(line)
        if words:
            yield words


def split(line: str) -> list[str]:
    """Split a command line: no comment, no redirection, a variable is 1, a shared disk is a folder here."""
    words = shlex.split(VARIABLE.sub("1", line), comments=True)
    words = words[: words.index(">")] if ">" in words else words
    return [word.replace("/shared/", "shared/") for word in words]
