"""The outer product and its size, the signed root, the norm, and maps of unit variance."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from interfuse.core.errors import ConfigError
from interfuse.nn import check_outer, outer, power_normalise, signed_sqrt, unit_linear, unit_rms

EPS = 0.01


def published(z: torch.Tensor) -> torch.Tensor:
    return F.normalize(z.sign() * z.abs().sqrt(), dim=-1)


def test_the_signed_root_keeps_the_sign_and_is_a_root_away_from_zero():
    x = torch.tensor([-400.0, -4.0, 0.0, 9.0])
    assert_close(signed_sqrt(x, 1e-9), torch.tensor([-20.0, -2.0, 0.0, 3.0]))


def test_the_slope_of_the_signed_root_is_largest_at_zero_and_known_there():
    x = torch.tensor([-1.0, -1e-6, 0.0, 1e-12, 1e-3, 2.0], requires_grad=True)
    (slope,) = torch.autograd.grad(signed_sqrt(x, EPS).sum(), x)
    assert slope.max() == slope[2]
    assert_close(slope[2], torch.tensor(EPS**-0.5))


def test_the_norm_gives_channels_of_unit_size_and_leaves_zeros_zero():
    x = torch.randn(4, 50) * 30
    assert_close(unit_rms(x, EPS).square().mean(1), torch.ones(4), rtol=1e-4, atol=0)
    assert_close(unit_rms(x, 1e-12), 50**0.5 * F.normalize(x, dim=1))
    assert not unit_rms(torch.zeros(2, 3), EPS).any()


def test_with_a_vanishing_eps_it_is_the_published_normalisation_times_root_dim():
    x = torch.randn(4, 50, dtype=torch.float64)
    assert_close(power_normalise(x, 1e-14), 50**0.5 * published(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-12, 1e-6, 1e-3, 0.1, 1.0, 1e6])
def test_no_direction_is_amplified_by_more_than_one_over_eps(size):
    draw = torch.Generator().manual_seed(0)
    x = size * torch.randn(50, generator=draw, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda z: power_normalise(z, EPS), x)
    norm = torch.linalg.matrix_norm(jacobian, 2)
    assert norm <= 1 / EPS * (1 + 1e-9)
    if size == 0:
        assert_close(norm, torch.tensor(1 / EPS, dtype=torch.float64))


def test_the_published_normalisation_amplifies_without_bound():
    x = 1e-6 * torch.randn(50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(published, x)
    assert torch.linalg.matrix_norm(jacobian, 2) > 1e5
    zero = torch.zeros(50, requires_grad=True)
    (slope,) = torch.autograd.grad(published(zero).sum(), zero)
    assert not slope.isfinite().all()


def test_bfloat16_is_normalised_in_float32():
    x = torch.randn(4, 50).bfloat16()
    assert torch.equal(power_normalise(x, EPS), power_normalise(x.float(), EPS).bfloat16())


def test_unit_linear_keeps_unit_variance_and_torchs_own_does_not():
    torch.manual_seed(0)
    x = torch.randn(2000, 300)
    assert unit_linear(300, 200)(x).var().item() == pytest.approx(1, abs=0.05)
    assert unit_linear(300, 200, gain=2.0, bias=False)(x).var().item() == pytest.approx(4, abs=0.2)
    assert torch.nn.Linear(300, 200)(x).var().item() == pytest.approx(1 / 3, abs=0.05)


def test_outer_multiplies_all_by_all_row_major():
    v, t = torch.randn(3, 4), torch.randn(3, 5)
    assert torch.equal(outer(v, t), torch.stack([torch.outer(a, b).flatten() for a, b in zip(v, t)]))


def test_an_outer_product_that_cannot_fit_is_refused_with_its_size():
    check_outer("x", 2**10, 2**9, 2**9)
    with pytest.raises(ConfigError, match=r"x: 2049 × 769 products .* 806,748,\d+ weights: 3.0 GiB .*12.0 GiB"):
        check_outer("x", 2049, 769, 512)
