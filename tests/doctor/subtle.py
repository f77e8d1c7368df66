"""Modules with one subtle defect each, or with what looks like one and is none; `SUBTLE` says what must be found."""

import functools
import random

import numpy as np
import torch
import torch.nn.functional as F
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


class LayerInAClosure(Gated):
    def __init__(self):
        super().__init__()
        layer = nn.Linear(WIDTH, WIDTH)
        self.more = lambda x: layer(x)

    def forward(self, image, text):
        return super().forward(self.more(image), text)


class WeightInAPartial(Gated):
    def __init__(self):
        super().__init__()
        self.more = functools.partial(F.linear, weight=nn.Parameter(torch.randn(WIDTH, WIDTH)))

    def forward(self, image, text):
        return super().forward(self.more(image), text)


class LayerFarDown(Gated):
    def __init__(self):
        super().__init__()
        self.layers = {"a": {"b": {"c": {"d": [nn.Linear(WIDTH, WIDTH)]}}}}

    def forward(self, image, text):
        return super().forward(self.layers["a"]["b"]["c"]["d"][0](image), text)


GLOBAL = nn.Linear(WIDTH, WIDTH)


class LayerOfTheFile(Gated):
    def forward(self, image, text):
        return super().forward(GLOBAL(image), text)


class OneKeyThatTakesTokensToo(nn.Module):
    """Attention of vectors written out: given tokens it runs as well, one head for all."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, image, text):
        q, k, v = self.query(text)[:, None], self.key(image)[:, None], self.value(image)[:, None]
        return text + (torch.softmax(q @ k.transpose(-2, -1) / 4, -1) @ v).squeeze(1)


class OneKeyInLogarithms(OneKeyThatTakesTokensToo):
    def forward(self, image_vector, text_vector):
        score = (self.query(text_vector) * self.key(image_vector)).sum(-1, keepdim=True)
        return text_vector + score.log_softmax(-1).exp() * self.value(image_vector)


class MaskHandedOnInverted(nn.Module):
    """key_padding_mask says True = ignore, attn_mask of the fused kernel means True = attend."""

    def __init__(self):
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.out = nn.Linear(2 * WIDTH, 3)

    def forward(self, image, text, image_key_padding_mask, text_key_padding_mask):
        asked = F.scaled_dot_product_attention(
            self.query(text), image, image, attn_mask=image_key_padding_mask[:, None]
        )
        real = ~text_key_padding_mask[..., None]
        both = torch.cat([text, asked], -1).where(real, asked.new_zeros(()))
        return self.out(both.sum(1) / real.sum(1).clamp(min=1))


class LayerThatInvertsItsOnlyMask(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)

    def forward(self, text, image, key_padding_mask):
        return text + F.scaled_dot_product_attention(
            self.query(text), image, image, attn_mask=key_padding_mask[:, None]
        )


class MeanThatTrainingMoves(Gated):
    """A running mean in a plain attribute."""

    def __init__(self):
        super().__init__()
        self.mean = torch.zeros(WIDTH)

    def forward(self, image, text):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * image.detach().flatten(0, -2).mean(0)
        return super().forward(image - self.mean.to(image), text)


class SettingKeptAndForgotten(Gated):
    def __init__(self, dropout=0.1, width=WIDTH):
        super().__init__()
        self.dropout = dropout
        self.width = width

    def extra_repr(self):
        return f"width={self.width}"


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
    (LayerInAClosure, {"unregistered-parameters", "state-lost"}, set()),
    (WeightInAPartial, {"unregistered-parameters", "state-lost"}, set()),
    (LayerFarDown, {"unregistered-parameters", "state-lost"}, set()),
    (LayerOfTheFile, {"unregistered-parameters"}, set()),
    (OneKeyThatTakesTokensToo, {"one-key-softmax"}, {"no-mask"}),
    (OneKeyInLogarithms, {"one-key-softmax"}, set()),
    (MaskHandedOnInverted, {"inverted-mask"}, set()),
    (LayerThatInvertsItsOnlyMask, {"inverted-mask"}, set()),
    (MeanThatTrainingMoves, {"state-lost"}, set()),
    (SettingKeptAndForgotten, set(), {"ignored-setting"}),
]
