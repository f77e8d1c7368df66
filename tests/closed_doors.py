"""A contract for import-linter: into a room one comes by its door, `__init__`, and never by a window."""

import ast
from collections.abc import Iterator
from pathlib import Path

import grimp
from importlinter import Contract, ContractCheck, fields, output

SOURCE = Path(__file__).parents[1] / "src"


class ClosedDoorsContract(Contract):
    """No module outside a package imports a module inside it: it takes what the package's `__all__` names.

    A package's own modules, and those of the packages inside it, import each other as they like. The front door, the
    root itself, has the `api` of each room. `open`: packages whose files are themselves the doors.
    """

    type_name = "closed_doors"
    root = fields.StringField()
    open = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        doors = {name for name in graph.modules if graph.find_children(name)}
        shut = doors - {self.root, *(self.open or ())}
        windows = [
            (importer, imported)
            for importer in sorted(graph.modules)
            for imported in _imported_modules(importer, importer in doors, graph.modules, doors)
            if (room := imported.rpartition(".")[0]) in shut
            and not f"{importer}.".startswith(f"{room}.")
            and not (importer == self.root and imported == f"{room}.api")
        ]
        return ContractCheck(kept=not windows, metadata={"windows": windows})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata["windows"]:
            output.print_error(
                f"{importer} imports {imported}: let {imported.rpartition('.')[0]} export what it needs."
            )


def _imported_modules(importer: str, is_door: bool, modules: set[str], doors: set[str]) -> Iterator[str]:
    """List the plain modules that a module imports: those themselves, not the names that a door has of them."""
    for node in ast.walk(ast.parse(_path(importer, is_door).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules - doors)
        elif isinstance(node, ast.ImportFrom) and node.module in doors:
            inner = {alias.name for alias in node.names if f"{node.module}.{alias.name}" in modules - doors}
            yield from (f"{node.module}.{name}" for name in sorted(inner - _exported(node.module)))
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            yield str(node.module)


def _exported(door: str) -> set[str]:
    """Read the names of a package's `__all__` that are not its modules."""
    tree = ast.parse(_path(door, True).read_text(encoding="utf-8"))
    taken = {
        a.asname or a.name
        for n in ast.walk(tree)
        if isinstance(n, ast.ImportFrom) and n.module != door
        for a in n.names
    }
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return set(ast.literal_eval(node.value)) & taken
    return set()


def _path(module: str, is_door: bool) -> Path:
    path = SOURCE.joinpath(*module.split("."))
    return path / "__init__.py" if is_door else path.with_suffix(".py")
