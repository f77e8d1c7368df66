"""Every error that a user can meet, and the way we suggest a near name."""

import difflib
import importlib
import importlib.util
from collections.abc import Iterable
from types import ModuleType


class InterfuseError(Exception):
    """Base of all our errors; the command line prints it as one line and exits with 1."""


class ConfigError(InterfuseError, ValueError):
    """A setting cannot work, or is not known."""


class ShapeError(InterfuseError, ValueError):
    """A tensor does not have the shape that was promised."""


class DataError(InterfuseError, ValueError):
    """Rows, columns, pictures or splits are not what the task needs."""


class EncoderError(InterfuseError, RuntimeError):
    """An encoder cannot be made, found or reached."""


class StoreError(InterfuseError, RuntimeError):
    """Tokens on disk cannot be written or trusted."""


class OutputError(InterfuseError, OSError):
    """A file cannot be written where it was asked for."""


class OutOfFilesError(InterfuseError, RuntimeError):
    """This process may open no more files: nothing is wrong with the file that was asked for."""


class WorkerError(InterfuseError, RuntimeError):
    """A process that was started for a part of the work ended before it was done."""


class ExportError(InterfuseError, RuntimeError):
    """A trained model cannot leave the library, or what left it does not agree with it."""


class HubError(InterfuseError, RuntimeError):
    """A hub of models cannot be reached, or refuses."""


class ExtraMissingError(InterfuseError, ImportError):
    """A package of an optional extra is not installed."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a name that is not known: it suggests the nearest and lists the rest."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"Unknown {kind} {name!r}.{hint} Known: {', '.join(names) or 'none'}."


def require(module: str, extra: str) -> ModuleType:
    """Import a module of an optional extra, or say which extra to install.

    Raises:
        ExtraMissingError: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise _missing(module, extra) from error


def check_installed(module: str, extra: str) -> None:
    """Refuse to go on without a module of an optional extra; it is not imported.

    Raises:
        ExtraMissingError: the module is not installed.
    """
    if importlib.util.find_spec(module) is None:
        raise _missing(module, extra)


def _missing(module: str, extra: str) -> ExtraMissingError:
    return ExtraMissingError(
        f"{module} is not installed; it comes with the extra {extra!r}. Fix: pip install 'interfuse[{extra}]'."
    )
