"""An open encoder and what every command asks of it: what decides its tokens, its store, and its pictures opened."""

from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

from PIL import Image

from interfuse.data import DRAFT_PIXELS, open_picture
from interfuse.encoders import Dtype, load_image_encoder, load_text_encoder
from interfuse.settings import EncoderSettings
from interfuse.store import Coding, Projection, TokenStore
from interfuse.workflows.encode.projected import project


@dataclass(frozen=True)
class Tower:
    """An open encoder of pictures or of texts, whose tokens are projected where a run's are."""

    encoder: Any
    """An `ImageEncoder` or a `TextEncoder`."""
    coding: Coding
    """How its tokens lie on disk."""

    @property
    def signature(self) -> dict[str, Any]:
        """What decides the tokens as they come from the store; a run keeps it."""
        return _sign(self.encoder, self.coding)

    def open_picture(self, path: str | Path | BufferedReader) -> Image.Image:
        """Decode a picture; of a huge JPEG no more than the encoder's resize can tell.

        Raises:
            PictureError: the file cannot be decoded.
        """
        size = getattr(self.encoder, "size", None)
        return open_picture(path, None if size is None else 4 * size, DRAFT_PIXELS)

    def store(self, root: Path, coding: Coding | None = None) -> TokenStore:
        """Open the store of its tokens.

        Args:
            root: folder of the stores.
            coding: how the tokens lie on disk; none: as the tower's do.
        """
        coding = coding or self.coding
        grid = getattr(self.encoder, "grid", None)
        return TokenStore(root, _sign(self.encoder, coding), self.encoder.dim, grid, coding)

    def projected(self, projection: Projection | None) -> "Tower":
        """Return the tower with projected tokens; itself where there is no projection."""
        return replace(self, encoder=project(self.encoder, projection))


def open_tower(
    modality: str,
    settings: EncoderSettings,
    finetuned: Path | None = None,
    projection: Projection | None = None,
    dtype: Dtype | None = None,
) -> Tower:
    """Open the image or the text encoder.

    Args:
        modality: image or text.
        settings: which encoders, where they run, and how their tokens are kept.
        finetuned: weights that replace the encoder's own.
        projection: what its tokens are projected by.
        dtype: number format that it computes in; none: the settings'.

    Raises:
        EncoderError: there is no such encoder, it cannot be reached, or the weights are another's.
        ExtraMissingError: the packaged encoder's packages are not installed.
    """
    dtype = dtype or settings.encoder_dtype
    encoder: Any
    if modality == "image":
        encoder = load_image_encoder(settings.image_encoder, settings.image_size, dtype, settings.device, finetuned)
    else:
        encoder = load_text_encoder(settings.text_encoder, dtype, settings.device, finetuned)
    return Tower(encoder, cast(Coding, settings.store_dtype)).projected(projection)


def _sign(encoder: Any, coding: Coding) -> dict[str, Any]:
    """Return what decides the bytes of a store; bfloat16 goes without saying."""
    return {**encoder.signature, **({} if coding == "bfloat16" else {"coding": coding})}
