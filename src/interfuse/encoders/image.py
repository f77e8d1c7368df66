"""Picture encoders of transformers: convolutional maps and vision transformers alike give a grid of tokens."""

import inspect
import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from interfuse.core.errors import EncoderError
from interfuse.encoders.base import autocast, resolve_dtype, to_square
from interfuse.encoders.hub import find_model, first_line, hash_model, load_model, load_processor
from interfuse.settings import Dtype

PACKAGED_WAY = "image_encoder=efficientnet-lite0"


class HubImageEncoder:
    """Any vision model of transformers: a grid of tokens from its last hidden state (a class token is dropped).

    Of a model with two towers, such as CLIP, the picture's is taken. The processor gives size, mean and deviation;
    the resize is ours: bicubic to a square, so that nothing is cropped away.
    """

    def __init__(self, name: str, image_size: int | None = None, dtype: Dtype = "auto", device: str = "cpu") -> None:
        """Load model and processor.

        Raises:
            EncoderError: there is no such model, it cannot be reached, or it takes no such pictures.
        """
        self.name = name
        folder = find_model(name, PACKAGED_WAY)
        model = load_model(name, folder)
        self.network = getattr(model, "vision_model", model).eval().requires_grad_(False)
        if getattr(self.network, "main_input_name", "") != "pixel_values":
            raise EncoderError(
                f"{name} is a {type(self.network).__name__}, which takes no pictures: give a vision model."
            )
        self.network.to(device, memory_format=torch.channels_last)
        processor = load_processor(name, folder)
        self.size, self.device, self.dtype = (
            image_size or processor_side(processor),
            device,
            resolve_dtype(dtype, device),
        )
        self._read_scaling(processor)
        self.grid, self.dim = self._probe()
        self.signature: dict[str, Any] = {
            "name": name,
            "weights": hash_model(folder),
            "preprocessing": f"bicubic {self.size}x{self.size}, {self.scaling}",
            "dtype": self.dtype,
        }

    def prepare(self, picture: Image.Image) -> Float[Tensor, "3 height width"]:
        """Resize to a square (nothing is cropped away) and normalise with the processor's mean and deviation."""
        return (to_square(picture, self.size) * self.factor - self.mean) / self.std

    @torch.inference_mode()
    def encode(self, pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch tokens dim"]:
        """Encode a batch."""
        batch = pictures.to(self.device).contiguous(memory_format=torch.channels_last)
        with autocast(self.dtype, self.device):
            tokens = self.compute(batch)
        return tokens.float().cpu()

    def compute(self, pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch tokens dim"]:
        """Return the tokens and nothing else, for tracing: no move, no change of dtype."""
        return self._grid(pictures)[0]

    def _read_scaling(self, processor: Any) -> None:
        """Take over what the processor does to the values of pixels."""
        offset = 1.0 if getattr(processor, "rescale_offset", False) else 0.0
        self.factor = float(processor.rescale_factor) if getattr(processor, "do_rescale", True) else 1.0
        normalise = getattr(processor, "do_normalize", True)
        mean = [value + offset for value in (processor.image_mean if normalise else (0.0, 0.0, 0.0))]
        std = list(processor.image_std if normalise else (1.0, 1.0, 1.0))
        self.mean, self.std = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
        self.scaling = f"pixels*{self.factor!r}, mean {mean}, std {std}"

    def _probe(self) -> tuple[tuple[int, int] | None, int]:
        """Encode one empty picture, to learn the grid and the width."""
        try:
            with torch.inference_mode():
                tokens, grid = self._grid(torch.zeros(1, 3, self.size, self.size, device=self.device))
        except (ValueError, RuntimeError) as error:
            own = getattr(self.network.config, "image_size", "its own")
            raise EncoderError(
                f"{self.name} takes no pictures of {self.size} × {self.size} pixels: {first_line(error)} "
                f"Leave the image size out, or give {own}."
            ) from error
        return grid, tokens.shape[2]

    def _grid(self, pictures: Tensor) -> tuple[Tensor, tuple[int, int] | None]:
        config, extra_settings = self.network.config, {}
        resized = self.size != getattr(config, "image_size", self.size)
        if resized and "interpolate_pos_encoding" in inspect.signature(self.network.forward).parameters:
            extra_settings["interpolate_pos_encoding"] = True
        states: Tensor = self.network(pixel_values=pictures, **extra_settings).last_hidden_state
        if states.dim() == 4:  # a convolutional map (batch, channels, rows, columns)
            return states.flatten(2).transpose(1, 2), (states.shape[2], states.shape[3])
        patch = getattr(config, "patch_size", None)
        side = self.size // patch if isinstance(patch, int) else 0
        extra = states.shape[1] - side * side
        if side and extra >= 0:  # class, distillation and register tokens stand first
            return states[:, extra:], (side, side)
        side = math.isqrt(states.shape[1])  # one that merges patches, such as Swin, has no class token
        return states, (side, side) if side * side == states.shape[1] else None


def default_hub_image_size(name: str) -> int:
    """Read the side in pixels from a model's picture processor, without opening its weights.

    Raises:
        EncoderError: there is no such model, or it has no picture processor.
    """
    folder: Path = find_model(name, PACKAGED_WAY)
    return processor_side(load_processor(name, folder))


def processor_side(processor: Any) -> int:
    """Read the side of the picture from a processor's size, which has several spellings."""
    for size in (getattr(processor, "crop_size", None), processor.size):
        if size:
            values = dict(size)
            return int(values.get("height") or values.get("shortest_edge") or 224)
    return 224
