"""Interfuse builds, trains, compares and explains image-text fusion networks."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interfuse.doctor import examine
    from interfuse.estimator import FusionClassifier, FusionRegressor
    from interfuse.fusion import create_fusion, list_fusions
    from interfuse.workflows.compare.api import compare

__all__ = ["FusionClassifier", "FusionRegressor", "compare", "create_fusion", "examine", "list_fusions"]
_HOMES = {
    "FusionClassifier": "interfuse.estimator",
    "FusionRegressor": "interfuse.estimator",
    "compare": "interfuse.workflows.compare.api",
    "create_fusion": "interfuse.fusion",
    "examine": "interfuse.doctor",
    "list_fusions": "interfuse.fusion",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package costs little."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'interfuse' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
