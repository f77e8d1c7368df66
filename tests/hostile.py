"""The suite on other kernels and on a busy machine, for `make test-hostile`: hours, so no part of the gate.

python -m tests.hostile [NAME …]   (none: all of them)

Tests that compare exactly run at each level of instructions that this processor has, with 1 and 2 threads. The whole
suite runs once with every matmul's outputs moved by one rounding step (`tests/rounding.py`: what another kernel would
do, on any processor), and once with six busy processes beside it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

LEVELS = {"DEFAULT": ("default",), "AVX2": ("default", "avx2"), "AVX512": ("default", "avx2", "avx512")}
BUSY = 6
"""Processes that count without end beside the suite."""


@dataclass(frozen=True)
class Setting:
    """One way of running the suite."""

    name: str
    variables: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    busy: int = 0


def settings() -> list[Setting]:
    """List the ways that this processor has."""
    capability = torch.backends.cpu.get_cpu_capability()
    kernels = {f"aten {level}": {"ATEN_CPU_CAPABILITY": level} for level in LEVELS.get(capability, ("default",))}
    if capability in ("AVX2", "AVX512"):
        kernels |= {"onednn avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2"}, "mkl compatible": {"MKL_CBWR": "COMPATIBLE"}}
    exact = [
        Setting(f"{name}, {threads} threads", {**variables, "OMP_NUM_THREADS": threads}, ("-m", "exact"))
        for name, variables in kernels.items()
        for threads in ("1", "2")
    ]
    moved = Setting("rounding", arguments=("-p", "tests.rounding", "--rounding-seed", "0"))
    return [*exact, moved, Setting("busy", busy=BUSY)]


def run(setting: Setting) -> tuple[int, str, float]:
    """Run the suite in one way; give the exit code, pytest's last line and the seconds."""
    given = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", **setting.variables}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal", *setting.arguments]
    begun = time.monotonic()
    with busy_processes(setting.busy):
        done = subprocess.run(command, env={**os.environ, **given}, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(done.stdout, flush=True)
    return done.returncode, done.stdout.strip().splitlines()[-1], time.monotonic() - begun


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Keep so many processes counting while the block runs."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def main(wanted: list[str]) -> int:
    """Run what was asked for and print a line for each."""
    chosen = [setting for setting in settings() if not wanted or any(word in setting.name for word in wanted)]
    failed = []
    for setting in chosen:
        code, told, seconds = run(setting)
        print(f"{setting.name}: {told} ({seconds / 60:.1f} min)", flush=True)
        if code:
            failed.append(setting.name)
    print(f"{len(chosen) - len(failed)} of {len(chosen)} ways are green{': not ' if failed else ''}{'; '.join(failed)}")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
