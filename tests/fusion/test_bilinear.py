"""What the bilinear family promises beyond what every mechanism does."""

import pytest
import torch
from torch.testing import assert_close

from interfuse.core.errors import ConfigError
from interfuse.fusion import create_fusion
from tests.fusion.inputs import build, make_inputs

FAMILY = ["block", "low_rank", "mcb", "mfb", "mfh", "multiplicative", "mutan", "tensor_fusion"]
NORMALISED = ["block", "mcb", "mfb", "mfh"]
WIDE = {"image_dim": 2048, "text_dim": 768, "fused_dim": 512}


@pytest.mark.parametrize("name", [*FAMILY, "sum", "bilinear_attention"])
def test_defaults_at_common_widths_are_small_enough_and_give_unit_size(name):
    torch.manual_seed(0)
    fuse = create_fusion(name, **WIDE)
    assert sum(parameter.numel() for parameter in fuse.parameters()) < 16_000_000
    with torch.no_grad():
        vector = fuse(torch.randn(64, 2048), torch.randn(64, 768)).vector
    assert 0.7 < vector.square().mean().sqrt() < 1.8


@pytest.mark.parametrize("name", [*FAMILY, "sum", "bilinear_attention"])
def test_widths_of_one_work(name):
    fuse = create_fusion(name, image_dim=1, text_dim=1, fused_dim=1)
    assert fuse(torch.randn(2, 3, 1), torch.randn(2, 4, 1)).vector.isfinite().all()


@pytest.mark.parametrize("name", FAMILY)
def test_the_image_changes_what_the_text_means(name):
    """Image and text interact: the mixed difference of the vector is not zero, as it is for `sum`."""
    first, second = make_inputs(torch.float64), make_inputs(torch.float64, seed=5)

    def mixed(fuse):
        pairs = [(a.image, b.text) for a in (first, second) for b in (first, second)]
        both, left, right, other = (fuse(*pair).vector for pair in pairs)
        return (both - left - right + other).abs().max()

    assert mixed(build(name).double()) > 0.1
    assert mixed(build("sum").double()) < 1e-12


@pytest.mark.parametrize("name", NORMALISED)
@pytest.mark.parametrize("size", [0.0, 1e-12, 1e-6, 1e-3, 1.0])
def test_the_gradient_stays_modest_as_the_inputs_vanish(name, size):
    fuse, inputs = build(name), make_inputs()
    image, text = (size * inputs.image).requires_grad_(), (size * inputs.text).requires_grad_()
    vector = fuse(image, text, inputs.image_mask, inputs.text_mask).vector
    assert vector.isfinite().all()
    vector.sum().backward()
    for value in (image, text, *fuse.parameters()):
        assert value.grad.isfinite().all()
        assert value.grad.abs().max() < 300


def test_the_hashes_of_mcb_follow_the_seed_are_saved_and_never_trained():
    first, again = build("mcb", sketch_dim=24), build("mcb", sketch_dim=24)
    names = {"image_places", "image_signs", "text_places", "text_signs"}
    assert names == dict(first.named_buffers()).keys()
    assert names <= first.state_dict().keys()
    assert torch.equal(first.image_places, again.image_places)
    other = create_fusion("mcb", image_dim=11, text_dim=13, fused_dim=34, sketch_dim=24)
    assert not torch.equal(first.image_places, other.image_places)
    assert first.image_signs.abs().eq(1).all()
    assert len(first.image_signs.unique()) == 2
    other.load_state_dict(first.state_dict())
    inputs = make_inputs()
    assert torch.equal(other.eval()(*inputs).vector, first(*inputs).vector)


def test_the_sketch_of_mcb_keeps_inner_products_on_average():
    torch.manual_seed(0)
    v, t = torch.randn(2, 11), torch.randn(2, 13)
    products = []
    for _ in range(400):
        sketch = create_fusion("mcb", image_dim=11, text_dim=13, fused_dim=2, sketch_dim=64).sketch(v, t)
        products.append(sketch[0] @ sketch[1])
    values = torch.stack(products)
    error = values.std() / 20
    assert abs(values.mean() - (v[0] @ v[1]) * (t[0] @ t[1])) < 4 * error


def test_the_sketch_of_mcb_is_made_in_float32_where_the_rest_is_bfloat16():
    fuse = build("mcb").bfloat16()
    v, t = torch.randn(2, 11).bfloat16(), torch.randn(2, 13).bfloat16()
    sketch = fuse.sketch(v, t)
    assert sketch.dtype == torch.float32
    assert_close(sketch, build("mcb").sketch(v.float(), t.float()))


@pytest.mark.parametrize(("dims", "width"), [((1, 1), 1), ((4, 4), 16), ((11, 13), 256), ((2048, 768), 16384)])
def test_the_default_sketch_is_the_power_of_two_that_holds_the_products(dims, width):
    assert create_fusion("mcb", image_dim=dims[0], text_dim=dims[1], fused_dim=2).width == width


def test_every_factor_of_low_rank_is_registered():
    fuse = build("low_rank", rank=3)
    assert set(dict(fuse.named_parameters())) == {"image_factor", "text_factor", "rank_weight", "bias"}


@pytest.mark.parametrize("name", ["tensor_fusion", "multiplicative"])
def test_a_full_tensor_that_cannot_fit_is_refused_and_the_default_is_not(name):
    with pytest.raises(
        ConfigError, match=rf"{name}: .* are 80\d,\d+,\d+ weights: 3.0 GiB in float32, 12.0 GiB .*hidden=64"
    ):
        create_fusion(name, **WIDE, hidden=0)
    assert create_fusion(name, **WIDE).config.hidden == 64


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("block", {"chunks": 3}, r"hidden must be a multiple of chunks, got hidden=1600, chunks=3\. Try hidden=1602"),
        ("block", {"rank": 0}, "block: rank must be at least 1, got rank=0"),
        ("block", {"eps": 0.0}, "block: eps must be at least 1e-12, got eps=0.0"),
        ("mcb", {"sketch_dim": 0}, "mcb: sketch_dim must be at least 1, got sketch_dim=0"),
        ("mcb", {"eps": -1.0}, "mcb: eps must be at least 1e-12"),
        ("mfb", {"factor": 0}, "factor must be at least 1, got factor=0"),
        ("mfb", {"eps": 0.0}, "eps must be at least 1e-12, got eps=0.0"),
        ("mfh", {"num_blocks": 0}, "mfh: num_blocks must be at least 1, got num_blocks=0"),
        ("mfh", {"hidden": 0}, "mfh: hidden must be at least 1, got hidden=0"),
        ("mutan", {"rank": 0}, "mutan: rank must be at least 1, got rank=0"),
        ("sum", {"hidden": 0}, "sum: hidden must be at least 1, got hidden=0"),
        ("multiplicative", {"hidden": -1}, "multiplicative: hidden must be at least 0, got hidden=-1"),
        ("tensor_fusion", {"hidden": -1}, "tensor_fusion: hidden must be at least 0, got hidden=-1"),
        ("low_rank", {"rank": 0}, "low_rank: rank must be at least 1, got rank=0"),
        ("bilinear_attention", {"num_glimpses": 0}, "bilinear_attention: num_glimpses must be at least 1"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_its_value(name, settings, message):
    with pytest.raises(ConfigError, match=message):
        create_fusion(name, **WIDE, **settings)
