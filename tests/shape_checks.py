"""Work without the checker of shapes, as users do: where a trace or a thousand steps are waited for, not looked at."""

from collections.abc import Iterator
from contextlib import contextmanager

import jaxtyping


@contextmanager
def unchecked() -> Iterator[None]:
    """Leave shapes unchecked: the checker triples the time of a trace, and doubles that of a training."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
