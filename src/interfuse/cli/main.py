"""The command line's way in: errors are one line on stderr, `--version` waits for nothing, Ctrl-C is one sentence."""

import io
import os
import sys

from interfuse.cli.interrupt import one_sentence


def run(arguments: list[str] | None = None) -> None:
    """Run the command line; exit 0, 1 (error), 2 (usage) or 130 (Ctrl-C)."""
    words = sys.argv[1:] if arguments is None else arguments
    command = next((word for word in words if not word.startswith("-")), "")
    with one_sentence(command):
        if words == ["--version"]:
            from importlib.metadata import version

            print(f"interfuse {version('interfuse')}")  # noqa: T201
            sys.exit(0)
        _run(arguments, command)


def _run(arguments: list[str] | None, command: str) -> None:
    from interfuse.cli.app import app, check_shared, state
    from interfuse.cli.flags import spell_flags
    from interfuse.core.errors import InterfuseError
    from interfuse.core.outside import describe_system_error, printable
    from interfuse.core.processes import launched

    if not launched().leads:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (the first process tells)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a path may hold bytes that are no UTF-8
    try:
        check_shared(command)
        app(args=arguments, prog_name="interfuse")
    except Exception as error:
        message = str(error) if isinstance(error, InterfuseError) else describe_system_error(error)
        if state["debug"] or message is None:
            raise
        print(f"error: {printable(spell_flags(message), lines=True)}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    finally:
        leave = getattr(sys.modules.get("interfuse.training"), "leave", None)  # absent: nothing was trained or joined
        if leave is not None:
            leave()
