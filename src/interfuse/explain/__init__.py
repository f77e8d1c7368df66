"""What a trained network looked at and relied on: attention, relevance, all pairs, a modality taken away."""

from interfuse.explain.ablate import logits_without
from interfuse.explain.attention import AttentionCall, AttentionMaps, attention_maps, capture_attention
from interfuse.explain.pairwise import adapt, pair_logits
from interfuse.explain.relevance import Relevance, relevance

__all__ = [
    "AttentionCall",
    "AttentionMaps",
    "Relevance",
    "adapt",
    "attention_maps",
    "capture_attention",
    "logits_without",
    "pair_logits",
    "relevance",
]
