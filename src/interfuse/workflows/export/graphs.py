"""What is traced: the head on tokens, and the whole model on pixels and token numbers; probabilities come out."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.export import Dim

from interfuse.core.tokens import Tokens
from interfuse.training import Network, to_probs


class HeadGraph(nn.Module):
    """Adapters → fusion → head → probabilities.

    Shape:
        (batch, image_tokens, image_dim), (batch, text_tokens, text_dim) and their masks -> (batch, classes).
    """

    def __init__(self, network: Network, task: str) -> None:
        """Wrap a trained network."""
        super().__init__()
        self.network, self.task = network, task

    def forward(
        self,
        image: Float[Tensor, "batch image_tokens image_dim"],
        image_mask: Bool[Tensor, "batch image_tokens"],
        text: Float[Tensor, "batch text_tokens text_dim"],
        text_mask: Bool[Tensor, "batch text_tokens"],
    ) -> Float[Tensor, "batch classes"]:
        """Compute the probabilities."""
        return to_probs(self.network(Tokens(image, image_mask), Tokens(text, text_mask)).logits, self.task)

    def example(self) -> dict[str, Tensor]:
        """Return the inputs that it is traced with: sizes above 1, all different."""
        image, text = (len(adapter.mean) for adapter in self.network.adapters)
        return {
            "image": torch.randn(3, 5, image),
            "image_mask": torch.ones(3, 5, dtype=torch.bool),
            "text": torch.randn(3, 7, text),
            "text_mask": torch.ones(3, 7, dtype=torch.bool),
        }

    def shapes(self) -> tuple[dict[int, Any], ...]:
        """Return which axes are free, for `torch.export`."""
        batch, image, text = Dim("batch"), Dim("image_tokens"), Dim("text_tokens")
        return {0: batch, 1: image}, {0: batch, 1: image}, {0: batch, 1: text}, {0: batch, 1: text}


class WholeGraph(nn.Module):
    """Encoders → adapters → fusion → head → probabilities; each picture is encoded once however many rows show it.

    Shape:
        (pictures, 3, size, size), (batch), (batch, words) and its mask -> (batch, classes).
    """

    def __init__(self, image_encoder: Any, text_encoder: Any, network: Network, task: str) -> None:
        """Wrap both encoders and a trained network."""
        super().__init__()
        self.image_encoder, self.text_encoder = image_encoder, text_encoder
        self.towers = nn.ModuleList([image_encoder.network, text_encoder.network])
        self.network, self.task = network, task

    def forward(
        self,
        pixels: Float[Tensor, "pictures 3 height width"],
        picture: Int64[Tensor, " batch"],
        ids: Int64[Tensor, "batch words"],
        ids_mask: Bool[Tensor, "batch words"],
    ) -> Float[Tensor, "batch classes"]:
        """Compute the probabilities; `picture` is the picture of each row, -1 = missing."""
        tokens = self.image_encoder.compute(pixels)
        absent = tokens.new_zeros(1, tokens.shape[1], tokens.shape[2])  # one more item, for rows without a picture
        mask = torch.cat([tokens.new_ones(tokens.shape[:2]), absent[:, :, 0]]) > 0
        image = Tokens(torch.cat([tokens, absent]), mask)
        index = picture.where(picture >= 0, torch.full_like(picture, tokens.shape[0]))
        text = Tokens(self.text_encoder.compute(ids, ids_mask), ids_mask)
        return to_probs(self.network(image, text, index).logits, self.task)

    def example(self) -> dict[str, Tensor]:
        """Return the inputs that it is traced with: sizes above 1, all different."""
        size = self.image_encoder.size
        return {
            "pixels": torch.zeros(2, 3, size, size),
            "picture": torch.tensor([0, 1, 1]),
            "ids": torch.ones(3, 7, dtype=torch.int64),
            "ids_mask": torch.ones(3, 7, dtype=torch.bool),
        }

    def shapes(self) -> tuple[dict[int, Any], ...]:
        """Return which axes are free, for `torch.export`."""
        batch, words = Dim("batch"), Dim("words", max=self.text_encoder.max_length)
        return {0: Dim("pictures")}, {0: batch}, {0: batch, 1: words}, {0: batch, 1: words}
