"""The page of licences lists every dependency, and what is installed is under what it says."""

import tomllib
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement
from packaging.version import Version

from tests.licences import PAGE, PERMISSIVE, ROOT, declared, families, installed

PATCHED = {
    "transformers": "5.10",
    "torch": "2.10",
    "pillow": "12.3",
    "gradio": "6.20",
    "onnx": "1.21",
    "pyarrow": "23.0.1",
    "jinja2": "3.1.6",
}
"""First releases without the holes that are known: CVE-2026-4372 and CVE-2026-9856 (transformers), CVE-2026-24747
(torch), those that Pillow 12.3 mends, CVE-2026-59806 (gradio), CVE-2026-27489 and CVE-2026-34445 to 34447 (onnx),
CVE-2026-25087 (pyarrow), CVE-2025-27516 (jinja2)."""


def rows() -> dict[str, str]:
    cells = [line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return {cell[1].strip(): cell[2].strip() for cell in cells[1:]}


def test_every_declared_dependency_is_listed_with_its_licence():
    listed = rows()
    assert sorted(set(declared()) - set(listed)) == []
    assert all(listed.values())


def test_what_is_installed_is_under_the_licence_that_the_page_says_or_a_permissive_one():
    listed = rows()
    for name, licence in installed().items():
        allowed = PERMISSIVE | families(listed.get(name, ""))
        assert families(licence) <= allowed, (name, licence)
        assert families(licence) or name in listed, (name, licence)


def test_the_floors_admit_no_release_with_a_known_hole_and_what_is_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    for needed in map(Requirement, lines):
        floors = [Version(part.version) for part in needed.specifier if part.operator in (">=", "==")]
        if needed.name.lower() in PATCHED:
            assert max(floors) >= Version(PATCHED[needed.name.lower()]), needed
        try:
            assert needed.specifier.contains(Version(version(needed.name)).public, prereleases=True), needed
        except PackageNotFoundError:
            continue
