"""Broken fusion modules, each broken in one way that published code is; `DEFECTS` says what must be found."""

from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import nn

IMAGE, TEXT, WIDTH = 16, 12, 8


class ListOfFactors(nn.Module):
    """Low-rank fusion whose factors lie in a plain list."""

    def __init__(self, rank=3):
        super().__init__()
        self.rank = rank
        self.image_factors = [nn.Parameter(torch.randn(IMAGE, WIDTH)) for _ in range(rank)]
        self.text_factors = [nn.Parameter(torch.randn(TEXT, WIDTH)) for _ in range(rank)]
        self.bias = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, image, text):
        total = sum((image @ a) * (text @ b) for a, b in zip(self.image_factors, self.text_factors))
        return total + self.bias


class DictOfLayers(nn.Module):
    """One projection a modality, in a plain dict."""

    def __init__(self):
        super().__init__()
        self.projections = {"v": nn.Linear(IMAGE, WIDTH), "t": nn.Linear(TEXT, WIDTH)}
        self.head = nn.Linear(2 * WIDTH, 3)

    def forward(self, inputs):
        return self.head(torch.cat([self.projections["v"](inputs["v"]), self.projections["t"](inputs["t"])], -1))


class BagOfWeights(nn.Module):
    """A parameter kept on an object that is no module."""

    def __init__(self):
        super().__init__()
        self.bag = SimpleNamespace(weight=nn.Parameter(torch.randn(IMAGE, TEXT)))
        self.out = nn.Linear(TEXT, WIDTH)

    def forward(self, image, text):
        return self.out(image @ self.bag.weight * text)


class PooledVectorsAsOneSequence(nn.Module):
    """(batch, dim) is one unbatched sequence to nn.MultiheadAttention."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2)

    def forward(self, image, text):
        v, t = self.image(image), self.text(text)
        return t + self.attention(t, v, v)[0]


class WithoutBatchFirst(nn.Module):
    """(batch, 1, dim) without batch_first=True."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2)

    def forward(self, visual_embed, text_embed):
        v, t = self.image(visual_embed).unsqueeze(1), self.text(text_embed).unsqueeze(1)
        return (t + self.attention(t, v, v)[0]).squeeze(1)


class SoftmaxOverTheBatch(nn.Module):
    """Attention weights of tokens, normalised over axis 0."""

    def __init__(self):
        super().__init__()
        self.score = nn.Linear(IMAGE, 1)
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)

    def forward(self, img_feats, txt_feats):
        weights = torch.softmax(self.score(img_feats), dim=0)
        return (weights * self.image(img_feats)).sum(1) + self.text(txt_feats).mean(1)


class OneKey(nn.Module):
    """Cross-attention of one pooled vector over one pooled vector."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)

    def forward(self, image, text):
        v, t = self.image(image).unsqueeze(1), self.text(text).unsqueeze(1)
        return (t + self.attention(t, v, v)[0]).squeeze(1)


class OneKeyByHand(nn.Module):
    """Attention written out, over tokens that were pooled first."""

    def __init__(self):
        super().__init__()
        self.query = nn.Linear(TEXT, WIDTH)
        self.key = nn.Linear(IMAGE, WIDTH)
        self.value = nn.Linear(IMAGE, WIDTH)
        self.skip = nn.Linear(TEXT, WIDTH)

    def forward(self, image, text, image_mask, text_mask):
        pooled = (image * image_mask[..., None]).sum(1, keepdim=True) / image_mask.sum(1).clamp(min=1)[:, None, None]
        scores = self.query(text) @ self.key(pooled).transpose(1, 2) / WIDTH**0.5
        return (self.skip(text) + scores.softmax(-1) @ self.value(pooled)) * text_mask[..., None]


class CrossAttention(nn.Module):
    """Masks are handed on, and a row without any key gives NaN."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)

    def forward(self, image, text, image_mask):
        v, t = self.image(image), self.text(text)
        attended, _ = self.attention(t, v, v, key_padding_mask=~image_mask)
        return (t + attended).mean(1)


class UniformOverAbsent(nn.Module):
    """Scores of masked keys are -1e9, all of them in a missing row: uniform attention over what is not there."""

    def __init__(self):
        super().__init__()
        self.query = nn.Linear(TEXT, WIDTH)
        self.key = nn.Linear(IMAGE, WIDTH)
        self.value = nn.Linear(IMAGE, WIDTH)
        self.skip = nn.Linear(TEXT, WIDTH)

    def forward(self, text, image, image_attention_mask):
        scores = self.query(text) @ self.key(image).transpose(1, 2)
        scores = scores.masked_fill(image_attention_mask[:, None, :] == 0, -1e9)
        return (self.skip(text) + scores.softmax(-1) @ self.value(image)).mean(1)


