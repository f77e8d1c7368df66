"""Where the module comes from that `interfuse doctor` examines: the registry, a package, a file."""

import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from interfuse.core.errors import ConfigError, unknown
from interfuse.fusion import FUSIONS, create_fusion


def find_maker(target: str, arguments: dict[str, Any], widths: dict[str, int]) -> Callable[[], nn.Module]:
    """Return the function that makes the module."""
    if ":" not in target:
        fields = {field.name for field in dataclasses.fields(FUSIONS.entry(target).config)}
        settings = {**{name: value for name, value in widths.items() if name in fields}, **arguments}
        return lambda: create_fusion(target, **settings)
    cls = _find(target)

    def make() -> nn.Module:
        try:
            module = cls(**arguments)
        except Exception as error:
            raise ConfigError(
                f"{target} cannot be made with {arguments or 'no settings'}: {type(error).__name__}: {error}. "
                "Give its arguments as name=value."
            ) from error
        if not isinstance(module, nn.Module):
            raise ConfigError(f"{target} makes a {type(module).__name__}; expected a torch.nn.Module.")
        return module

    return make


def _find(target: str) -> Callable[..., Any]:
    """Import package.module:Class or path/to/file.py:Class."""
    place, _, name = target.rpartition(":")
    module = _from_file(Path(place)) if place.endswith(".py") else _from_package(place)
    if not callable(getattr(module, name, None)):
        classes = [
            key for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, nn.Module)
        ]
        raise ConfigError(unknown(f"class of {place}:", name, classes))
    cls: Callable[..., Any] = getattr(module, name)
    return cls


def _from_package(place: str) -> Any:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(place)
    except ImportError as error:
        raise ConfigError(
            f"Cannot import {place}: {error}. Run where it can be imported, or give file.py:Class."
        ) from error
    finally:
        sys.path.remove(str(Path.cwd()))


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise ConfigError(f"There is no file {path}.")
    spec = importlib.util.spec_from_file_location(f"_examined_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
    return module
