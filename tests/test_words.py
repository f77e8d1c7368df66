"""The code speaks the field's words, one word for one meaning, as docs/concepts/words.md defines them."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.house import ROOT, syntax

PARTICIPLES = {"found", "seen", "told", "kept", "given"}
"""What happened to a thing, where a noun would say what it is."""
PAGE = ROOT / "docs" / "concepts" / "words.md"


def old_words(tree: ast.Module) -> Iterator[str]:
    """Yield each docstring that opens with Give and each local or field that is a participle."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            doc = ast.get_docstring(node) or ""
            if re.match(r"Gives?\b", doc):
                yield doc.partition("\n")[0]
        if isinstance(node, ast.ClassDef):
            for line in node.body:
                if (
                    isinstance(line, ast.AnnAssign)
                    and isinstance(line.target, ast.Name)
                    and line.target.id in PARTICIPLES
                ):
                    yield f"{node.name}.{line.target.id} (line {line.lineno})"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for name in ast.walk(node):
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store) and name.id in PARTICIPLES:
                    yield f"{node.name}: {name.id} (line {name.lineno})"


def definitions(tree: ast.Module) -> set[str]:
    """List the classes, the names of the module and the fields of classes that a file defines."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef | ast.Module):
            for line in node.body:
                if isinstance(line, ast.Assign | ast.AnnAssign):
                    targets = line.targets if isinstance(line, ast.Assign) else [line.target]
                    names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def former_names() -> set[str]:
    """Read the names that the page calls former ones: the last column of its table of names."""
    _, _, table = PAGE.read_text(encoding="utf-8").partition("| name | what it holds | instead of |")
    rows = [line for line in table.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[3])}


def test_a_local_is_a_noun_and_no_docstring_opens_with_give():
    words = {module: list(old_words(tree)) for module, tree in syntax()}
    assert not {module: lines for module, lines in words.items() if lines}


def test_no_former_name_is_defined():
    assert former_names() >= {"Terms", "Labour", "Means", "Asked", "SideBySide", "Bench", "Tell", "Watch", "mend"}
    former = {module: sorted(definitions(tree) & former_names()) for module, tree in syntax()}
    assert not {module: names for module, names in former.items() if names}


def test_a_word_is_defined_once():
    words = re.findall(r"^\| \*\*([^|]+)\*\* \|", PAGE.read_text(encoding="utf-8"), re.M)
    assert len(words) > 20
    assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def read():\n    found = 1", 1),
        ("def read():\n    for given in (): pass", 1),
        ('def read():\n    """Give a row."""', 1),
        ('def read():\n    """Return what was found."""\n    row = 1', 0),
        ("class Report:\n    seen: int", 1),
        ("class Report:\n    rows: int", 0),
    ],
)
def test_an_old_word_is_seen(code, words):
    assert len(list(old_words(ast.parse(code)))) == words
