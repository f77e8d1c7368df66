"""Correct modules that are called in unlike ways; `CALLS` says how, and none deserves an error or a warning."""

import pytest
import torch
from torch import nn

from tests.doctor.sound import WIDTH, absent_as_zeros


def mean(tokens, mask):
    kept = tokens.where(mask[..., None], tokens.new_zeros(()))
    return kept.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


class Asks(nn.Module):
    """The text asks the image; masks are True = real."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.head = nn.Linear(2 * WIDTH, 3)

    def fuse(self, image, text, image_mask, text_mask):
        image, keys = absent_as_zeros(image, image_mask)
        text, _ = absent_as_zeros(text, text_mask)
        asked = text + self.attention(text, image, image, key_padding_mask=~keys)[0]
        return self.head(torch.cat([mean(image, image_mask), mean(asked, text_mask)], 1))


class IgnoreNames(Asks):
    def forward(self, x, y, ignore_x=None, ignore_y=None):
        ignore_x = torch.zeros(x.shape[:2], dtype=torch.bool) if ignore_x is None else ignore_x
        ignore_y = torch.zeros(y.shape[:2], dtype=torch.bool) if ignore_y is None else ignore_y
        return self.fuse(y, x, ~ignore_y, ~ignore_x)


class NamesThatSayNothing(Asks):
    def forward(self, image, text, iv, tv):
        return self.fuse(image, text, iv, tv)


class OptionalNamesThatSayNothing(Asks):
    def forward(self, image, text, alpha=None, beta=None):
        alpha = torch.ones(image.shape[:2], dtype=torch.bool) if alpha is None else alpha
        beta = torch.ones(text.shape[:2], dtype=torch.bool) if beta is None else beta
        return self.fuse(image, text, alpha, beta)


class Present(Asks):
    def forward(self, v, t, present_v, present_t):
        return self.fuse(v, t, present_v, present_t)


class UnlikeMasks(Asks):
    """One mask is additive with four axes, the other counts in whole numbers, and neither gives way."""

    def forward(self, text, image, attention_mask, image_attention_mask):
        assert image_attention_mask.dim() == 4
        assert attention_mask.dtype == torch.long
        return self.fuse(image, text, image_attention_mask[:, 0, 0] > -1, attention_mask.bool())


class KeysOfABatch(Asks):
    def forward(self, batch):
        return self.fuse(batch["image"], batch["text"], batch["image_mask"], batch["text_mask"])


class KeysOfKeywords(Asks):
    def forward(self, **given):
        return self.fuse(given["image"], given["text"], given["image_mask"], given["text_mask"])


class KeysInALoop(nn.Module):
    def __init__(self, names=("visual", "textual")):
        super().__init__()
        self.names = names
        self.maps = nn.ModuleDict({name: nn.Linear(WIDTH, WIDTH) for name in names})
        self.head = nn.Linear(2 * WIDTH, 3)

    def forward(self, feats):
        return self.head(torch.tanh(torch.cat([self.maps[name](feats[name]) for name in self.names], -1)))


class FourPlaces(Asks):
    def forward(self, *given):
        return self.fuse(*given)


class PairsOfTokensAndMask(Asks):
    def forward(self, image, text):
        return self.fuse(image[0], text[0], image[1], text[1])


class OneStream(nn.Module):
    """Both modalities in one sequence, with one mask."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(WIDTH, 2, 32, batch_first=True)

    def forward(self, tokens, mask):
        tokens, keys = absent_as_zeros(tokens, mask)
        return mean(self.layer(tokens, src_key_padding_mask=~keys), mask)


def flava():
    models = pytest.importorskip("transformers.models.flava.modeling_flava")
    config = models.FlavaMultimodalConfig(
        hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    return models.FlavaMultimodalModel(config)


class TokensOfItsOwn(nn.Module):
    """A learned token stands before each stream, and a zero behind the keys of one attention."""

    def __init__(self):
        super().__init__()
        self.first = nn.Parameter(torch.randn(2, 1, WIDTH))
        self.to_text = nn.MultiheadAttention(WIDTH, 2, batch_first=True, add_zero_attn=True)
        self.to_image = nn.MultiheadAttention(WIDTH, 2, batch_first=True)

    def forward(self, image, text, image_mask, text_mask):
        streams, masks = [], []
        for first, tokens, mask in zip(self.first, (image, text), (image_mask, text_mask)):
            tokens, _ = absent_as_zeros(tokens, mask)
            streams.append(torch.cat([first.expand(len(tokens), 1, WIDTH), tokens], 1))
            masks.append(torch.cat([torch.ones_like(mask[:, :1]), mask], 1))
        (v, t), (image_keys, text_keys) = streams, masks
        asked, weights = self.to_text(t, v, v, key_padding_mask=~image_keys)
        told, _ = self.to_image(v, t, t, key_padding_mask=~text_keys)
        return asked[:, 0] + told[:, 0], t + asked, v + told, weights


class LatentsBeforeTheText(nn.Module):
    """Four latents read the image and stand before the text."""

    def __init__(self):
        super().__init__()
        self.latents = nn.Parameter(torch.randn(4, WIDTH))
        self.read = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.text = nn.Linear(WIDTH, WIDTH)

    def forward(self, image, text, image_mask, text_mask):
        image, keys = absent_as_zeros(image, image_mask)
        text = self.text(absent_as_zeros(text, text_mask)[0])
        latents = self.latents.expand(len(image), -1, -1)
        return torch.cat([latents + self.read(latents, image, image, key_padding_mask=~keys)[0], text], 1)


# module -> what its call must say
CALLS = [
    (IgnoreNames, "ignore_x=text mask, True = ignore, ignore_y=image mask, True = ignore"),
    (NamesThatSayNothing, "iv=image mask, True = real, tv=text mask, True = real"),
    (OptionalNamesThatSayNothing, "alpha=image mask, True = real, beta=text mask, True = real"),
    (Present, "present_v=image mask, True = real, present_t=text mask, True = real"),
    (
        UnlikeMasks,
        "image_attention_mask=image mask, additive (batch, 1, 1, tokens), attention_mask=text mask, 1 = real",
    ),
    (KeysOfABatch, "batch[image_mask]=image mask, True = real, batch[text_mask]=text mask, True = real"),
    (KeysOfKeywords, "image_mask=image mask, True = real, text_mask=text mask, True = real"),
    (KeysInALoop, "feats=dict:visual:textual"),
    (FourPlaces, "given[2]=image mask, True = real, given[3]=text mask, True = real"),
    (PairsOfTokensAndMask, "image[1]=image mask, True = real, text[1]=text mask, True = real"),
    (OneStream, "tokens=merged, mask=image+text mask, True = real"),
    (flava, "hidden_states=merged, attention_mask=one+image+text mask, True = real"),
    (TokensOfItsOwn, "image_mask=image mask, True = real, text_mask=text mask, True = real"),
    (LatentsBeforeTheText, "image_mask=image mask, True = real, text_mask=text mask, True = real"),
]
