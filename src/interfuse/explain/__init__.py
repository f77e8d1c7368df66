"""What a trained network looked at and relied on: attention, occlusion, all pairs, a modality taken away."""

from interfuse.explain.ablate import logits_without
from interfuse.explain.attention import AttentionCall, AttentionMaps, attention_maps, capture_attention
from interfuse.explain.occlusion import Deletion, Occlusion, measure_deletion, occlusion
from interfuse.explain.pairwise import adapt, pair_logits
from interfuse.explain.relevance import Relevance, relevance
from interfuse.explain.token_maps import GRADIENT, OCCLUSION, TokenMaps, token_maps

__all__ = [
    "GRADIENT",
    "OCCLUSION",
    "AttentionCall",
    "AttentionMaps",
    "Deletion",
    "Occlusion",
    "Relevance",
    "TokenMaps",
    "adapt",
    "attention_maps",
    "capture_attention",
    "logits_without",
    "measure_deletion",
    "occlusion",
    "pair_logits",
    "relevance",
    "token_maps",
]
