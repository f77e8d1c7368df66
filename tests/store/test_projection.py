"""Projections and 8-bit tokens: what they keep, and how far from the truth they may be."""

import numpy as np
import pytest
import torch

from interfuse.core.errors import StoreError
from interfuse.store import Projection, TokenStore, fit_projection, load_projections, save_projections
from interfuse.store.coding import from_rows, to_rows


def draw(count: int, dim: int) -> torch.Tensor:
    """Tokens with directions of unequal variance, far from zero."""
    noise = torch.Generator().manual_seed(3)
    mixed = torch.randn(count, dim, generator=noise) * torch.linspace(3, 0.1, dim)
    return mixed @ torch.linalg.qr(torch.randn(dim, dim, generator=noise))[0] + 40


def test_a_projection_is_that_of_the_singular_value_decomposition():
    tokens = draw(5_000, 24)
    fitted = fit_projection(tokens.split(700), 6)
    values = tokens.double().numpy()
    centred = values - values.mean(0)
    _, singular, rows = np.linalg.svd(centred, full_matrices=False)
    assert np.allclose(fitted.mean.numpy(), values.mean(0), atol=1e-5)
    basis = fitted.basis.double().numpy()
    assert np.allclose(basis.T @ basis, np.eye(6), atol=1e-6)
    assert np.allclose(basis @ basis.T, rows[:6].T @ rows[:6], atol=1e-5)
    assert fitted.explained == pytest.approx(float((singular[:6] ** 2).sum() / (singular**2).sum()), abs=1e-6)
    projected = fitted.apply(tokens).double().numpy()
    assert np.allclose(projected @ basis.T, centred @ rows[:6].T @ rows[:6], atol=1e-3)


def test_no_channel_of_a_projection_has_the_variance_of_a_component_alone():
    tokens = draw(5_000, 256)
    fitted = fit_projection([tokens], 128)
    spread = fitted.apply(tokens).std(0)
    singular = torch.linalg.svdvals(tokens - tokens.mean(0))[:128]
    assert float(singular[0] / singular[-1]) > 1.8
    assert float(spread.max() / spread.min()) < 1.5


def test_what_a_projection_loses_is_the_variance_that_it_does_not_explain():
    tokens = draw(5_000, 24)
    fitted = fit_projection([tokens], 10)
    back = fitted.apply(tokens) @ fitted.basis.T + fitted.mean
    lost = (tokens - back).square().sum() / (tokens - tokens.mean(0)).square().sum()
    assert float(lost) == pytest.approx(1 - fitted.explained, abs=1e-5)


def test_a_projection_is_fitted_on_no_more_tokens_than_said(monkeypatch):
    monkeypatch.setattr("interfuse.store.projection.SAMPLE_TOKENS", 1_000)
    tokens = draw(1_500, 8)
    fitted = fit_projection(tokens.split(300), 3)
    assert fitted.tokens == 1_000
    assert fitted.digest == fit_projection(tokens[:1_000].split(300), 3).digest
    assert fitted.digest != fit_projection(tokens.split(300), 4).digest


@pytest.mark.parametrize("kept", [0, 8, 9])
def test_a_width_that_keeps_nothing_or_everything_is_refused(kept):
    with pytest.raises(StoreError, match=f"Cannot keep {kept} of 8 numbers a token"):
        fit_projection([draw(100, 8)], kept)


def test_projections_come_back_from_disk_as_they_were(tmp_path):
    written = {"image": fit_projection([draw(200, 8)], 3), "text": fit_projection([draw(200, 5)], 2)}
    save_projections(tmp_path / "p.safetensors", written)
    read = load_projections(tmp_path / "p.safetensors")
    assert {name: (p.digest, p.explained, p.tokens) for name, p in read.items()} == {
        name: (p.digest, p.explained, p.tokens) for name, p in written.items()
    }


def test_a_file_that_is_no_projection_is_named(tmp_path):
    (tmp_path / "p.safetensors").write_bytes(b"nothing")
    with pytest.raises(StoreError, match="p.safetensors holds no projection"):
        load_projections(tmp_path / "p.safetensors")
    with pytest.raises(StoreError, match=r"expected \(dim\) and \(dim, components\), float32"):
        Projection(torch.zeros(3, dtype=torch.float64), torch.zeros(3, 2))


@pytest.mark.parametrize("size", [1e-30, 1e-3, 1.0, 1e4])
def test_eight_bits_are_off_by_half_a_step_at_most(size):
    tokens = torch.randn(6, 10, 33, generator=torch.Generator().manual_seed(0)) * size
    back = torch.zeros_like(tokens)
    from_rows("int8", to_rows("int8", tokens), back)
    step = tokens.abs().amax(-1, keepdim=True) / 127
    assert bool(((back - tokens).abs() <= step * 0.5001).all())
    assert bool((back != 0).any())


def test_a_token_of_zeros_stays_zero_in_eight_bits():
    back = torch.ones(2, 5)
    from_rows("int8", to_rows("int8", torch.zeros(2, 5)), back)
    assert bool((back == 0).all())


PARTS = {"bfloat16": 256, "int8": 254, "float32": float("inf")}
"""Into how many parts of the largest value of a token a number format divides it."""


def test_an_eight_bit_store_serves_what_was_written_and_takes_half_the_disk(tmp_path):
    tokens = {f"{n:032x}": torch.randn(3 + n % 4, 64, generator=torch.Generator().manual_seed(n)) for n in range(40)}
    sizes = {}
    for coding in ("bfloat16", "int8", "float32"):
        store = TokenStore(tmp_path, {"name": "t", "coding": coding}, 64, coding=coding)
        with store.writer() as writer:
            for key, value in tokens.items():
                writer.add(key, value)
        opened = TokenStore(tmp_path, {"name": "t", "coding": coding}, 64, coding=coding)
        table = opened.table(list(tokens))
        found, mask = table.gather(torch.arange(40))
        for place, value in enumerate(tokens.values()):
            bound = value.abs().amax(-1, keepdim=True) / PARTS[coding] * 1.001
            assert bool(((found[place, : len(value)] - value).abs() <= bound).all())
            assert int(mask[place].sum()) == len(value)
        sizes[coding] = sum(len(value) for value in tokens.values()) * opened._width * opened._dtype.itemsize
    assert sizes["int8"] / sizes["bfloat16"] == pytest.approx((64 + 4) / 128)
    assert sizes["float32"] == 2 * sizes["bfloat16"]


def test_a_store_does_not_take_the_shards_of_another_number_format(tmp_path):
    store = TokenStore(tmp_path, {"name": "t"}, 8)
    with store.writer() as writer:
        writer.add("0" * 32, torch.ones(2, 8))
    other = TokenStore(tmp_path, {"name": "t"}, 8, coding="int8")
    assert other.missing(["0" * 32]) == ["0" * 32]
    assert "of width 8, expected 12" in other.warnings[0]
