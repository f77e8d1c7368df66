"""Hold a documented command to the real command line, and run it on small rows where it can run here."""

import re
import tomllib
from typing import Any

import pytest
from typer.main import get_command

from interfuse.cli.app import app
from interfuse.cli.main import run
from tests.pages.blocks import ROOT

SMALL = {
    "compare": "--seeds 1 --epochs 1 --dim 16 --jobs 1 --image-size 64",
    "train": "--epochs 1 --dim 16 --image-size 64",
    "encode": "--image-size 64",
}
"""Options that make a command quick; given last, they take the place of the documented values."""
ELSEWHERE = {
    "demo": "minutes of training",
    "serve": "runs until it is stopped; tests/workflows/serve/test_serve.py drives it",
    "ray": "needs a cluster; tests/workflows/encode/test_on_ray.py runs it",
    "resnet50": "needs a hub",
    "--unfreeze": "trains encoders",
}
"""Words of a command that is only parsed, and why."""
SOURCES = ("coco:", "hf:", "wds:", "folder:")
"""Rows that the folder of the pages has not; tests/data reads each kind."""
OTHERS = {".", "tar"}
"""Programs that a shell block may call unchecked."""
ROWS = "products.csv --image photo --text title --label category --image-folder photos"
PREPARED = [f"compare {ROWS}", f"train {ROWS} --out run", "export run --whole --out exported"]
"""Commands that were run once for all pages; what they made lies in each page's folder."""


def parse(words: list[str]) -> None:
    """Parse a command as the command line does, and run nothing.

    Raises:
        AssertionError: a command, an option, a value or an argument is wrong.
    """
    command: Any = get_command(app)
    rest = list(words)
    while hasattr(command, "commands"):
        assert rest, f"{' '.join(words)} names no command"
        assert rest[0] in command.commands, f"there is no command {rest[0]!r}; there are {sorted(command.commands)}"
        command = command.commands[rest.pop(0)]
    try:
        command.make_context(command.name, rest)
    except Exception as error:  # typer has a click of its own, so its classes cannot be named here
        raise AssertionError(f"interfuse {' '.join(words)}: {error}") from error


def every_option(name: str | None = None) -> set[str]:
    """Collect the options of one command, or of all."""
    top: Any = get_command(app)
    found, waiting = {"--help"}, [top if name is None else top.commands[name]]
    while waiting:
        command: Any = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        found.update(option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts))
    return found


def can_run(words: list[str]) -> bool:
    """Whether a command can run here, on a small folder of rows."""
    return not set(words) & set(ELSEWHERE) and not any(word.startswith(SOURCES) for word in words)


def shrink(words: list[str]) -> list[str]:
    """Make a command quick."""
    small = [*words, *SMALL.get(words[0], "").split()]
    return [*small, "--tune", "2"] if "--tune" in words else small


def call(words: list[str]) -> None:
    """Run a command, made quick."""
    with pytest.raises(SystemExit) as stop:
        run(shrink(words))
    assert stop.value.code == 0, f"interfuse {' '.join(words)} exits {stop.value.code}"


def check(words: list[str]) -> None:
    """Check a command, and run it where it can run."""
    program = words[0].rpartition("/")[2]
    if words[-1] != "-m" and "-m" in words and words[words.index("-m") + 1] == "interfuse":
        parse(words[words.index("-m") + 2 :])
    elif program == "interfuse":
        parse(words[1:])
        if can_run(words) and " ".join(words[1:]) not in PREPARED:
            call(words[1:])
    elif program == "make":
        targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
        assert set(words[1:]) <= targets, f"the Makefile has {sorted(targets)}"
    elif program == "pip":
        check_extras(words)
    elif program == "python":
        assert (ROOT / words[1]).is_file() or words[1] == "exported/predict.py", words
    else:
        assert program in OTHERS, (
            f"{' '.join(words)} is checked by nothing; if it must stand there, call its fence text"
        )


def check_extras(words: list[str]) -> None:
    """Check that every extra exists that `pip install 'interfuse[…]'` names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {extra for word in words for found in re.findall(r"\[(.*)\]", word) for extra in found.split(",")}
    assert named <= set(project["optional-dependencies"])
