"""How a prediction is cut up."""

from dataclasses import dataclass

from interfuse.core.settings import at_least
from interfuse.settings.portion import WHOLE, Portion

EVAL_BATCH = 128
"""Rows a forward pass: few enough to stay in a core's cache; with 512, mechanisms on tokens took a sixth longer."""
ROWS_PER_PART = 8 * EVAL_BATCH
"""Rows of a part by default: whole batches of the network, so that parts change nothing in them."""


@dataclass(frozen=True)
class StreamSettings:
    """How a prediction is cut up."""

    rows_per_part: int = ROWS_PER_PART
    """Rows that are predicted, and written, at once."""
    keep_tokens: bool | None = None
    """Whether new tokens are written to the store; none: only where all rows are one part."""
    portion: Portion = WHOLE
    """Which of the parts are this process's."""
    join: bool = True
    """Whether this process writes the output when all parts are there."""

    def __post_init__(self) -> None:
        """Refuse parts without rows."""
        at_least("predict", 1, rows_per_part=self.rows_per_part)
