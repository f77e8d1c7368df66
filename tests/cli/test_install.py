"""What an installation costs and what it says where a part is absent."""

import sys
from importlib.metadata import distribution, version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from interfuse.cli.main import run as command_line
from interfuse.core.errors import DataError
from interfuse.data.pictures.remote import fetch

MOST = 55
"""Packages of the core, torch's own and interfuse among them."""


def closure(name: str) -> dict[str, str]:
    """Every package that this one needs here, itself among them, by the installed packages' own words."""
    found, waiting = {}, [(canonicalize_name(name), "")]
    while waiting:
        package, extra = waiting.pop()
        if (package, extra) in found:
            continue
        found[package, extra] = version(package)
        for text in distribution(package).requires or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                waiting += [(canonicalize_name(needed.name), one) for one in ("", *needed.extras)]
    return {package: number for (package, _), number in found.items()}


def test_the_core_resolves_to_few_packages():
    found = closure("interfuse")
    assert {"torch", "transformers", "pyarrow", "sympy", "huggingface-hub"} <= set(found)
    assert not {"optuna", "datasets", "gradio", "pandas", "torchvision"} & set(found)
    assert len(found) <= MOST, sorted(found)


@pytest.mark.parametrize(
    ("module", "extra", "command"),
    [
        ("easy_vqa", "demo", ["demo"]),
        ("gradio", "serve", ["serve", "run"]),
        ("optuna", "tune", ["compare", "known:xor", "--tune", "1"]),
        ("mlflow", "track", ["compare", "known:xor", "--track", "mlflow"]),
        ("tensorboard", "track", ["compare", "known:xor", "--track", "tensorboard"]),
        ("ray", "ray", ["encode", "rows.csv", "--launcher", "ray"]),
        ("datasets", "hub", ["inspect", "hf:somebody/something"]),
        ("onnxruntime", "export", ["export", "run"]),
    ],
)
def test_an_absent_extra_is_named(module, extra, command, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit) as stop:
        command_line(command)
    assert stop.value.code == 1
    said = " ".join(capsys.readouterr().err.split())
    assert (
        f"{module} is not installed; it comes with the extra '{extra}'. Fix: pip install 'interfuse[{extra}]'" in said
    )


def test_the_extra_of_remote_pictures_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(DataError, match=r"fsspec is not installed; it comes with the extra 'remote'. Fix: pip install"):
        fetch("https://nowhere.invalid/a.png")
