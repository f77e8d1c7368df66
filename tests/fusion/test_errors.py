"""What a user can get wrong with a mechanism, and what it is told."""

import pytest
import torch

from interfuse.core.errors import ConfigError, ShapeError
from interfuse.fusion import FUSIONS, FusionConfig, create_fusion, list_fusions

WIDTHS = {"image_dim": 6, "text_dim": 4, "fused_dim": 8}


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(
        ConfigError, match=r"Unknown fusion mechanism 'cross_atention'\. Did you mean 'cross_attention'"
    ):
        create_fusion("cross_atention", **WIDTHS)


def test_an_unknown_setting_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"Unknown setting of concat: 'hiden'\. Did you mean 'hidden'"):
        create_fusion("concat", hiden=3, **WIDTHS)


def test_a_missing_width_is_named():
    with pytest.raises(ConfigError, match="concat: the setting 'text_dim' is needed"):
        create_fusion("concat", image_dim=3)


def test_heads_that_do_not_divide_the_width_are_refused_with_a_width_that_fits():
    with pytest.raises(ConfigError, match=r"got fused_dim=10, num_heads=4\. Try fused_dim=12"):
        create_fusion("cross_attention", image_dim=3, text_dim=3, fused_dim=10, num_heads=4)


def test_a_width_below_one_is_refused():
    with pytest.raises(ConfigError, match="image_dim must be at least 1, got image_dim=0"):
        create_fusion("concat", image_dim=0, text_dim=3)


def test_a_name_is_taken_only_once():
    with pytest.raises(ConfigError, match="name 'concat' is taken"):
        FUSIONS.register("concat", config=FusionConfig, reference="")(object)


@pytest.mark.parametrize("name", list_fusions())
def test_inputs_that_do_not_fit_are_named_with_what_was_expected(name):
    fuse = create_fusion(name, **WIDTHS)
    image, text = torch.zeros(2, 3, 6), torch.zeros(2, 5, 4)
    with pytest.raises(ShapeError, match=r"text has shape \(2, 3, 6\); expected \(batch, text_tokens, text_dim=4\)"):
        fuse(image, image)
    with pytest.raises(ShapeError, match="image has 2 rows and text 1"):
        fuse(image, text[:1])
    with pytest.raises(ShapeError, match=r"image_mask has shape \(2, 5\); expected .* \(2, 3\), True = a real token"):
        fuse(image, text, torch.ones(2, 5, dtype=torch.bool))
