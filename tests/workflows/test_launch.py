"""Workers of Ray: a portion each, and a worker killed in the middle loses nothing."""

import os
import signal
from pathlib import Path

import pytest
import torch

import interfuse
from interfuse.core.errors import ConfigError, EncoderError, ExtraMissingError
from interfuse.core.progress import Silent
from interfuse.core.records import read_table
from interfuse.reports import to_json
from interfuse.store import TokenStore
from interfuse.workflows import Source
from interfuse.workflows.encode import Portion, encode_pictures
from interfuse.workflows.launch import encode_on_workers, run_on_ray
from tests.workflows.test_encode import ToyImages, copies, openers


def test_another_launcher_is_refused():
    with pytest.raises(ConfigError, match="Unknown launcher 'dask'. Known: ray"):
        encode_on_workers(Source("rows.csv"), Silent(), "dask", 2)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ExtraMissingError, match=r"pip install 'interfuse\[ray\]'"):
        encode_on_workers(Source("rows.csv"), Silent(), "ray", 2)


def _portion(root: str, number: int, of: int) -> int:
    """Encode one portion; the second worker dies in the middle, once."""

    class Dies(ToyImages):
        def encode(self, pictures: torch.Tensor) -> torch.Tensor:
            if number == 2 and self.calls == 3 and not Path(root, "died").exists():
                Path(root, "died").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().encode(pictures)

    store = TokenStore(Path(root), ToyImages.signature, 4)
    return encode_pictures(store, Dies(), openers(120), 4, Silent(), Portion(number, of)).encoded


def _raise(reason: str) -> None:
    raise ValueError(reason)


def test_a_comparison_refuses_another_launcher(tmp_path):
    with pytest.raises(ConfigError, match="Unknown launcher 'dask'. Known: ray"):
        interfuse.compare("known:xor", fusions=["product"], seeds=1, epochs=1, out=tmp_path / "s", launcher="dask")


@pytest.mark.filterwarnings("ignore")
def test_trainings_on_ray_give_the_bytes_of_trainings_here(tmp_path, request, monkeypatch):
    pytest.importorskip("ray", reason="ray is not installed: pip install 'interfuse[ray]'")
    monkeypatch.setenv("PYTHONPATH", f"{request.config.rootpath}/src:{os.environ.get('PYTHONPATH', '')}")
    terms = {"fusions": ["product"], "seeds": 2, "epochs": 2, "dim": 16, "num_heads": 2}
    here = interfuse.compare("known:xor", out=tmp_path / "here", **terms)
    there = interfuse.compare("known:xor", out=tmp_path / "there", launcher="ray", jobs=2, **terms)
    pairs = list(zip(here.trials(), there.trials(), strict=True))
    assert len(pairs) == 10
    for one, two in pairs:
        assert read_table(one.folder / "predictions.parquet").equals(read_table(two.folder / "predictions.parquet"))
    assert to_json(here.summary()).count("verdict") == to_json(there.summary()).count("verdict") > 0


@pytest.mark.filterwarnings("ignore")
def test_a_worker_of_ray_that_is_killed_in_the_middle_loses_nothing(tmp_path, request, monkeypatch):
    pytest.importorskip("ray", reason="ray is not installed: pip install 'interfuse[ray]'")
    monkeypatch.setenv("PYTHONPATH", f"{request.config.rootpath}/src:{request.config.rootpath}")
    told: list[int] = []
    run_on_ray(_portion, [(str(tmp_path / "ray"), number, 2) for number in (1, 2)], lambda: told.append(1))
    assert len(told) == 2
    assert (tmp_path / "ray" / "died").exists()
    store, whole = (TokenStore(tmp_path / name, ToyImages.signature, 4) for name in ("ray", "whole"))
    assert store.missing(openers(120)) == []
    assert copies(store) == 120
    encode_pictures(whole, ToyImages(), openers(120), 4, Silent())
    one, two = (s.table(list(openers(120))).gather(torch.arange(120)).tokens for s in (store, whole))
    assert one.equal(two)
    with pytest.raises(EncoderError, match="A worker failed: .*too hot.*the same command again goes on"):
        run_on_ray(_raise, [("too hot",)], lambda: None)
