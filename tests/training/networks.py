"""Small networks and inputs for the tests of what is read off a network."""

import torch

from interfuse.core.design import make_design
from interfuse.core.tokens import Tokens
from interfuse.training import ModalitySpec, Network

IMAGE, TEXT = (ModalitySpec(d, g, torch.zeros(d), torch.ones(d)) for d, g in ((7, (2, 3)), (5, None)))


def inputs(text_tokens: int = 4, batch: int = 4) -> tuple[Tokens, Tokens]:
    draw = torch.Generator().manual_seed(0)
    lengths = torch.tensor([text_tokens, 2, text_tokens, 1])[:batch]
    image, text = torch.randn(batch, 6, 7, generator=draw), torch.randn(batch, text_tokens, 5, generator=draw)
    return (
        Tokens(image, torch.ones(batch, 6, dtype=torch.bool)),
        Tokens(text, torch.arange(text_tokens) < lengths[:, None]),
    )


def build(fusion: str = "cross_attention", **given) -> Network:
    torch.manual_seed(0)
    return Network(make_design(fusion, given, {"dim": 16, "num_heads": 2}), IMAGE, TEXT, 3).eval()


def double(tokens: Tokens) -> Tokens:
    return Tokens(tokens.tokens.double(), tokens.mask)
