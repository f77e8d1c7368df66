"""Devices that a machine lacks are refused in words."""

import pytest
import torch

from interfuse.core.devices import check_device
from interfuse.core.errors import ConfigError
from interfuse.workflows import EncoderSettings


@pytest.mark.parametrize("name", ["foo", "meta", "cuda:x", ""])
def test_a_device_that_is_none_is_refused(name):
    with pytest.raises(ConfigError, match=f"Unknown device '{name}'. Known: cpu, cuda, mps, xpu"):
        EncoderSettings(device=name)


def test_a_device_that_this_machine_lacks_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match=r"There is no cuda device here that this build of torch .* Leave device out"):
        EncoderSettings(device="cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    check_device("cuda:1")
    with pytest.raises(ConfigError, match="There is no device cuda:2: this machine has 2 of the kind"):
        check_device("cuda:2")
    check_device("cpu:0")
