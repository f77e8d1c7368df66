"""Correct fusion modules in many styles: nothing here deserves an error or a warning."""

import dataclasses

import pytest
import torch
from torch import nn

IMAGE, TEXT, WIDTH = 16, 16, 16


def absent_as_zeros(tokens, mask):
    """Zeros under the mask; a missing row's mask is opened, so that no softmax is left without a key."""
    tokens = tokens.where(mask[..., None], tokens.new_zeros(()))
    return tokens, mask | ~mask.any(1, keepdim=True)


class BothWays(nn.Module):
    """nn.MultiheadAttention both ways, with masks, dropout and masked means."""

    def __init__(self, dropout=0.1):
        super().__init__()
        self.to_text = nn.MultiheadAttention(WIDTH, 2, dropout=dropout, batch_first=True)
        self.to_image = nn.MultiheadAttention(WIDTH, 2, dropout=dropout, batch_first=True)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
        self.head = nn.Linear(2 * WIDTH, 5)

    def forward(self, image, text, image_mask, text_mask):
        image, image_keys = absent_as_zeros(image, image_mask)
        text, text_keys = absent_as_zeros(text, text_mask)
        a, _ = self.to_text(text, image, image, key_padding_mask=~image_keys)
        b, _ = self.to_image(image, text, text, key_padding_mask=~text_keys)
        parts = []
        for norm, tokens, mask in zip(self.norms, (image + b, text + a), (image_mask, text_mask)):
            kept = norm(tokens) * mask[..., None]
            parts.append(kept.sum(1) / mask.sum(1, keepdim=True).clamp(min=1))
        return self.head(torch.cat(parts, 1))


class Decoder(nn.Module):
    """nn.TransformerDecoderLayer: text attends to image; masks are True = ignore."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerDecoderLayer(WIDTH, 2, 32, batch_first=True)

    def forward(self, text, image, text_padding_mask=None, image_padding_mask=None):
        if text_padding_mask is not None:
            text, keys = absent_as_zeros(text, ~text_padding_mask)
            text_padding_mask = ~keys
        if image_padding_mask is not None:
            image, keys = absent_as_zeros(image, ~image_padding_mask)
            image_padding_mask = ~keys
        return self.layer(
            text, image, tgt_key_padding_mask=text_padding_mask, memory_key_padding_mask=image_padding_mask
        )


class Flamingo(nn.Module):
    """A zero-initialised tanh gate: the image has no effect at the start, and opens after a step."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True, bias=False)
        self.feed = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 32), nn.GELU(), nn.Linear(32, WIDTH))
        self.alpha = nn.Parameter(torch.zeros(1))
        self.beta = nn.Parameter(torch.zeros(1))

    def forward(self, x, media, media_mask=None):
        padding = None
        if media_mask is not None:
            media, keys = absent_as_zeros(media, media_mask.bool())
            padding = ~keys
        attended, _ = self.attention(x, media, media, key_padding_mask=padding, need_weights=False)
        x = x + self.alpha.tanh() * attended
        return x + self.beta.tanh() * self.feed(x)


@dataclasses.dataclass
class Output:
    fused: torch.Tensor
    weights: torch.Tensor


class GatedPooled(nn.Module):
    """A gated unit on pooled vectors, in a dataclass, from a dict."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)
        self.gate = nn.Linear(IMAGE + TEXT, WIDTH)
        self.drop = nn.Dropout(0.3)

    def forward(self, batch):
        v, t = batch["img"], batch.get("caption")
        z = torch.sigmoid(self.gate(torch.cat([v, t], -1)))
        return Output(self.drop(z * torch.tanh(self.image(v)) + (1 - z) * torch.tanh(self.text(t))), z)


class TokensFirst(nn.Module):
    """Sequence-first, and says so: (tokens, batch, dim)."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, 2)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, image, text, image_padding_mask=None, text_padding_mask=None):
        """Fuse image (tokens, batch, dim) and text (tokens, batch, dim)."""
        padding = None
        if image_padding_mask is not None:
            image, keys = absent_as_zeros(image.transpose(0, 1), ~image_padding_mask)
            image, padding = image.transpose(0, 1), ~keys
        attended, _ = self.attention(text, image, image, key_padding_mask=padding, need_weights=False)
        fused = self.norm(text + attended)
        if text_padding_mask is None:
            return fused.mean(0)
        real = (~text_padding_mask).T[..., None]
        return (fused * real).sum(0) / real.sum(0).clamp(min=1)


