"""What an installation costs and what it says where a part is absent."""

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from interfuse.cli.main import run as command_line
from interfuse.core.errors import DataError
from interfuse.data.pictures.remote import fetch

MOST = 55
"""Packages of the core, torch's own and interfuse among them."""


def closure(name: str, needs: Callable[[str], Sequence[str]], extra: str = "") -> set[str]:
    """Name every package that this one needs, itself among them.

    Args:
        name: of the package.
        needs: what a package says that it needs.
        extra: of the package, or none.
    """
    found, waiting = set(), [(canonicalize_name(name), one) for one in {"", extra}]
    while waiting:
        if (pair := waiting.pop()) in found:
            continue
        found.add(pair)
        for needed in map(Requirement, needs(pair[0])):
            if needed.marker is None or needed.marker.evaluate({"extra": pair[1]}):
                waiting += [(canonicalize_name(needed.name), one) for one in ("", *needed.extras)]
    return {package for package, _ in found}


def test_the_core_resolves_to_few_packages():
    found = closure("interfuse", lambda package: distribution(package).requires or [])
    assert {"torch", "transformers", "pyarrow", "sympy", "huggingface-hub"} <= found
    assert not {"optuna", "datasets", "gradio", "pandas", "torchvision"} & found
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
        fetch("s3://nowhere/a.png")
