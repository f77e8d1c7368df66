"""What a user can set wrong in a gated, pooling or late mechanism, and what it is told."""

import pytest
import torch

from interfuse.core.errors import ConfigError
from interfuse.fusion import create_fusion

WIDTHS = {"image_dim": 6, "text_dim": 4, "fused_dim": 8}


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("film", {"num_layers": 0}, "film: num_layers must be at least 1, got num_layers=0"),
        ("central", {"num_layers": 0}, "central: num_layers must be at least 1, got num_layers=0"),
        ("mag", {"beta": 0}, r"beta must be above 0, got beta=0\.0: at 0 no token is shifted\. Try beta=1"),
        ("mmtm", {"reduction": 0}, "mmtm: reduction must be at least 1, got reduction=0"),
        ("mmtm", {"factor": -1}, r"factor must be above 0, got factor=-1\.0\. Try factor=2"),
        ("mixture_of_experts", {"num_experts": 1}, "num_experts must be at least 2, got num_experts=1"),
        ("mixture_of_experts", {"hidden": -1}, "hidden must be at least 0, got hidden=-1"),
        ("stacked_attention", {"num_hops": 0}, "num_hops must be at least 1, got num_hops=0"),
        ("stacked_attention", {"hidden": 0}, "hidden must be at least 1, got hidden=0"),
        ("top_down", {"hidden": 0}, "hidden must be at least 1, got hidden=0"),
        ("attention_pooling", {"num_queries": 0}, "num_queries must be at least 1, got num_queries=0"),
        ("attention_pooling", {"num_heads": 3}, r"got fused_dim=8, num_heads=3\. Try fused_dim=9"),
        ("embrace", {"image_share": 1}, r"between 0 and 1, got image_share=1\.0\. Use image_only or text_only"),
        ("late_mean", {"hidden": -1}, "hidden must be at least 0, got hidden=-1"),
        ("evidential", {"hidden": -1}, "hidden must be at least 0, got hidden=-1"),
        ("evidential", {"evidence": "relu"}, r"Unknown value of evidential: evidence: 'relu'.*exp, softplus"),
    ],
)
def test_a_setting_that_cannot_work_is_named_with_its_value_and_a_fix(name, settings, told):
    with pytest.raises(ConfigError, match=told):
        create_fusion(name, **WIDTHS, **settings)


@pytest.mark.parametrize("name", ["film", "gmu", "mag", "mmtm", "softmax_weights", "mixture_of_experts", "top_down"])
@pytest.mark.parametrize("fused_dim", [1, 2, 7])
def test_the_defaults_work_at_any_width(name, fused_dim):
    fuse = create_fusion(name, image_dim=1, text_dim=2, fused_dim=fused_dim)
    assert fuse(torch.ones(2, 3, 1), torch.ones(2, 4, 2)).vector.shape == (2, fused_dim)
