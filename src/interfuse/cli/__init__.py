"""The command line: one file a command, which parses, calls one workflow and prints."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
"""Set before torch loads OpenMP: threads that spin while they wait take the cores from the decoding of pictures."""
