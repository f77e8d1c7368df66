"""Calls on a cluster that is begun for them and ends with them."""

import posixpath

import pytest

from interfuse.workflows.ray_cluster import run_on_ray


@pytest.mark.filterwarnings("ignore")
def test_without_a_cluster_one_of_so_many_workers_is_begun_and_stopped_in_the_end(monkeypatch):
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'interfuse[ray]'")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    ray.shutdown()  # another test's
    done: list[float] = []
    calls = [("a",), ("b",), ("c",)]  # a function of the standard library: its workers need not import torch
    joined = run_on_ray(posixpath.join, calls, lambda: done.append(ray.cluster_resources()["CPU"]), "/shared", 2)
    assert joined == ["/shared/a", "/shared/b", "/shared/c"]
    assert done == [2.0, 2.0, 2.0]
    assert not ray.is_initialized()
