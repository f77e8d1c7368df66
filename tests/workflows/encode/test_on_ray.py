"""Workers of Ray: a portion each, and a worker killed in the middle loses nothing."""

import os
import signal
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import interfuse
from interfuse.cli.app import app
from interfuse.core.errors import ConfigError, EncoderError, ExtraMissingError
from interfuse.core.progress import Silent
from interfuse.core.records import read_table
from interfuse.data import SourceSettings
from interfuse.reports import to_json
from interfuse.settings import Portion
from interfuse.store import TokenStore
from interfuse.store.shard import Header, map_tokens, read_items, tensor_dtype
from interfuse.workflows import EncoderSettings, Source
from interfuse.workflows.encode.encode import encode_pictures
from interfuse.workflows.encode.on_ray import encode_on_workers
from interfuse.workflows.ray_cluster import run_on_ray
from interfuse.workflows.source.source import with_absolute_paths
from tests.workflows.encode.test_encode import ToyImages, copies, openers


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


def test_paths_are_written_from_the_root_for_workers_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("a")
    (tmp_path / "tower").mkdir()
    read = SourceSettings(image_folder="photos", validation="v.csv", join="more.csv:key=id", unpack_to="cache")
    encode = EncoderSettings(store=Path("store"), text_encoder="tower")
    found = with_absolute_paths(Source("rows.csv", read, encode))
    root = str(tmp_path)
    assert (found.data, found.read.join) == (f"{root}/rows.csv", f"{root}/more.csv:key=id")
    assert (found.read.image_folder, found.read.validation) == (f"{root}/photos", f"{root}/v.csv")
    assert (found.read.unpack_to, found.encode.store) == (f"{root}/cache", tmp_path / "store")
    assert (found.encode.image_encoder, found.encode.text_encoder) == ("efficientnet-lite0", f"{root}/tower")
    for data, wanted in {
        "wds:a-{0..3}.tar": f"wds:{root}/a-{{0..3}}.tar",
        "hf:owner/name": "hf:owner/name",
        "hf:tower": f"hf:{root}/tower",
        "easy-vqa": "easy-vqa",
        "known:xor": "known:xor",
    }.items():
        assert with_absolute_paths(Source(data, read, encode)).data == wanted


@pytest.mark.filterwarnings("ignore")
@pytest.mark.processes
def test_encode_by_ray_from_another_folder_gives_the_bytes_of_one_process(ray_cluster, tmp_path, monkeypatch):
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra encoders is not installed")
    (tmp_path / "shop").mkdir()
    for number in range(12):
        Image.new("RGB", (20, 20), (20 * number, 9, 9)).save(tmp_path / "shop" / f"{number}.png")
    lines = [f"{number}.png,{'word ' * (number % 4 + 1)}{number}" for number in range(12)]
    (tmp_path / "shop" / "rows.csv").write_text("image,text\n" + "\n".join(lines))
    monkeypatch.chdir(tmp_path / "shop")
    for store, more in (("one", []), ("many", ["--launcher", "ray", "--jobs", "2"])):
        call = ["encode", "rows.csv", "--image-size", "32", "--store", store, *more]
        assert CliRunner().invoke(app, call, catch_exceptions=False).exit_code == 0
    assert not list(ray_cluster.iterdir())
    one, many = (held(tmp_path / "shop" / store) for store in ("one", "many"))
    assert len(one) == 24
    assert one == many


def held(root: Path) -> dict[tuple[str, bytes], bytes]:
    """Return the bytes of each item of every encoder's folder."""
    found = {}
    for path in root.glob("*/*.tokens.safetensors"):
        header = Header(path)
        items = read_items(path, header.place("tokens")[1][1], tensor_dtype(header))
        tokens = map_tokens(path)
        keys = items["keys"].tobytes()
        for place, (start, length) in enumerate(zip(items["start"], items["length"], strict=True)):
            key = path.parent.name, keys[16 * place : 16 * place + 16]
            assert key not in found
            found[key] = tokens[start : start + length].contiguous().view(torch.uint8).numpy().tobytes()
    return found


def _raise(reason: str) -> None:
    raise ValueError(reason)


def test_a_comparison_refuses_another_launcher(tmp_path):
    with pytest.raises(ConfigError, match="Unknown launcher 'dask'. Known: ray"):
        interfuse.compare("known:xor", fusions=["product"], seeds=1, epochs=1, out=tmp_path / "s", launcher="dask")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.processes
def test_trainings_on_ray_give_the_bytes_of_trainings_here(ray_cluster, tmp_path):
    terms = {"fusions": ["product"], "seeds": 2, "epochs": 2, "dim": 16, "num_heads": 2}
    here = interfuse.compare("known:xor", out=tmp_path / "here", **terms)
    there = interfuse.compare("known:xor", out=tmp_path / "there", launcher="ray", jobs=2, **terms)
    pairs = list(zip(here.trials(), there.trials(), strict=True))
    assert len(pairs) == 13
    for one, two in pairs:
        assert read_table(one.folder / "predictions.parquet").equals(read_table(two.folder / "predictions.parquet"))
    assert to_json(here.summary()).count("verdict") == to_json(there.summary()).count("verdict") > 0


@pytest.mark.filterwarnings("ignore")
def test_a_worker_of_ray_that_is_killed_in_the_middle_loses_nothing(ray_cluster, tmp_path):
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
