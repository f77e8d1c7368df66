"""Slow references: of every mechanism, a file a family, and of the statistics."""

import importlib
import pkgutil

for module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{module.name}")
