"""The command line's way in: errors are one line on stderr, and `--version` waits for nothing."""

import os
import sys
from importlib.metadata import version


def run(arguments: list[str] | None = None) -> None:
    """Run the command line; exit 0, 1 (error) or 2 (usage)."""
    words = sys.argv[1:] if arguments is None else arguments
    if words == ["--version"]:
        print(f"interfuse {version('interfuse')}")  # noqa: T201
        sys.exit(0)
    from interfuse.cli.app import app, check_shared, state
    from interfuse.cli.flags import spell_flags
    from interfuse.core.errors import InterfuseError
    from interfuse.training import launched, leave

    if not launched().leads:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (the first process tells)
    try:
        check_shared(next((word for word in words if not word.startswith("-")), ""))
        app(args=arguments)
    except InterfuseError as error:
        if state["debug"]:
            raise
        print(f"error: {spell_flags(str(error))}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    finally:
        leave()
