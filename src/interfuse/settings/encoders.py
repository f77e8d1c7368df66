"""Which encoders make the tokens, and where these are kept."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from interfuse.core.devices import check_device
from interfuse.core.errors import ConfigError, unknown
from interfuse.core.settings import at_least
from interfuse.settings.formats import Coding, Dtype


def default_store() -> Path:
    """Return the default folder of the token store: $INTERFUSE_STORE, else one in the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("INTERFUSE_STORE") or cache / "interfuse" / "store")


@dataclass(frozen=True)
class EncoderSettings:
    """Which encoders, and where their tokens are kept."""

    image_encoder: str = "efficientnet-lite0"
    """efficientnet-lite0, efficientnet-lite0-stride16, resnet50, a transformers hub id, or a local folder."""
    text_encoder: str = "minilm"
    """minilm, bert-base-uncased, a transformers hub id, or a local folder."""
    image_size: int | None = None
    """Height and width of the picture encoder's input in pixels; none: the encoder's own."""
    store: Path = field(default_factory=default_store)
    """Folder of the token store; not given: $INTERFUSE_STORE, else a folder in the user's cache."""
    device: str = "cpu"
    """Where encoders and trainings run: cpu, cuda, mps."""
    encoding_batch: int = 64
    """Pictures or texts a forward pass."""
    store_dtype: str = "bfloat16"
    """Number format of the tokens on disk; int8: 8 bits with a scale a token, half the size; float32: twice the size,
    and the encoders compute in float32 too, so that a whole export gives the very answers of the run."""
    store_dim: int | None = None
    """Principal components of the train tokens that are kept of each token; none: tokens as the encoder gives them."""
    finetuned: Mapping[str, Path] = field(default_factory=dict)
    """Modality to weights that replace its encoder's own; a run whose encoders learnt brings them."""

    def __post_init__(self) -> None:
        """Refuse a device that is not here, a number format that no store has, and a width below 1."""
        check_device(self.device)
        known = get_args(Coding)
        if self.store_dtype not in known:
            raise ConfigError(unknown("number format of the store", self.store_dtype, known))
        if self.store_dim is not None:
            at_least("the token store", 1, store_dim=self.store_dim)

    @property
    def encoder_dtype(self) -> Dtype:
        """Number format that the encoders compute in."""
        return "float32" if self.store_dtype == "float32" else "auto"
