"""All pairs: each is what the network gives for that pair alone."""

import pytest
import torch
from torch.testing import assert_close

from interfuse.core.tokens import Tokens
from interfuse.evaluation import interaction_share, project_additive
from interfuse.fusion import list_fusions
from interfuse.training import pair_logits
from tests.training.networks import build, double, inputs


@pytest.mark.parametrize("fusion", list_fusions())
def test_every_cell_is_the_network_s_answer_to_that_pair(fusion):
    network, (image, text) = build(fusion, encoder_layers=1).double(), map(double, inputs())
    text.mask[3] = False  # a missing text is a text like any other
    told = []
    table = pair_logits(network, image, text, told.append, pairs=3)
    assert sum(told) == 16
    for i in range(4):
        for j in range(4):
            one = network(
                Tokens(image.tokens[j : j + 1], image.mask[j : j + 1]),
                Tokens(text.tokens[i : i + 1], text.mask[i : i + 1]),
            )
            assert_close(table[i, j], one[0])


@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_an_additive_network_is_its_own_projection(dtype, error):
    network = build("concat").to(dtype)
    image, text = (Tokens(part.tokens.to(dtype), part.mask) for part in inputs())
    table = pair_logits(network, image, text).numpy()
    assert abs(project_additive(table) - table).max() <= error * table.std()
    assert interaction_share(table) <= error


def test_a_network_with_an_interaction_is_not():
    image, text = inputs()
    assert interaction_share(pair_logits(build("product"), image, text).numpy()) > 0.01
