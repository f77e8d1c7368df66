"""The plug-in of pytest gives the fixture `assert_sound`, and costs nothing before it is asked for."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = """
import torch
from torch import nn


class Leaks(nn.Bilinear):
    def forward(self, image, text):
        return super().forward(image, text) + image.mean()


def test_sound(assert_sound):
    assert_sound(nn.Bilinear(7, 5, 3), image_dim=7, text_dim=5, export=False)


def test_broken(assert_sound):
    assert_sound(Leaks(7, 5, 3), image_dim=7, text_dim=5, export=False)
"""


def run(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_the_fixture_lets_a_sound_module_pass_and_shows_the_report_of_a_broken_one(tmp_path):
    (tmp_path / "test_mine.py").write_text(TESTS)
    place = ["--rootdir", str(tmp_path), "-c", os.devnull, "-p", "no:cacheprovider", str(tmp_path)]
    said = run("-m", "pytest", "-q", "-p", "interfuse_pytest", *place).stdout
    assert "1 failed, 1 passed" in said, said
    assert "Samples of a batch mix [batch-leak]" in said


def test_the_plugin_imports_neither_torch_nor_the_library():
    code = "import sys, interfuse_pytest; print([name for name in ('torch', 'interfuse') if name in sys.modules])"
    assert run("-c", code).stdout.strip() == "[]"


def test_the_package_declares_the_plugin():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert declared["project"]["entry-points"]["pytest11"] == {"interfuse_pytest": "interfuse_pytest"}
    assert "interfuse_pytest" in declared["tool"]["setuptools"]["py-modules"]
