"""A slice of the true COCO, where it is there: counted by pycocotools, read by us, trained on end to end."""

import contextlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from interfuse.cli.app import app
from interfuse.core.files import read_json
from interfuse.data import SourceSettings, load_examples

PARTS = ("train2017", "val2017")


@pytest.fixture(scope="module")
def coco(request, tmp_path_factory):
    """The tar's pictures and annotations; $INTERFUSE_SHARED_DATA, or shared/data beside the checkout."""
    folder = os.environ.get("INTERFUSE_SHARED_DATA") or request.config.rootpath.parent / "shared" / "data"
    path = Path(folder) / "coco_mini.tar"
    if not path.is_file():
        pytest.skip(f"{path} is not there; INTERFUSE_SHARED_DATA names its folder")
    out = tmp_path_factory.mktemp("coco")
    with tarfile.open(path) as tar:
        tar.extractall(out, filter="data")
    return out


@pytest.mark.parametrize("part", PARTS)
def test_counts_of_the_true_files_equal_those_of_pycocotools(coco, part):
    oracle = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    with contextlib.redirect_stdout(io.StringIO()):
        instances = oracle.COCO(str(coco / "annotations" / f"instances_{part}.json"))
        captions = oracle.COCO(str(coco / "annotations" / f"captions_{part}.json"))
    found = load_examples(f"coco:{coco}", SourceSettings())
    assert found.troubles == ()
    rows = [row for row in found.table.to_pylist() if row["id"].startswith(part)]
    categories = instances.loadCats(instances.getCatIds())
    assert [category["name"] for category in categories] == list(found.label_names)
    assert len(categories) == 80
    assert len({row["image"] for row in rows}) == len(instances.getImgIds())
    texts = sorted(annotation["caption"].strip() for annotation in captions.loadAnns(captions.getAnnIds()))
    assert sorted(row["text"] for row in rows if row["text"] is not None) == texts
    for number, category in enumerate(categories):
        shown = {row["image"] for row in rows if number in row["label"]}
        assert len(shown) == len(instances.getImgIds(catIds=[category["id"]])), category["name"]


@pytest.mark.parametrize(("task", "metric"), [("multilabel", "mAP"), ("matching", "AUC")])
def test_both_tasks_run_from_the_true_layout_to_a_run(coco, tmp_path, task, metric):
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra encoders is not installed")
    store = ["--store", coco / "store", "--image-size", 32]
    terms = ["--fusion", "concat", "--dim", 16, "--epochs", 1, "--out", tmp_path / "run"]
    call = list(map(str, ["train", f"coco:{coco}", "--task", task, *store, *terms]))
    done = CliRunner().invoke(app, call, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    info = read_json(tmp_path / "run" / "run.json")
    assert (info["task"], len(info["label_names"])) == (task, 80 if task == "multilabel" else 2)
    assert 0 < info["metrics"]["test"][metric] <= 1
