"""The licences of everything that is installed with this library: `python -m tests.licences` writes the page."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"
FAMILIES = ("apache", "mit", "bsd", "isc", "mpl", "psf", "zlib", "cc0", "bsl", "hpnd", "cnri", "llvm", "mozilla")
PERMISSIVE = {"apache", "mit", "bsd", "isc", "psf", "zlib", "cc0", "bsl", "hpnd", "cnri", "llvm"}
"""Families of licences that ask for their text to be kept and for nothing more."""
NOT_HERE = {"gcsfs": "BSD-3-Clause", "s3fs": "BSD-3-Clause", "mlflow-skinny": "Apache-2.0"}
"""Licences, by their projects, of what the tests do not install."""
OPENING = """# Licences of the dependencies

What `pip install interfuse` brings, and what its extras bring, with the licence that each package states of itself.
Those without an extra beside them are brought by others. A test holds this page to `pyproject.toml` and to what is
installed; `python -m tests.licences` writes it again. Interfuse itself is under Apache-2.0. A package that is marked
"not stated" names no licence in its metadata: read its own pages before you pass it on.

| package | licence | asked for by |
|---|---|---|
"""


def declared() -> dict[str, set[str]]:
    """Return every dependency that `pyproject.toml` names, and the extras that ask for it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked: dict[str, set[str]] = {}
    for extra, lines in [("all", project["dependencies"]), *project["optional-dependencies"].items()]:
        for line in lines:
            name = canonicalize_name(Requirement(line).name)
            if name != "interfuse":
                asked.setdefault(name, set()).add(extra)
    return asked


def licence_of(name: str) -> str | None:
    """Return the licence that an installed package states; None where it is not installed."""
    try:
        facts = metadata(name)
    except PackageNotFoundError:
        return NOT_HERE.get(name)
    classified = [
        line.split("::")[-1].strip() for line in facts.get_all("Classifier") or [] if line.startswith("License")
    ]
    stated = facts.get("License-Expression") or ", ".join(classified) or (facts.get("License") or "").splitlines()[:1]
    text = stated if isinstance(stated, str) else "".join(stated)
    return text.strip() if text.strip() not in ("", "UNKNOWN") else "not stated"


def installed() -> dict[str, str]:
    """Return every package that a declared one brings, with its licence, as far as they are installed."""
    licences: dict[str, str] = {}
    todo = list(declared())
    while todo:
        name = todo.pop()
        licence = licence_of(name)
        if name in licences or licence is None:
            continue
        licences[name] = licence
        todo += _brought_by(name)
    return licences


def _brought_by(name: str) -> Iterator[str]:
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        return
    for line in lines:
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            yield canonicalize_name(needed.name)


def families(licence: str) -> set[str]:
    """Return the families that a licence's name speaks of."""
    return {family for family in FAMILIES if re.search(rf"\b{family}", licence.lower())}


def write_page() -> None:
    """Write the page from what is installed here."""
    asked = declared()
    rows = [
        f"| {name} | {licence} | {', '.join(sorted(asked.get(name, ())))} |" for name, licence in installed().items()
    ]
    PAGE.write_text(OPENING + "\n".join(sorted(rows)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_page()
