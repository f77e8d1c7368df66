"""The options: one meaning a name, one declaration, choices that the shell completes, and a help that one can read."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

import interfuse.cli
from interfuse.cli import options
from interfuse.cli.app import app
from interfuse.cli.settings import CHOICES, RARE, SMALLEST, Field, Fields, takes_settings
from interfuse.core.design import Design
from interfuse.core.settings import describe
from interfuse.data import SourceSettings
from interfuse.settings import EncoderSettings
from interfuse.training import FinetuneSettings
from interfuse.workflows import CompareSettings, DiagnoseSettings, StreamSettings

MOST = 66
"""Options that a person can still find one in; a setting beyond them lives in the file of settings."""
SETTINGS = (
    SourceSettings,
    EncoderSettings,
    Design,
    CompareSettings,
    FinetuneSettings,
    DiagnoseSettings,
    StreamSettings,
)
OWN_WORDS = {"--out"}
"""Options whose help names what each command writes."""


def walk(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each option with the command that has it."""
    for word, below in getattr(command, "commands", {}).items():
        yield from walk(below, f"{name} {word}".strip())
    yield from ((name, parameter) for parameter in command.params if parameter.param_type_name == "option")


ALL = list(walk(get_command(app)))


def means(option: Any) -> tuple[Any, ...]:
    """Say what an option takes, and what its help says."""
    kind = option.type_descriptor.annotation
    told = "" if set(option.opts) & OWN_WORDS else re.split(r"; none:|\.  \[default: ", option.help)[0].rstrip(".")
    return (
        *(kind, option.min, option.max, option.multiple, option.is_flag),
        *(option.metavar, tuple(option.secondary_opts), told),
    )


def test_an_option_means_the_same_in_every_command():
    meanings: dict[str, set[Any]] = {}
    for _, option in ALL:
        for name in option.opts:
            meanings.setdefault(name, set()).add(means(option))
    assert {name: several for name, several in meanings.items() if len(several) > 1} == {}


def test_an_option_has_help_of_one_paragraph():
    assert [f"{command} {one.name}" for command, one in ALL if not one.help or "\n" in one.help] == []


def test_no_option_is_declared_twice():
    declared = Counter(name for path in Path(interfuse.cli.__file__).parent.glob("*.py") for name in declarations(path))
    assert len(declared) > 20
    assert [name for name, count in declared.items() if count > 1] == []
    offered = {option for _, one in ALL for option in one.opts if "completion" not in option}
    of_settings = {f"--{name.replace('_', '-')}" for config in SETTINGS for name in config.__dataclass_fields__}
    assert set(declared) & of_settings & offered == {"--fusion"}, "the field of the settings is the declaration"
    assert offered - of_settings - set(declared) == {"--finetune-epochs", "--finetune-batch"}, "a name of its own"


def declarations(path: Path) -> list[str]:
    """Return the names of the options that a file declares by a call of `typer.Option`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    arguments = [node for node in ast.walk(tree) if isinstance(node, ast.arg) and node.annotation]
    named = {call: f"--{one.arg.replace('_', '-')}" for one in arguments for call in ast.walk(one.annotation)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "typer.Option"]
    spelled = [[word.value for word in call.args if isinstance(word, ast.Constant)] for call in calls]
    return [words[0] if words else named[call] for call, words in zip(calls, spelled) if words or call in named]


def test_compare_has_an_option_for_what_is_common_and_a_file_for_what_is_rare():
    offered = {option.name for command, option in ALL if command == "compare"}
    assert len(offered) <= MOST, "let a rare setting live in the file of settings: cli/settings.py, RARE"
    configs = (SourceSettings, EncoderSettings, CompareSettings, Design)
    every = {name for config in configs for name in config.__dataclass_fields__}
    elsewhere = {"base", "finetuned", "fusion", "model", "name", "settings"}
    assert every - offered - elsewhere == set(RARE)
    page = (Path(__file__).parents[2] / "docs/howto/settings-file.md").read_text(encoding="utf-8")
    assert [name for name in RARE if f"`{name}`" not in page] == []


def test_what_the_command_line_adds_to_a_field_names_a_field():
    names = {name for config in SETTINGS for name in config.__dataclass_fields__} | {
        "finetune_batch",
        "finetune_epochs",
    }
    assert set(CHOICES) <= names
    assert set(SMALLEST) <= names
    assert set(options.ELSEWHERE) | set(RARE) <= names


def test_the_help_of_a_setting_is_the_line_of_docs_below_its_field():
    told = {option.name: option.help for command, option in ALL if command == "train"}
    assert told["clip"] == describe(Design)["clip"]
    assert told["image_folder"] == describe(SourceSettings)["image_folder"]
    assert told["encoder_learning_rate"] == describe(FinetuneSettings)["encoder_learning_rate"]


@dataclass(frozen=True)
class Sizes:
    """Settings of a command that exists in these tests alone."""

    need: str
    """What is needed."""
    width: int = 3
    """Of a thing."""
    folder: Path = field(default_factory=Path.cwd)
    """Of things."""
    keep: bool | None = None
    """Whether things are kept."""


def make_app(**more: Any) -> tuple[typer.Typer, list[Any]]:
    """Make a command line of one command that tells what it got."""
    tiny, got = typer.Typer(), []

    @tiny.command()
    @takes_settings
    def command(
        sizes: Annotated[Sizes | None, Fields(Sizes, **more)],
        seeds: Annotated[int, Field(CompareSettings)] = 3,
    ) -> None:
        got.append((sizes, seeds))

    return tiny, got


def test_a_command_gets_its_settings_made():
    tiny, got = make_app(option_names={"width": "how_wide"})
    assert CliRunner().invoke(tiny, ["--need", "a", "--how-wide", "5", "--no-keep"]).exit_code == 0
    assert CliRunner().invoke(tiny, ["--seeds", "1"]).exit_code == 0
    assert got == [(Sizes("a", 5, Path.cwd(), False), 3), (None, 1)]


def test_an_option_that_would_change_nothing_is_wrong_usage():
    tiny, got = make_app(without=["folder"])
    done = CliRunner().invoke(tiny, ["--width", "5"])
    assert done.exit_code == 2
    assert "--width would change nothing: they need --need" in " ".join(done.output.split())
    assert not got


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "known:xor", "--precision", "half"],
        ["compare", "known:xor", "--store-dtype", "int4"],
        ["compare", "known:xor", "--launcher", "dask"],
        ["compare", "known:xor", "--track", "wandb"],
        ["compare", "known:xor", "--format", "table"],
        ["compare", "known:xor", "--task", "ranking"],
        ["compare", "known:xor", "--seeds", "0"],
        ["compare"],
        ["demo", "--format", "md"],
        ["evaluate", "run", "known:xor", "--on", "some"],
        ["evaluate", "run", "known:xor", "--missing", "image"],
        ["diagnose", "run", "known:xor", "--all-seeds", "--out", "page.html"],
        ["export", "run", "--to", "tflite"],
        ["encode", "rows.csv", "--shard", "9/8"],
        ["encode", "rows.csv", "--jobs", "2"],
        ["predict", "run", "rows.csv", "--shard", "1/2", "--launcher", "ray"],
        ["train", "known:xor", "--finetune-epochs", "2"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2(words):
    assert CliRunner().invoke(app, words).exit_code == 2
