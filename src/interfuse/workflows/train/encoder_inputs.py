"""What is prepared for an encoder that learns, as tables: pixels decoded when they are gathered, and token numbers."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from interfuse.core.tokens import Tokens
from interfuse.encoders import pad
from interfuse.workflows.encode import DECODERS, Opener


class PictureTable:
    """Pictures, a "token" for each row of pixels: its values in red, then in green, then in blue.

    Shape:
        gather: (batch, size, 3 · size).
    """

    grid = None

    def __init__(self, encoder: Any, openers: Sequence[Opener]) -> None:
        """Decode nothing yet.

        Args:
            encoder: brings a picture to the form it takes.
            openers: an item each; pictures that can be opened.
        """
        self.encoder, self.openers = encoder, list(openers)
        self.size = int(encoder.size)
        self.dim = 3 * self.size
        self._pool = ThreadPoolExecutor(DECODERS)

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.openers)

    def lengths(self, items: Int64[Tensor, " batch"]) -> Int64[Tensor, " batch"]:
        """Count the rows of pixels; item -1 has none."""
        return self.size * (items >= 0).long()

    def gather(self, items: Int64[Tensor, " batch"]) -> Tokens:
        """Decode these pictures; item -1 is missing (mask all False)."""
        tokens = torch.zeros(len(items), self.size, self.dim)
        numbers = items.tolist()
        for place, pixels in zip(range(len(items)), self._pool.map(self._decode, numbers), strict=True):
            if pixels is not None:
                tokens[place] = pixels
        return Tokens(tokens, (items >= 0).unsqueeze(1).expand(-1, self.size).contiguous())

    def _decode(self, item: int) -> Tensor | None:
        if item < 0:
            return None
        pixels: Tensor = self.encoder.prepare(self.openers[item]())
        return pixels.transpose(0, 1).flatten(1)


class TextTable:
    """Texts, a "token" of width 1 for each token number.

    Shape:
        gather: (batch, tokens, 1).
    """

    grid = None
    dim = 1

    def __init__(self, encoder: Any, texts: Mapping[str, str]) -> None:
        """Split the texts into token numbers.

        Args:
            encoder: splits them.
            texts: key to text, an item each.
        """
        self.ids: list[list[int]] = encoder.prepare(list(texts.values())).ids if texts else []
        self.filler = int(encoder.tokenizer.pad_token_id or 0)

    def __len__(self) -> int:
        """Count the texts."""
        return len(self.ids)

    def lengths(self, items: Int64[Tensor, " batch"]) -> Int64[Tensor, " batch"]:
        """Count the tokens; item -1 has none."""
        return torch.tensor([len(self.ids[item]) if item >= 0 else 0 for item in items.tolist()], dtype=torch.int64)

    def gather(self, items: Int64[Tensor, " batch"]) -> Tokens:
        """Return the token numbers of these texts, padded to the longest; item -1 is missing (mask all False)."""
        ids, mask = pad([self.ids[item] if item >= 0 else [] for item in items.tolist()], self.filler)
        return Tokens(ids.unsqueeze(-1).float(), mask)  # whole numbers to 2^24 are exact
