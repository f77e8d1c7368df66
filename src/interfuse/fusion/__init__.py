"""Fusion mechanisms, one a file, filed under their literature names."""

from interfuse.fusion import (
    concat,
    cross_attention,
    glu,
    merged_attention,
    product,
    shared_cross_attention,
    unimodal,
)
from interfuse.fusion.base import (
    FUSIONS,
    FusionConfig,
    FusionMechanism,
    OneKeyAttentionWarning,
    create_fusion,
    list_fusions,
)

__all__ = [
    "FUSIONS",
    "FusionConfig",
    "FusionMechanism",
    "OneKeyAttentionWarning",
    "concat",
    "create_fusion",
    "cross_attention",
    "glu",
    "list_fusions",
    "merged_attention",
    "product",
    "shared_cross_attention",
    "unimodal",
]
