"""Every code block on every page runs, or is parsed by the real command line; nothing that a page names is stale."""

import fcntl
import os
import re
import shutil
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from interfuse.core.design import Design, make_design
from interfuse.core.modalities import MODALITIES
from interfuse.doctor import PROMISES
from interfuse.fusion import FUSIONS
from interfuse.training.health import findings
from tests.pages.blocks import LANGUAGES, PAGES, ROOT, Block, commands_of, name_of, read_blocks, read_prose, split
from tests.pages.commands import PREPARED, call, check, every_option, parse
from tests.pages.rows import make_rows
from tests.shape_checks import unchecked

RUNNABLE = [
    page
    for page in PAGES
    if page.name != "README.zh-CN.md" and any(block.language != "text" for block in read_blocks(page))
]
"""Pages with something to run; the Chinese README has the blocks of the English one."""
PRINTS = {
    "README.md": (
        r"torch\.Size\(\[4, 512\]\)",
        r"(Fusion beats|No evidence that|No verdict on fusion from one)",
        r"0 errors",
    ),
    "docs/howto/own-mechanism.md": (r"0 errors",),
    "docs/howto/doctor-in-ci.md": (r"0 errors",),
    "docs/concepts/multimodal.md": (r"emap: The interaction is needed",),
    "docs/concepts/health.md": (r"wild -> (unstable|exploding|collapsed|too fast)",),
    "docs/concepts/intervals.md": (r"wins \| small \| no evidence",),
}
"""What a page's blocks print: the sentences around them rest on it."""
FOREIGN = {"--copies", "--int8"}
"""Options that prose names and no command has: of benchmarks, and one that export is promised."""


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder of rows with the study and the run that the pages speak of, and beside it the token store.

    It is made once, by whichever process of the tests comes first.
    """
    base = tmp_path_factory.getbasetemp()
    base = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "pages"
    base.mkdir(exist_ok=True)
    with (base / "lock").open("w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / "folder").is_dir():
            (base / "making").mkdir()
            make_rows(base / "making")
            patch.chdir(base / "making")
            patch.setenv("INTERFUSE_STORE", str(base / "store"))
            with unchecked():
                for command in PREPARED:
                    call(command.split())
            (base / "making").rename(base / "folder")
    return base


@pytest.mark.parametrize("page", RUNNABLE, ids=name_of)
def test_the_blocks_of_a_page_run_in_their_order(page, shared, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "folder"
    shutil.copytree(shared / "folder", folder, ignore=shutil.ignore_patterns("exported"))
    (folder / "exported").symlink_to(shared / "folder" / "exported")  # large, and only read
    monkeypatch.chdir(folder)
    monkeypatch.setenv("INTERFUSE_STORE", str(shared / "store"))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(FUSIONS, "_entries", dict(FUSIONS._entries))
    before = set(sys.modules)
    names: dict[str, object] = {"__name__": "page"}
    try:
        with unchecked():  # as a reader runs them
            for block in read_blocks(page):
                run_block(block, f"{name_of(page)}:{block.line}", names)
    finally:
        for name in set(sys.modules) - before:
            module = sys.modules[name]
            if str(folder) in f"{getattr(module, '__file__', '')} {list(getattr(module, '__path__', []))}":
                del sys.modules[name]
    out = capsys.readouterr().out
    for pattern in PRINTS.get(name_of(page), ()):
        assert re.search(pattern, out), out


def run_block(block: Block, place: str, names: dict[str, object]) -> None:
    """Run one block, or write it where its title says."""
    if block.title:
        path = Path(block.title)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.code, encoding="utf-8")
    if block.language == "python":
        code = compile(block.code, place, "exec")
        if not block.title:
            exec(code, names)
    elif block.language == "toml":
        for title, table in tomllib.loads(block.code).items():
            if isinstance(table, dict):  # else a setting in a file of settings
                make_design(table.pop("fusion"), {"name": title, **table}, {})
    elif block.language in ("bash", "yaml"):
        for words in commands_of(block):
            check(words)


def test_every_fence_says_what_it_is():
    wrong = [
        f"{name_of(page)}:{block.line} {block.language!r}"
        for page in PAGES
        for block in read_blocks(page)
        if block.language not in LANGUAGES
    ]
    assert not wrong, f"call each fence one of {sorted(LANGUAGES)}: {wrong}"
    counts = [page.read_text(encoding="utf-8").count("```") - 2 * len(read_blocks(page)) for page in PAGES]
    assert not any(counts), "a fence is not read: it is indented, or not closed"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_command_inside_a_sentence_can_be_typed(page):
    for line in re.findall(r"`(interfuse [a-z][^`]*)`", read_prose(page)):
        words = split(line.replace("…", ""))
        try:
            parse(words[1:])
        except AssertionError as error:
            if "Missing" not in str(error):  # a sentence may leave out what every command takes, such as DATA
                raise
            named = {word for word in words if word.startswith("--")}
            assert named <= every_option(words[1]), line


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_an_option_inside_a_sentence_exists(page):
    named = set(re.findall(r"`(--[a-z][a-z0-9-]+)", read_prose(page)))
    assert named - FOREIGN <= every_option()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_link_to_a_file_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", read_prose(page)):
        if not target.startswith(("http", "data:")):
            notebook = target.replace(".md", ".ipynb")
            assert (page.parent / target).is_file() or (page.parent / notebook).is_file(), target


def test_the_pages_name_every_promise_and_every_word_and_fix_of_training_health():
    promises = (ROOT / "docs/concepts/promises.md").read_text(encoding="utf-8")
    assert not [promise.name for promise in PROMISES if f"| {promise.name} |" not in promises]
    health = (ROOT / "docs/concepts/health.md").read_text(encoding="utf-8")
    source = Path(findings.__file__).read_text(encoding="utf-8")
    words = set(re.findall(r'Finding\(f?"([^"]+)"', source))
    for word in ("{name} ignored", "constant {name}"):
        words = (words - {word}) | {word.format(name=name) for name in MODALITIES}
    assert not [word for word in words if f"`{word}`" not in health]
    named = {field.name for field in fields(Design)} - {"fusion", "name", "settings"}
    fixes = {f"--{name.replace('_', '-')}" for name in named & set(re.findall(r"[a-z_]+", source))}
    assert not [fix for fix in fixes if f"`{fix}" not in health]


def test_the_decision_guide_names_only_what_is_registered():
    guide = (ROOT / "docs/which-fusion.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\|[^|]+\|([^|]+)\|", guide, re.M)[2:]
    named = {name for cell in cells for name in re.findall(r"`([a-z_]+)", cell)}
    assert named
    assert named <= set(FUSIONS.names())


def test_the_chinese_readme_has_the_same_blocks_and_figures():
    english, chinese = (ROOT / name for name in ("README.md", "README.zh-CN.md"))
    bare = [
        [(block.language, strip_comments(block.code)) for block in read_blocks(page)] for page in (english, chinese)
    ]
    assert bare[0] == bare[1]
    rows = [re.findall(r"^\|.*\|$", read_prose(page), re.M) for page in (english, chinese)]
    figures = [[sorted(re.findall(r"[−+]?\d[\d.,]*", row)) for row in table] for table in rows]
    assert figures[0] == figures[1]
    files = [
        {t for t in re.findall(r"\]\(([^)]+)\)", read_prose(page)) if "README" not in t} for page in (english, chinese)
    ]
    assert files[0] == files[1]


def strip_comments(code: str) -> str:
    """Leave comments out of a block: they are translated."""
    return re.sub(r"\s*#.*", "", code)


@pytest.mark.parametrize(
    "line",
    [
        "interfuse serve run --no-such-option",
        "interfuse compare products.csv --seeds many",
        "interfuse no-such-command",
        ".venv/bin/interfuse store",
        "python -m interfuse train --no-such-option",
        "make no-such-target",
        "pip install 'interfuse[no-such-extra]'",
        "python benchmarks/no_such_file.py",
        "curl https://example.org",
    ],
)
def test_a_stale_command_is_noticed(line):
    with pytest.raises(AssertionError):
        check(split(line))
