"""Diagnose a run: measure what it takes from each modality, and draw where it looks."""

from interfuse.settings import DiagnoseSettings
from interfuse.workflows.diagnose.diagnose import diagnose, diagnose_seeds, open_for_diagnosis

__all__ = [
    "DiagnoseSettings",
    "diagnose",
    "diagnose_seeds",
    "open_for_diagnosis",
]
