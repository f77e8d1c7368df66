"""Modules with one subtle defect each, or with what looks like one and is none; `SUBTLE` says what must be found."""

import random

import numpy as np
import torch
from torch import nn

WIDTH = 16


class Gated(nn.Module):
    """A sound gate on both; what follows breaks one thing or only looks as if."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(WIDTH, WIDTH)
        self.text = nn.Linear(WIDTH, WIDTH)

    def forward(self, image, text):
        return torch.tanh(self.image(image)) * torch.tanh(self.text(text))


class NoiseOfNumPy(Gated):
    def forward(self, image, text):
        return super().forward(image, text) * (1 + 1e-3 * np.random.rand())


class NoiseOfPython(Gated):
    def forward(self, image, text):
        return super().forward(image, text) * (1 + 1e-3 * random.random())


class CountsItsCalls(Gated):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, image, text):
        self.calls += 1
        return super().forward(image, text) * self.calls


class SeldomDropsTheImage(Gated):
    def forward(self, image, text):
        return super().forward(torch.zeros_like(image) if random.random() < 0.1 else image, text)


class DrawsForNothing(Gated):
    def forward(self, image, text):
        torch.rand(1)
        return super().forward(image, text)


class ManyExperts(nn.Module):
    """One of 64 experts a row, chosen by the router: the few rows of a usual batch choose few."""

    def __init__(self):
        super().__init__()
        self.router = nn.Linear(2 * WIDTH, 64)
        self.experts = nn.ModuleList(nn.Linear(2 * WIDTH, WIDTH) for _ in range(64))

    def forward(self, image, text):
        both = torch.cat([image, text], -1)
        weight, best = self.router(both).softmax(-1).max(-1, keepdim=True)
        answers = torch.stack([expert(both) for expert in self.experts], -2)
        return weight * answers.gather(-2, best[..., None].expand(*best.shape, WIDTH)).squeeze(-2)


class Similarities(Gated):
    """Every picture against every text, as a contrastive loss wants it, beside a fused vector."""

    def forward(self, image, text):
        v, t = self.image(image), self.text(text)
        return v * t, v @ t.T


class EncoderInside(nn.Module):
    """nn.TransformerEncoder, whose fast path for inference fails under autocast."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(WIDTH, 2, 32, batch_first=True), 1)
        self.image = nn.Linear(WIDTH, WIDTH)

    def forward(self, image, text, image_mask, text_mask):
        parts = []
        for tokens, mask, part in ((image, image_mask, self.image), (text, text_mask, self.encode)):
            tokens = tokens.where(mask[..., None], tokens.new_zeros(()))
            told = part(tokens) if part is self.image else part(tokens, mask)
            parts.append((told * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1))
        return parts[0].tanh() * parts[1]

    def encode(self, tokens, mask):
        return self.encoder(tokens, src_key_padding_mask=~(mask | ~mask.any(1, keepdim=True)))


class WholeGridOf49(nn.Module):
    """Learned positions of a grid that is always whole."""

    def __init__(self):
        super().__init__()
        self.positions = nn.Parameter(torch.randn(1, 49, WIDTH))
        self.text = nn.Linear(WIDTH, WIDTH)

    def forward(self, image, text):
        return torch.tanh(image + self.positions).mean(1) * self.text(text)


# module -> the kinds of its errors, and of its warnings
SUBTLE = [
    (NoiseOfNumPy, {"random-in-eval"}, set()),
    (NoiseOfPython, {"random-in-eval"}, set()),
    (CountsItsCalls, {"random-in-eval"}, set()),
    (SeldomDropsTheImage, {"random-in-eval"}, set()),
    (DrawsForNothing, set(), {"random-in-eval"}),
    (ManyExperts, set(), set()),
    (Similarities, set(), set()),
    (EncoderInside, set(), set()),
]
