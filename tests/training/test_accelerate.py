"""Accelerate's state of a process, which only a private call clears: the versions in which that call was tried."""

from importlib.metadata import version

import pytest
from accelerate import Accelerator

from interfuse.training.loop import _accelerator

TRIED = ("1.10", "1.11", "1.12", "1.13", "1.14", "1.15")
"""Releases whose `AcceleratorState._reset_state` was seen to do what the loop needs."""


def test_the_private_reset_was_tried_in_this_version_of_accelerate():
    installed = version("accelerate")
    assert installed.rsplit(".", 1)[0] in TRIED, (
        f"accelerate {installed}: `AcceleratorState._reset_state`, which `training/loop.py` calls, was tried in "
        f"{', '.join(TRIED)}. Run the tests of this file and of tests/training with it; where they pass, add it here."
    )


def test_a_training_may_have_another_precision_than_the_one_before():
    made = [_accelerator(precision, "cpu").mixed_precision for precision in ("float32", "bfloat16", "float32")]
    assert made == ["no", "bf16", "no"]
    with pytest.raises(ValueError, match="already been initialized"):  # what the reset is for; else it could go
        Accelerator(cpu=True, mixed_precision="bf16")
