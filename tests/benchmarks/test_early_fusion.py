"""A training fails by the score that its own validation rows gave text alone."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq

PATH = Path(__file__).parents[2] / "benchmarks" / "early_fusion.py"


def load():
    spec = importlib.util.spec_from_file_location("early_fusion", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_failed_is_told_by_validation_on_both_sides(tmp_path, capsys):
    early = load()
    best = {f"{change}, {rate:g}": 0.6 for change in early.CHANGES for rate in early.RATES}
    best |= {"text_only": 0.5, "as it was, 0.1": 0.4}
    trials = []
    for number, (name, score) in enumerate(best.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        rows = [{"validation_score": score, "health": "healthy"}, {"validation_score": 0.1, "health": "healthy"}]
        pq.write_table(pa.Table.from_pylist(rows), folder / "history.parquet")
        trials.append(SimpleNamespace(design=SimpleNamespace(name=name), folder=folder))
    early.tell(SimpleNamespace(trials=lambda: trials))  # no test score is asked for
    said = capsys.readouterr().out
    assert "Text only, validation: 50.0" in said
    assert "| as it was | 0.1 | 40.0 (40.0 to 40.0) | 1 of 1 |" in said
    assert said.count("| 0 of 1 |") == len(best) - 2
