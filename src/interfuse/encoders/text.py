"""Text encoders of transformers: every state of the last hidden layer is a token."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from interfuse.core.errors import EncoderError
from interfuse.core.tokens import Tokens
from interfuse.encoders.base import PreparedTexts, autocast, hash_files, pad, resolve_dtype
from interfuse.encoders.hub import find_model, hash_model, load_model, load_tokenizer
from interfuse.settings import Dtype

TOKENIZER_FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "tokenizer.model"),
)
MAX_LENGTH = 512
"""Longest text in tokens where neither tokenizer nor model names a limit."""


class HubTextEncoder:
    """Any text model of transformers: all states of its last hidden layer, special tokens included.

    Of a model with two towers, such as CLIP, the text's is taken; of an encoder-decoder, the encoder.
    """

    def __init__(self, name: str, dtype: Dtype = "auto", device: str = "cpu", folder: Path | None = None) -> None:
        """Load model and tokenizer.

        Raises:
            EncoderError: there is no such model, it cannot be reached, or it takes no texts.
        """
        self.name = name
        folder = folder or find_model(name, "text_encoder=minilm")
        model = load_model(name, folder)
        network = getattr(model, "text_model", model)
        if getattr(network, "main_input_name", "") != "input_ids":
            raise EncoderError(f"{name} is a {type(network).__name__}, which takes no texts: give a text model.")
        if getattr(network.config, "is_encoder_decoder", False):
            network = network.get_encoder()
        self.network = network.eval().requires_grad_(False).to(device)
        self.tokenizer = load_tokenizer(name, folder)
        places = getattr(self.network.config, "max_position_embeddings", None) or MAX_LENGTH
        self.max_length = int(min(self.tokenizer.model_max_length, places))
        self.dim = int(self.network.config.hidden_size)
        self.device, self.dtype = device, resolve_dtype(dtype, device)
        own = self.tokenizer
        self._filler = next((n for n in (own.eos_token_id, own.unk_token_id, own.pad_token_id) if n is not None), 0)
        vocabulary = hash_files(path for path in folder.iterdir() if path.name in TOKENIZER_FILES)
        self.signature: dict[str, Any] = {
            "name": name,
            "weights": hash_model(folder),
            "preprocessing": f"tokenizer {vocabulary}, cut at {self.max_length}",
            "dtype": self.dtype,
        }

    def prepare(self, texts: Sequence[str]) -> PreparedTexts:
        """Tokenize texts into token ids, special ones added; a longer text is cut and counted.

        A text that a tokenizer without special tokens splits into nothing becomes one end-of-text token, so that it
        is not mistaken for a missing one.
        """
        full = self.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        cut = sum(len(row) > self.max_length for row in full)
        if cut:
            full = self.tokenizer(list(texts), truncation=True, max_length=self.max_length)["input_ids"]
        return PreparedTexts([list(row) or [self._filler] for row in full], cut)

    @torch.inference_mode()
    def encode(self, ids: list[list[int]]) -> Tokens:
        """Encode a batch of token ids."""
        padded, mask = pad(ids, self.tokenizer.pad_token_id or 0)
        with autocast(self.dtype, self.device):
            states = self.compute(padded.to(self.device), mask.to(self.device))
        return Tokens(states.float().cpu(), mask)

    def compute(
        self, ids: Int64[Tensor, "batch tokens"], mask: Bool[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Return the states and nothing else, for tracing: no move, no change of dtype."""
        states: Tensor = self.network(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return states