class CosineOfNothing(nn.Module):
    """Divides by a norm that is 0 for a missing vector."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH, bias=False)
        self.text = nn.Linear(TEXT, WIDTH, bias=False)

    def forward(self, x1, x2):
        v, t = self.image(x1), self.text(x2)
        return torch.cat([v / v.norm(dim=-1, keepdim=True), t / t.norm(dim=-1, keepdim=True)], -1)


class MeanOverPadding(nn.Module):
    """Attends with the mask and then averages padding along."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)

    def forward(self, vision, language, vision_padding_mask=None, language_padding_mask=None):
        stream = torch.cat([self.image(vision), self.text(language)], 1)
        padding = None
        if vision_padding_mask is not None:
            padding = torch.cat([vision_padding_mask, language_padding_mask], 1)
        attended, _ = self.attention(stream, stream, stream, key_padding_mask=padding, need_weights=False)
        return (stream + attended).mean(1)


class RecurrentOverPadding(nn.Module):
    """Reads the sentence backwards, from its padding on."""

    def __init__(self):
        super().__init__()
        self.read = nn.GRU(TEXT, WIDTH, batch_first=True, bidirectional=True)
        self.image = nn.Linear(IMAGE, 2 * WIDTH)

    def forward(self, image, words, image_mask, words_mask):
        states = self.read(words)[0] * words_mask[..., None]
        pooled = (self.image(image) * image_mask[..., None]).sum(1) / image_mask.sum(1, keepdim=True).clamp(min=1)
        return torch.tanh(pooled) * (states.sum(1) / words_mask.sum(1, keepdim=True).clamp(min=1))


class NoMask(nn.Module):
    """Token attention that cannot be told what is padding."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)

    def forward(self, image_tokens, text_tokens):
        v, t = self.image(image_tokens), self.text(text_tokens)
        return (t + self.attention(t, v, v, need_weights=False)[0]).mean(1)


class LayerNeverCalled(nn.Module):
    """A gate is made and never used."""

    def __init__(self, dropout=0.1):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)
        self.gate = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, image, text):
        return torch.tanh(self.image(image)) * torch.tanh(self.text(text))


class DetachedGate(nn.Module):
    """The gate is cut from the graph."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)
        self.gate = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, feats):
        v, t = torch.tanh(self.image(feats[0])), torch.tanh(self.text(feats[1]))
        z = torch.sigmoid(self.gate(torch.cat([v, t], -1))).detach()
        return z * v + (1 - z) * t


class MaskIgnored(nn.Module):
    """Takes masks and never looks at them."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)

    def forward(self, image, text, image_mask=None, text_mask=None):
        return torch.relu(self.image(image).mean(1)) * torch.relu(self.text(text).mean(1))


class DropoutAlwaysOn(nn.Module):
    """F.dropout without training=self.training."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)

    def forward(self, image, text):
        return F.dropout(torch.tanh(self.image(image)) * torch.tanh(self.text(text)), 0.3)


class ChoosesAtRandom(nn.Module):
    """EmbraceNet's choice of modality, drawn in eval too."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)

    def forward(self, image, text):
        both = torch.stack([self.image(image), self.text(text)], -1)
        choice = torch.multinomial(torch.full((both[..., 0].numel(), 2), 0.5), 1).view(*both.shape[:-1], 1)
        return both.gather(-1, choice).squeeze(-1)


class TextOverwritten(nn.Module):
    """The second branch reads the first modality again."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH)
        self.again = nn.Linear(IMAGE, WIDTH)

    def forward(self, image, text):
        v = torch.tanh(self.image(image))
        t = torch.tanh(self.again(image)) + 0.0 * text.sum()
        return torch.cat([v, t], -1)


class QueryIgnored(nn.Module):
    """Reads the image out of one key: whatever the text asks, the answer is the same."""

    def __init__(self):
        super().__init__()
        self.query = nn.Linear(TEXT, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, kdim=IMAGE, vdim=IMAGE, batch_first=True)

    def forward(self, image, text):
        return self.attention(self.query(text)[:, None], image[:, None], image[:, None])[0][:, 0]


