"""Blocks against what PyTorch computes without them."""

import pytest
import torch
from torch.testing import assert_close

from interfuse.core.tokens import Tokens
from interfuse.nn import (
    Attention,
    CrossLayer,
    DecoderLayer,
    GatedLinear,
    Positions,
    TransformerLayer,
    masked_max,
    masked_mean,
    masked_softmax,
    sinusoid,
)
from interfuse.nn.attention import dot_product_attention


def test_masked_mean_and_max_see_real_tokens_only():
    tokens = torch.tensor([[[1.0, -5.0], [3.0, -7.0], [torch.nan, 9.0]], [[2.0, 2.0], [8.0, 8.0], [9.0, 9.0]]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert_close(masked_mean(tokens, mask), torch.tensor([[2.0, -6.0], [0.0, 0.0]]))
    assert_close(masked_max(tokens, mask), torch.tensor([[3.0, -5.0], [0.0, 0.0]]))


def test_masked_softmax_equals_softmax_of_the_kept_scores_and_is_zero_without_any():
    scores = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, False, True, True], [False] * 4])
    weights = masked_softmax(scores, mask)
    assert_close(weights[0, mask[0]], scores[0, mask[0]].softmax(-1))
    assert not weights[1].any()
    weights[:, 0].sum().backward()
    assert scores.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_kernel_for_each_dtype_agrees_with_plain_softmax_and_is_finite_without_keys(dtype):
    torch.manual_seed(0)
    q, k, v = (torch.randn(3, 2, n, 6, dtype=dtype, requires_grad=True) for n in (5, 7, 7))
    mask = (torch.arange(7) < torch.tensor([7, 3, 0])[:, None])[:, None, None, :]
    answer = dot_product_attention(q, k, v, mask)
    scores = (q.double() @ k.double().transpose(-2, -1) / 6**0.5).masked_fill(~mask, -torch.inf)
    expected = scores.softmax(-1).nan_to_num() @ v.double()
    tolerance = 1e-5 if dtype == torch.float32 else 0.03
    assert_close(answer.double(), expected, rtol=tolerance, atol=tolerance)
    assert not answer[2].any()
    answer.float().square().sum().backward()
    assert all(x.grad.isfinite().all() for x in (q, k, v))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_mask_of_real_tokens_alone_equals_no_mask_in_value_and_gradient(dtype):
    torch.manual_seed(0)
    parts = [torch.randn(3, 2, n, 6, dtype=dtype, requires_grad=True) for n in (5, 7, 7)]
    signal = torch.randn(3, 2, 5, 6, dtype=dtype)
    plain = dot_product_attention(*parts)
    masked = dot_product_attention(*parts, torch.ones(3, 1, 1, 7, dtype=torch.bool))
    tolerance = 1e-5 if dtype == torch.float32 else 0.03
    assert_close(masked, plain, rtol=tolerance, atol=tolerance)
    gradients = (torch.autograd.grad(answer, parts, signal) for answer in (plain, masked))
    for without, within in zip(*gradients, strict=True):
        assert_close(within, without, rtol=tolerance, atol=tolerance)


def test_attention_weights_are_those_of_the_forward_pass():
    torch.manual_seed(0)
    attention = Attention(12, 3, memory_dim=5).double()
    query, memory = torch.randn(2, 4, 12, dtype=torch.float64), torch.randn(2, 6, 5, dtype=torch.float64)
    mask = torch.arange(6) < torch.tensor([6, 2])[:, None]
    weights = attention.weights(query, memory, mask)
    assert_close(weights.sum(-1), torch.ones(2, 3, 4, dtype=torch.float64))
    value = (attention.key_value(memory).chunk(2, -1)[1] + attention.value_bias).unflatten(-1, (3, 4)).transpose(1, 2)
    assert_close(attention.out((weights @ value).transpose(1, 2).flatten(2)), attention(query, memory, mask))


def test_one_projection_of_a_stream_equals_separate_ones():
    torch.manual_seed(0)
    attention = Attention(8, 2).double()
    with torch.no_grad():
        attention.value_bias.normal_()
        attention.query.bias.normal_()
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    assert_close(attention(x, x), attention(x, x.clone()))


def test_a_key_bias_would_get_exactly_no_gradient_which_is_why_there_is_none():
    twin = torch.nn.MultiheadAttention(8, 2, batch_first=True).double()
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    twin(x, x, x, need_weights=False)[0].square().sum().backward()
    assert twin.in_proj_bias.grad[8:16].abs().max() < 1e-12
    assert twin.in_proj_bias.grad[:8].abs().max() > 1e-6


@pytest.mark.parametrize(
    ("layer", "sublayers"),
    [
        (TransformerLayer(8, 2, 1.0, norm_first=True), 2),
        (TransformerLayer(8, 2, 1.0, norm_first=False), 2),
        (CrossLayer(8, 2, 1.0), 2),
        (DecoderLayer(8, 2, 1.0), 3),
    ],
    ids=["pre-LN", "post-LN", "cross", "decoder"],
)
def test_where_all_is_dropped_nothing_is_added_by_any_sublayer(layer, sublayers, monkeypatch):
    calls = []
    plain = torch.nn.Dropout.forward
    monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, x: calls.append(x) or plain(self, x))
    x, mask = torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool)
    if isinstance(layer, DecoderLayer):
        given = (Tokens(x, mask), Tokens(torch.randn(2, 5, 8), mask))
    else:
        given = (x, torch.randn(2, 5, 8), mask) if isinstance(layer, CrossLayer) else (x, mask)
    got = layer.train()(*given)
    got = got.tokens if isinstance(got, Tokens) else got
    expected = x
    if isinstance(layer, DecoderLayer):
        expected = layer.forward_norm(layer.cross_norm(layer.attention_norm(x)))
    elif not getattr(layer, "norm_first", True):
        expected = layer.forward_norm(layer.attention_norm(x))
    assert_close(got, expected)
    assert len(calls) == sublayers


def test_gated_linear_is_the_first_half_times_the_sigmoid_of_the_second():
    torch.manual_seed(0)
    gate, x = GatedLinear(5, 3), torch.randn(2, 5)
    both = gate.value_gate(x)
    assert_close(gate(x), both[:, :3] * torch.sigmoid(both[:, 3:]))


def test_sinusoid_follows_its_formula_and_leaves_an_odd_channel_zero():
    codes = sinusoid(torch.tensor([0.0, 3.0]), 5)
    rate = 10_000 ** (-2 / 5)
    expected = torch.tensor([3.0, 3.0 * rate])
    assert_close(codes[1], torch.cat([expected.sin(), expected.cos(), torch.zeros(1)]))
    assert_close(codes[0], torch.tensor([0.0, 0, 1, 1, 0]))


def test_grid_positions_code_row_and_column():
    positions = Positions(8, grid=(2, 3))
    codes = positions(torch.zeros(1, 6, 8))[0]
    assert_close(codes[0, :4], codes[2, :4])  # the same row
    assert_close(codes[1, 4:], codes[4, 4:])  # the same column
    assert len(codes.unique(dim=0)) == 6
