"""`python -m interfuse`: the command line, for launchers that start a module, such as torchrun."""

from interfuse.cli.main import run

if __name__ == "__main__":
    run()
