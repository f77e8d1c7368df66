"""Interfuse builds, trains, compares and explains image-text fusion networks in PyTorch.

    import interfuse

    rows = {"image": "photo", "text": "title", "label": "category", "image_folder": "photos"}  # columns of the table
    study = interfuse.compare("products.csv", **rows, fusions=["concat", "cross_attention"], seeds=2)
    print(study.summary().verdict)                # which design is best, and whether the gain is real
    run = study.run("cross_attention")            # `interfuse.train` makes one without a comparison
    interfuse.predict(run, "new.csv", image_folder="photos").write("predictions.csv")
    print(interfuse.diagnose(run, "products.csv", **rows).verdict)  # does it use and need both modalities?

`rank` puts the studies of several data sets together: which design is best over data sets like these.
`evaluate` scores a run, `load_run` opens one; `FusionClassifier` and `FusionRegressor` are scikit-learn estimators.
`create_fusion` makes a mechanism of `list_fusions()` as an `nn.Module`; `examine` finds the faults of your own.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interfuse.core.design import Design
    from interfuse.doctor import examine
    from interfuse.estimator import FusionClassifier, FusionRegressor
    from interfuse.fusion import create_fusion, list_fusions
    from interfuse.training import load_run
    from interfuse.workflows.compare.api import compare
    from interfuse.workflows.diagnose.api import diagnose
    from interfuse.workflows.predict.api import evaluate, predict
    from interfuse.workflows.rank import rank
    from interfuse.workflows.study import Study
    from interfuse.workflows.train.api import train

    __version__: str

__all__ = [
    "Design",
    "FusionClassifier",
    "FusionRegressor",
    "Study",
    "compare",
    "create_fusion",
    "diagnose",
    "evaluate",
    "examine",
    "list_fusions",
    "load_run",
    "predict",
    "rank",
    "train",
]
_HOMES = {
    "Design": "interfuse.core.design",
    "FusionClassifier": "interfuse.estimator",
    "FusionRegressor": "interfuse.estimator",
    "Study": "interfuse.workflows.study",
    "compare": "interfuse.workflows.compare.api",
    "create_fusion": "interfuse.fusion",
    "diagnose": "interfuse.workflows.diagnose.api",
    "evaluate": "interfuse.workflows.predict.api",
    "examine": "interfuse.doctor",
    "list_fusions": "interfuse.fusion",
    "load_run": "interfuse.training",
    "predict": "interfuse.workflows.predict.api",
    "rank": "interfuse.workflows.rank",
    "train": "interfuse.workflows.train.api",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package costs little."""
    import importlib

    if name == "__version__":
        from importlib.metadata import version

        return version("interfuse")
    if name not in _HOMES:
        raise AttributeError(f"module 'interfuse' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names, whether or not they were imported yet."""
    return sorted([*__all__, "__version__"])
