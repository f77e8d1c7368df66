"""Workers that train: started from a server whose environment may be older than the study."""

import os
from typing import Any

from interfuse.workflows.train import runs
from tests.shape_checks import unchecked


def test_a_worker_has_the_environment_of_its_study_and_not_of_the_server(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "when the server was started")
    monkeypatch.setattr(runs, "_shared", {})
    nothing: Any = None
    with unchecked():
        runs._start(nothing, nothing, nothing, {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"})
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