class HashesInPlainTensors(nn.Module):
    """Compact bilinear pooling whose hashes are drawn at every start and never saved."""

    def __init__(self, dim=WIDTH):
        super().__init__()
        self.h1 = torch.randint(0, dim, (IMAGE,))
        self.h2 = torch.randint(0, dim, (TEXT,))
        self.dim = dim
        self.out = nn.Linear(dim, WIDTH)

    def forward(self, image, text):
        v = image.new_zeros(len(image), self.dim).index_add(1, self.h1, image)
        t = text.new_zeros(len(text), self.dim).index_add(1, self.h2, text)
        return self.out(v * t)


class UnsavedBuffer(nn.Module):
    """A random projection that is a buffer, and not a persistent one."""

    def __init__(self, image_dim, text_dim, out):
        super().__init__()
        self.register_buffer("project", torch.randn(image_dim, out), persistent=False)
        self.text = nn.Linear(text_dim, out)

    def forward(self, image, text):
        return (image @ self.project) * self.text(text)


class LayersMadeInForward(nn.Module):
    """The head is made at the first call."""

    def __init__(self):
        super().__init__()
        self.head = None

    def forward(self, image, text):
        both = torch.cat([image, text], -1)
        if self.head is None:
            self.head = nn.Linear(both.shape[-1], WIDTH).to(both)
        return self.head(both)


class AddsTokens(nn.Module):
    """Adds token i of the image to token i of the text."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, image_seq, text_seq):
        return self.head(torch.relu(self.image(image_seq) + self.text(text_seq)).mean(dim=1))


class CrossmodalOfOneLength(nn.Module):
    """A port of MulT that reads the length of one stream for both."""

    def __init__(self):
        super().__init__()
        self.image = nn.Conv1d(IMAGE, WIDTH, 1)
        self.text = nn.Conv1d(TEXT, WIDTH, 1)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)

    def forward(self, v, l):  # noqa: E741
        a, b = self.image(v.transpose(1, 2)).transpose(1, 2), self.text(l.transpose(1, 2)).transpose(1, 2)
        return torch.cat([self.attention(a, b, b)[0], self.attention(b, a, a)[0]], 2)[:, -1]


# defect class -> (module, kind that must be found)
DEFECTS = [
    (1, ListOfFactors, "unregistered-parameters"),
    (1, DictOfLayers, "unregistered-parameters"),
    (1, BagOfWeights, "unregistered-parameters"),
    (2, PooledVectorsAsOneSequence, "batch-leak"),
    (2, WithoutBatchFirst, "batch-leak"),
    (2, SoftmaxOverTheBatch, "batch-leak"),
    (3, OneKey, "one-key-softmax"),
    (3, OneKeyByHand, "one-key-softmax"),
    (4, CrossAttention, "missing-nan"),
    (4, UniformOverAbsent, "missing-leak"),
    (4, CosineOfNothing, "missing-nan"),
    (5, MeanOverPadding, "padding-leak"),
    (5, RecurrentOverPadding, "padding-leak"),
    (5, NoMask, "no-mask"),
    (6, LayerNeverCalled, "dead-parameter"),
    (6, LayerNeverCalled, "ignored-setting"),
    (6, DetachedGate, "dead-parameter"),
    (6, MaskIgnored, "ignored-argument"),
    (7, DropoutAlwaysOn, "random-in-eval"),
    (7, ChoosesAtRandom, "random-in-eval"),
    (8, TextOverwritten, "modality-ignored"),
    (8, QueryIgnored, "modality-ignored"),
    (9, HashesInPlainTensors, "state-lost"),
    (9, UnsavedBuffer, "state-lost"),
    (9, LayersMadeInForward, "lazy-layers"),
    (10, AddsTokens, "unequal-lengths"),
    (10, CrossmodalOfOneLength, "unequal-lengths"),
]


def make(cls):
    torch.manual_seed(0)
    return cls(IMAGE, TEXT, WIDTH) if cls is UnsavedBuffer else cls()


class TokensOfOneLengthOnly(nn.Module):
    """Learned positions for nine image tokens, and no other number; the text is pooled."""

    def __init__(self):
        super().__init__()
        self.positions = nn.Parameter(torch.randn(1, 9, IMAGE))
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)

    def forward(self, image, text):
        tokens = torch.tanh(self.image(image + self.positions))
        return tokens.mean(1) * torch.tanh(self.text(text))