class Modulated(nn.Module):
    """FiLM: the pooled text scales and shifts the image's tokens; batch norm in between."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(IMAGE)
        self.film = nn.Linear(TEXT, 2 * IMAGE)

    def forward(self, visual_tokens, sentence_embedding, visual_mask=None):
        if visual_mask is None:
            visual_mask = torch.ones(visual_tokens.shape[:2], dtype=torch.bool, device=visual_tokens.device)
        scale, shift = self.film(sentence_embedding)[:, None].chunk(2, -1)
        tokens = visual_tokens.where(visual_mask[..., None], torch.zeros_like(visual_tokens))
        moved = torch.relu((1 + scale) * self.norm(tokens.transpose(1, 2)).transpose(1, 2) + shift)
        return (moved * visual_mask[..., None]).sum(1) / visual_mask.sum(1, keepdim=True).clamp(min=1)


class Experts(nn.Module):
    """Top-1 experts on both vectors: an expert that a small batch does not choose is not dead."""

    def __init__(self):
        super().__init__()
        self.router = nn.Linear(IMAGE + TEXT, 4)
        self.experts = nn.ModuleList(nn.Linear(IMAGE + TEXT, WIDTH) for _ in range(4))

    def forward(self, *modalities):
        both = torch.cat(modalities, -1)
        probs = self.router(both).softmax(-1)
        best = probs.argmax(-1, keepdim=True)
        answers = torch.stack([expert(both) for expert in self.experts], -2)
        chosen = answers.gather(-2, best[..., None].expand(*best.shape, WIDTH)).squeeze(-2)
        return chosen * probs.gather(-1, best)


class AbsentToken(nn.Module):
    """A learned vector stands in for a missing modality: its gradient comes from missing rows alone."""

    def __init__(self):
        super().__init__()
        self.absent = nn.ParameterDict({name: nn.Parameter(torch.randn(16)) for name in ("image", "text")})
        self.head = nn.Linear(IMAGE + TEXT, WIDTH)

    def forward(self, image, text, image_mask, text_mask):
        parts = []
        for name, tokens, mask in (("image", image, image_mask), ("text", text, text_mask)):
            kept = tokens.where(mask[..., None], tokens.new_zeros(()))
            mean = kept.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
            parts.append(mean.where(mask.any(1, keepdim=True), self.absent[name]))
        return torch.tanh(self.head(torch.cat(parts, 1)))


class FixedProjection(nn.Module):
    """Compact bilinear pooling with its hashes in saved buffers; positions in an unsaved constant."""

    def __init__(self, dim=31):
        super().__init__()
        self.dim = dim
        self.register_buffer("h1", torch.randint(0, dim, (IMAGE,)))
        self.register_buffer("h2", torch.randint(0, dim, (TEXT,)))
        self.register_buffer("scale", torch.linspace(0.5, 1.5, dim), persistent=False)
        self.out = nn.Linear(dim, WIDTH)

    def forward(self, img_emb, txt_emb):
        v = img_emb.new_zeros(len(img_emb), self.dim).index_add(1, self.h1, img_emb)
        t = txt_emb.new_zeros(len(txt_emb), self.dim).index_add(1, self.h2, txt_emb)
        return self.out(v * t * self.scale.to(v))


def additive(mask, like):
    return torch.zeros_like(mask, dtype=like.dtype).masked_fill(~mask, torch.finfo(like.dtype).min)[:, None, None]


class Lxmert(nn.Module):
    """transformers' LXMERT cross-modality layer; absent rows are zeros."""

    def __init__(self):
        super().__init__()
        lxmert = pytest.importorskip("transformers.models.lxmert.modeling_lxmert")
        config = lxmert.LxmertConfig(hidden_size=WIDTH, num_attention_heads=2, intermediate_size=32)
        self.layer = lxmert.LxmertXLayer(config)

    def forward(self, lang_feats, lang_mask, visual_feats, visual_mask):
        lang, lang_keys = absent_as_zeros(lang_feats, lang_mask)
        visual, visual_keys = absent_as_zeros(visual_feats, visual_mask)
        return self.layer(lang, additive(lang_keys, lang), visual, additive(visual_keys, visual))[:2]


class PlainLxmert(Lxmert):
    """The same layer given extended masks and nothing else: a missing modality attends evenly over its padding."""

    def forward(self, lang_feats, lang_attention_mask, visual_feats, visual_attention_mask):
        return self.layer(lang_feats, lang_attention_mask, visual_feats, visual_attention_mask)[:2]


class Flava(nn.Module):
    """transformers' FLAVA multimodal encoder: one stream with a CLS token."""

    def __init__(self):
        super().__init__()
        flava = pytest.importorskip("transformers.models.flava.modeling_flava")
        config = flava.FlavaMultimodalConfig(
            hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
        )
        self.model = flava.FlavaMultimodalModel(config)

    def forward(self, image_states, text_states, image_mask, text_mask):
        states = torch.cat([image_states, text_states], 1)
        cls = torch.ones_like(image_mask[:, :1])
        return self.model(states, attention_mask=torch.cat([cls, image_mask, text_mask], 1))


class BridgeTower(nn.Module):
    """transformers' BridgeTower cross-modality layer; an extended mask, absent rows are zeros."""

    def __init__(self):
        super().__init__()
        tower = pytest.importorskip("transformers.models.bridgetower.modeling_bridgetower")
        config = tower.BridgeTowerTextConfig(hidden_size=WIDTH, num_attention_heads=2, intermediate_size=32)
        config._attn_implementation = "eager"
        self.layer = tower.BridgeTowerBertCrossLayer(config)

    def forward(self, hidden_states, encoder_hidden_states, attention_mask, encoder_attention_mask):
        states, keys = absent_as_zeros(hidden_states, attention_mask)
        memory, memory_keys = absent_as_zeros(encoder_hidden_states, encoder_attention_mask)
        return self.layer(
            states,
            memory,
            attention_mask=additive(keys, states),
            encoder_attention_mask=additive(memory_keys, memory),
        )[0]


SOUND = [
    BothWays,
    Decoder,
    Flamingo,
    GatedPooled,
    TokensFirst,
    Modulated,
    Experts,
    AbsentToken,
    FixedProjection,
    Lxmert,
    Flava,
    BridgeTower,
]
