"""What a user can get wrong with a mechanism, and what it is told."""

import inspect
from dataclasses import fields

import numpy as np
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


def unchecked(fuse, *inputs):
    """Call forward as it is outside these tests, where no checker of types stands before it."""
    return inspect.unwrap(type(fuse).forward)(fuse, *inputs)


@pytest.mark.parametrize("name", list_fusions())
def test_a_mask_or_tokens_of_another_kind_are_told_how_to_turn_them(name):
    fuse = create_fusion(name, **WIDTHS)
    image, text, mask = torch.zeros(2, 3, 6), torch.zeros(2, 5, 4), torch.ones(2, 3)
    for wrong in (mask, mask.long()):
        with pytest.raises(ShapeError, match=rf"image_mask is of {wrong.dtype}; expected a bool .* use mask\.bool\(\)"):
            unchecked(fuse, image, text, wrong)
    with pytest.raises(ShapeError, match=r"text_mask is a list; expected a bool .* use torch\.as_tensor\(mask\)\.bool"):
        unchecked(fuse, image, text, None, [[True] * 5] * 2)
    with pytest.raises(ShapeError, match="image is a NoneType; .*a row whose image_mask is all False"):
        unchecked(fuse, None, text)
    with pytest.raises(ShapeError, match=r"text is a ndarray; expected a float tensor .*text_dim=4"):
        unchecked(fuse, image, np.zeros((2, 5, 4)))
    with pytest.raises(ShapeError, match=r"image is of torch\.int64; expected a float tensor"):
        unchecked(fuse, image.long(), text)
    with pytest.raises(ShapeError, match=r"text is torch\.float64 and the weights are torch\.float32: give text\.to"):
        fuse(image, text.double())
    with torch.autocast("cpu", torch.bfloat16):
        fuse(image, text.bfloat16())


@pytest.mark.parametrize("name", list_fusions())
def test_no_tokens_at_all_and_no_rows_at_all_are_taken(name):
    fuse = create_fusion(name, **WIDTHS).eval()
    image, text = torch.randn(2, 3, 6), torch.randn(2, 5, 4)
    for v, t in ((image[:, :0], text), (image, text[:, :0]), (image[:, :0], text[:, :0])):
        vector = fuse(v, t).vector
        assert vector.shape == (2, 8)
        assert vector.isfinite().all()
    assert fuse(image[:0], text[:0]).vector.shape == (0, 8)


@pytest.mark.parametrize(
    "name", [n for n in list_fusions() if "dropout" in FUSIONS.entry(n).config.__dataclass_fields__]
)
@pytest.mark.parametrize("dropout", [1.5, -0.1])
def test_a_dropout_that_is_no_fraction_is_refused(name, dropout):
    with pytest.raises(ConfigError, match=f"dropout must be a fraction from 0 to 1, got dropout={dropout}"):
        create_fusion(name, dropout=dropout, **WIDTHS)


@pytest.mark.parametrize("name", list_fusions())
def test_an_infinite_setting_is_refused_by_name(name):
    for field in fields(FUSIONS.entry(name).config):
        if field.type in (int, float, int | None):
            with pytest.raises(ConfigError, match=f"{field.name}.*inf"):
                create_fusion(name, **{**WIDTHS, field.name: float("inf")})


@pytest.mark.parametrize("name", list_fusions())
@pytest.mark.parametrize(("fused_dim", "heads"), [(7, 7), (10, 5), (12, 6), (16, 8), (11, 1)])
def test_the_three_widths_alone_make_a_mechanism(name, fused_dim, heads):
    fuse = create_fusion(name, image_dim=6, text_dim=4, fused_dim=fused_dim).eval()
    assert fuse(torch.randn(2, 3, 6), torch.randn(2, 5, 4)).vector.shape == (2, fused_dim)
    assert getattr(fuse.config, "num_heads", heads) == heads
