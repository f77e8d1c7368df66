"""Whether this machine has the device that is asked for, and how many of its threads torch uses.

Torch is imported where it is asked: settings, which check their device, are to be made without it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from interfuse.core.errors import ConfigError

KNOWN = ("cpu", "cuda", "mps", "xpu")


def check_device(name: str) -> None:
    """Refuse a device that is unknown, or that this machine does not have.

    >>> check_device("cpu")

    Raises:
        ConfigError: the name is no device, or torch finds none of the kind.
    """
    if name == "cpu":
        return
    device = None
    if str(name).partition(":")[0] in KNOWN:
        import torch

        with suppress(RuntimeError, TypeError):
            device = torch.device(name)
    if device is None or device.type not in KNOWN:
        raise ConfigError(f"Unknown device {name!r}. Known: {', '.join(KNOWN)}, and one of several as cuda:1.")
    count = _count(device.type)
    if count == 0:
        raise ConfigError(
            f"There is no {device.type} device here that this build of torch ({torch.__version__}) can use. "
            "Leave device out for the CPU, or install torch for the device."
        )
    if (device.index or 0) >= count:
        raise ConfigError(f"There is no device {name}: this machine has {count} of the kind, counted from 0.")


def _count(kind: str) -> int:
    import torch

    if kind == "mps":
        return int(torch.backends.mps.is_available())
    return {"cuda": torch.cuda.device_count, "xpu": torch.xpu.device_count}[kind]() if kind != "cpu" else 1


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Let torch use this many CPU threads for a while."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
