"""Small networks and the mask of a missing modality against what PyTorch computes without them."""

import torch
import torch.nn.functional as F
from torch.testing import assert_close

from interfuse.nn import GatedTanh, Perceptron, one_at_least


def test_a_perceptron_is_two_linear_maps_around_a_gelu_or_one_linear_map():
    torch.manual_seed(0)
    x = torch.randn(2, 5)
    deep, flat = Perceptron(5, 7, 3), Perceptron(5, 0, 3)
    assert_close(deep(x), F.linear(F.gelu(F.linear(x, deep[0].weight, deep[0].bias)), deep[2].weight, deep[2].bias))
    assert_close(flat(x), F.linear(x, flat[0].weight, flat[0].bias))


def test_gated_tanh_squashes_the_first_half_and_gates_it_by_the_second():
    torch.manual_seed(0)
    gate, x = GatedTanh(5, 3), torch.randn(2, 4, 5)
    both = gate.value_gate(x)
    assert_close(gate(x), F.glu(torch.cat([both[..., :3].tanh(), both[..., 3:]], -1)))


def test_one_at_least_changes_only_the_first_slot_of_rows_without_any_token():
    mask = torch.tensor([[True, True, False], [False, False, True], [False, False, False]])
    expected = torch.tensor([[True, True, False], [False, False, True], [True, False, False]])
    assert torch.equal(one_at_least(mask), expected)
