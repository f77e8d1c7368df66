"""All pairs: each is what the network gives for that pair alone."""

import pytest
import torch
from torch.testing import assert_close

from interfuse.core.tokens import Tokens
from interfuse.evaluation import interaction_share, project_additive
from interfuse.explain import pair_logits
from interfuse.explain.unimodal_cache import UnimodalCache, fill_cache
from interfuse.fusion import list_fusions
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
            assert_close(table[i, j], one.logits[0])


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


def test_what_sees_one_modality_alone_is_computed_once_an_item():
    network, (image, text) = build("cross_attention"), inputs()
    kinds = fill_cache(
        network, *(Tokens(*a(*t)) for a, t in ((network.image_adapter, image), (network.text_adapter, text)))
    )
    told = {site[-1][0].removesuffix(".forward"): kind for site, kind in kinds.kinds.items()}
    layer = "streams.layers.0"
    assert told == {
        "streams.image": "image",
        "streams.text": "text",
        f"{layer}.image.attention_norm": "image",
        f"{layer}.text.attention_norm": "text",
        f"{layer}.image.attention.query": "image",
        f"{layer}.image.attention.key_value": "text",
        f"{layer}.text.attention.query": "text",
        f"{layer}.text.attention.key_value": "image",
    }
    assert all("forward" not in vars(module) for module in network.modules())


def test_a_layer_used_for_both_modalities_is_shared_call_by_call():
    network, (image, text) = build("shared_cross_attention"), inputs()
    kinds = fill_cache(
        network, *(Tokens(*a(*t)) for a, t in ((network.image_adapter, image), (network.text_adapter, text)))
    )
    assert {site[-1]: kind for site, kind in kinds.kinds.items() if site[-1][0] == "attention.project"} == {
        ("attention.project", 0): "image",
        ("attention.project", 1): "text",
    }


def test_a_block_that_sees_one_modality_alone_is_shared_as_a_whole():
    network, (image, text) = build("two_tower", hidden=8), inputs()
    kinds = fill_cache(
        network, *(Tokens(*a(*t)) for a, t in ((network.image_adapter, image), (network.text_adapter, text)))
    )
    assert {"".join(name for name, _ in site) for site in kinds.kinds} == {"image.forward", "text.forward"}


@pytest.mark.parametrize(("fusion", "width"), [("mult", 16), ("q_former", 8), ("cross_attention", 16)])
def test_an_axis_that_happens_to_be_as_long_as_the_texts_is_not_cut_with_them(fusion, width):
    """Channels of a convolution, learned queries: as many as the longest text has tokens."""
    torch.manual_seed(1)
    network, (image, text) = build(fusion), inputs()
    lengths = torch.tensor([width, 3, 5, 2])
    text = Tokens(torch.randn(4, width, text.tokens.shape[2]), torch.arange(width) < lengths[:, None])
    table = pair_logits(network, image, text)
    for i in range(4):
        one = Tokens(text.tokens[i : i + 1].expand(4, -1, -1), text.mask[i : i + 1].expand(4, -1))
        assert_close(table[i], network(image, one).logits, atol=1e-5, rtol=1e-4)


def test_where_sharing_gives_another_answer_nothing_is_shared(monkeypatch):
    network, (image, text) = build("cross_attention"), inputs()
    expected = pair_logits(network, image, text)
    take = UnimodalCache._take
    monkeypatch.setattr(UnimodalCache, "_take", lambda self, *args: take(self, *args) + 0.1)
    assert_close(pair_logits(network, image, text), expected)
