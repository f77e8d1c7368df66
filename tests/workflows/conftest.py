"""The Ray cluster that the tests of several rooms call."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def ray_cluster(tmp_path_factory, request) -> Path:
    """Begin a Ray cluster of two workers; return the folder that they stand in, which is empty.

    It goes on for the next test, whose workers then have everything imported, and ends with the process.
    """
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'interfuse[ray]'")
    if not ray.is_initialized():
        elsewhere, root = tmp_path_factory.mktemp("elsewhere"), request.config.rootpath
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", f"{root}/src:{root}:{os.environ.get('PYTHONPATH', '')}")
            patch.chdir(elsewhere)
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
        request.config.stash[ELSEWHERE] = elsewhere
    return request.config.stash[ELSEWHERE]


ELSEWHERE = pytest.StashKey[Path]()
"""Where the workers of the cluster stand."""
