"""The committed notebooks run, and print again what their prose speaks of."""

import importlib.util
import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed (extra dev)")

ROOT = Path(__file__).parents[1]
SAID = {
    "01-binding": (
        r"cross_attention +(9[5-9]|100)\.\d \[.*wins",
        r"cross_attention:pool=mean +4\d\.\d \[.*no evidence",
        r"Fusion beats image only",
        r"\[one-key-softmax\]",
    ),
    "02-doctor": (
        r"^7 errors",
        r"\[batch-leak\](.|\n)*\[unregistered-parameters\](.|\n)*\[dead-parameter\](.|\n)*'text_mask' has no effect",
        r"^3 errors",
        r"^0 errors, 0 warnings",
        r"the module is not sound",
    ),
}


@pytest.fixture(scope="module")
def runner():
    spec = importlib.util.spec_from_file_location("run_notebooks", ROOT / "docs" / "theme" / "run_notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("default")  # of the messages between notebook and kernel, which are not ours
@pytest.mark.parametrize("name", SAID)
def test_a_notebook_runs_and_says_again_what_its_prose_speaks_of(name, runner, tmp_path, monkeypatch):
    monkeypatch.setenv("INTERFUSE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    path = ROOT / "docs" / "notebooks" / f"{name}.ipynb"
    committed = runner.printed(nbformat.read(path, as_version=4))
    fresh = runner.printed(runner.execute(path, str(tmp_path)))
    for pattern in SAID[name]:
        assert re.search(pattern, committed, re.M), f"not in the committed outputs: {pattern}; run make notebooks"
        assert re.search(pattern, fresh, re.M), fresh


def test_every_notebook_is_run_here_and_was_committed_with_its_outputs():
    paths = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
    assert [path.stem for path in paths] == list(SAID)
    for path in paths:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
