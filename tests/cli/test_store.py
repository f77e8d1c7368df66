"""The store's commands on a small store: what is listed, found damaged, and removed."""

import json

import pytest
import torch
from typer.testing import CliRunner

from interfuse.cli.app import app
from interfuse.core.errors import DataError, StoreError
from interfuse.store import TokenStore, fit_projection, save_projections

USED, OTHER = {"name": "used"}, {"name": "other"}


def run(*arguments, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["store", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def root(tmp_path):
    for signature in (USED, OTHER):
        with TokenStore(tmp_path / "store", signature, 4).writer() as writer:
            for number in range(3):
                writer.add(f"{number:032x}", torch.ones(2, 4) * number)
    (tmp_path / "store" / "not ours").mkdir()
    study = tmp_path / "study"
    study.mkdir()
    (study / "study.json").write_text(json.dumps({"encoders": {"image": USED, "text": USED}}))
    return tmp_path


def test_ls_says_what_each_encoder_holds(root):
    shown = run("ls", "--store", root / "store")
    assert "used-" in shown
    assert shown.count("3 items, 1 shards") == 2
    assert "2 encoders" in shown


def test_verify_finds_the_flipped_byte_and_the_item_is_missing_from_then_on(root):
    assert run("verify", "--store", root / "store").count("3 items, 0 damaged") == 2
    store = TokenStore(root / "store", USED, 4)
    (path,) = store.folder.glob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-3 * 16 - 1] ^= 1  # the keys stand last, the tokens before them
    path.unlink()
    path.write_bytes(content)
    assert "3 items, 1 damaged" in run("verify", "--store", root / "store", code=1)
    assert TokenStore(root / "store", USED, 4).missing([f"{n:032x}" for n in range(3)]) == [f"{2:032x}"]
    path.write_bytes(content[:50])
    assert "warning: " in run("verify", "--store", root / "store", code=1)
    assert "warning: " in run("ls", "--store", root / "store")


def test_gc_lists_what_no_study_uses_and_removes_it_only_when_told(root):
    shown = run("gc", root / "study", "--store", root / "store")
    assert "would remove other-" in shown
    assert "used-" not in shown
    assert len(list((root / "store").iterdir())) == 3
    assert "removed other-" in run("gc", root / "study", "--store", root / "store", "--delete")
    assert sorted(path.name.split("-")[0] for path in (root / "store").iterdir()) == ["not ours", "used"]


def test_gc_removes_nothing_where_a_study_cannot_be_read(root):
    with pytest.raises(DataError, match=r"neither a study nor a run \(no study.json, no run.json\)"):
        run("gc", root, "--store", root / "store", "--delete")
    (root / "study" / "study.json").write_text("{}")
    with pytest.raises(DataError, match="Nothing is removed while that is so"):
        run("gc", root / "study", "--store", root / "store", "--delete")
    with pytest.raises(StoreError, match="There is no token store at"):
        run("ls", "--store", root / "nowhere")
    assert len(list((root / "store").iterdir())) == 3


def test_gc_removes_the_projections_that_no_study_used(root):
    fitted = [fit_projection([torch.randn(20, 4, generator=torch.Generator().manual_seed(n))], 2) for n in (0, 1)]
    (root / "store" / "projections").mkdir()
    for name, projection in zip(("kept", "left"), fitted, strict=True):
        save_projections(root / "store" / "projections" / f"{name}.safetensors", {"image": projection})
    image = {**USED, "projection": {"dim": 2, "digest": fitted[0].digest}}
    (root / "study" / "study.json").write_text(json.dumps({"encoders": {"image": image, "text": USED}}))
    shown = run("gc", root / "study", "--store", root / "store")
    assert "would remove projections/left.safetensors" in shown
    assert "kept.safetensors" not in shown
    assert "removed projections/left" in run("gc", root / "study", "--store", root / "store", "--delete")
    assert [path.name for path in (root / "store" / "projections").iterdir()] == ["kept.safetensors"]
