"""The house as it stands: rooms, modules, functions, and the map of the rooms in CONTRIBUTING.md.

python -m tests.house   (`make map`) writes the map again.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "interfuse"
PAGE = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- `make map` writes this table -->\n", "<!-- the map ends -->\n"


def rooms() -> list[str]:
    """List every package folder below the package itself, by its path with slashes."""
    return sorted(str(path.parent.relative_to(SOURCE)) for path in SOURCE.glob("**/__init__.py"))[1:]


def modules(room: str) -> list[Path]:
    """List the modules of a room, `__init__` aside."""
    return sorted(path for path in (SOURCE / room).glob("*.py") if path.name != "__init__.py")


def purpose(room: str) -> str:
    """Return the first line of a room's docstring."""
    tree = ast.parse((SOURCE / room / "__init__.py").read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def floors() -> list[list[str]]:
    """List the floors from the ground up, each with its rooms, as the contract of import-linter has them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = (one["layers"] for one in contracts if one.get("containers") == ["interfuse"])
    return [[name.strip() for name in layer.split("|")] for layer in reversed(layers)]


def draw_map() -> str:
    """Draw the table of rooms, the highest floor first."""
    lines = ["| floor | room | what lives there |", "|---|---|---|"]
    for number, names in reversed(list(enumerate(floors(), 1))):
        for room in rooms():
            if room.partition("/")[0] in names:
                lines.append(f"| {number} | `{room}` | {purpose(room).removesuffix('.')} |")
    return "\n".join(lines) + "\n"


def read_map() -> str:
    """Read the table as the page has it."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def write_map() -> None:
    """Write the table into the page."""
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{begin}{draw_map()}{END}{rest.partition(END)[2]}", encoding="utf-8")


def syntax() -> Iterator[tuple[str, ast.Module]]:
    """Yield each module of the package with its syntax tree."""
    for path in sorted(SOURCE.rglob("*.py")):
        yield str(path.relative_to(SOURCE)), ast.parse(path.read_text(encoding="utf-8"))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function after its signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def annotations(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield name and annotation of every parameter and of every field of a class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for parameter in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                if parameter.annotation is not None:
                    yield f"{node.name}({parameter.arg})", parameter.annotation
        elif isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                    yield f"{node.name}.{line.target.id}", line.annotation


def is_tuple_of_unlike_things(annotation: ast.expr) -> bool:
    """Tell `tuple[A, B]`, alone or in a union, from a tuple of one kind of thing."""
    if isinstance(annotation, ast.BinOp):
        return is_tuple_of_unlike_things(annotation.left) or is_tuple_of_unlike_things(annotation.right)
    if not isinstance(annotation, ast.Subscript) or ast.unparse(annotation.value) != "tuple":
        return False
    parts = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
    return len({ast.unparse(part) for part in parts if ast.unparse(part) != "..."}) > 1


if __name__ == "__main__":
    write_map()
