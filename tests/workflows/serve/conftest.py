"""A small trained run, and the command that serves it in a process of its own, for all tests of `serve`."""

import pytest

from interfuse.core.design import Design
from interfuse.core.progress import Silent
from interfuse.data import SourceSettings
from interfuse.workflows import EncoderSettings, Source, train_run
from tests.workflows.serve.serving import make_shop, serving


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    pytest.importorskip("efficientnet_lite_pytorch", reason="the extra demo is not installed")
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def source(shop, tmp_path_factory):
    read = SourceSettings(image="photo", text="caption", label="tag")
    return Source(
        str(shop / "shop.parquet"), read, EncoderSettings(store=tmp_path_factory.mktemp("store"), image_size=64)
    )


@pytest.fixture(scope="session")
def run(source, tmp_path_factory):
    design = Design("cross_attention", dim=16, num_heads=2, epochs=2, batch_size=16)
    return train_run(source, tmp_path_factory.mktemp("run") / "run", design, progress=Silent())


@pytest.fixture(scope="session")
def served(run, source, tmp_path_factory):
    with serving(run.folder, source.data, tmp_path_factory.mktemp("open")) as server:
        yield server


@pytest.fixture(scope="session")
def locked(run, source, tmp_path_factory):
    """The same with a login."""
    with serving(run.folder, source.data, tmp_path_factory.mktemp("locked"), "--auth", "me:secret") as server:
        yield server
