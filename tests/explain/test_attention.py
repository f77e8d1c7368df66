"""Attention maps and relevance: the weights that made the answer, and Chefer's rules against loops."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from interfuse.core.tokens import Tokens
from interfuse.explain import attention_maps, capture_attention, relevance
from interfuse.nn import Attention
from tests.references.relevance import bimodal_relevance
from tests.training.networks import build, inputs

ATTENDING = ["cross_attention", "shared_cross_attention", "merged_attention"]


@pytest.mark.parametrize("fusion", ATTENDING)
def test_capturing_changes_no_bit_and_leaves_no_trace(fusion):
    network, (image, text) = build(fusion, encoder_layers=1), inputs()
    before = network(image, text).logits
    with capture_attention(network) as found:
        during = network(image, text).logits
    assert torch.equal(before, during)
    assert torch.equal(before, network(image, text).logits)
    assert len(found) == len({id(call) for call in found}) >= 3
    assert not any("attend" in vars(module) for module in network.modules())


def test_captured_weights_reproduce_what_the_layer_gave():
    torch.manual_seed(0)
    layer = Attention(8, 2)
    query, memory = torch.randn(3, 4, 8), torch.randn(3, 5, 8)
    mask = torch.arange(5) < torch.tensor([5, 2, 1])[:, None]
    with capture_attention(layer) as found:
        given = layer(query, memory, mask)
    value = (memory @ layer.key_value.weight[8:].T + layer.value_bias).view(3, 5, 2, 4)
    answer = torch.einsum("bhqk,bkhd->bqhd", found[0].weights, value).flatten(2)
    assert_close(layer.out(answer), given)
    assert_close(found[0].weights, layer.weights(query, memory, mask))


@pytest.mark.parametrize("fusion", ATTENDING)
def test_a_differentiable_capture_gives_the_same_logits(fusion):
    network, (image, text) = build(fusion).double(), inputs()
    image, text = (Tokens(part.tokens.double(), part.mask) for part in (image, text))
    with capture_attention(network, differentiable=True) as found:
        during = network(image, text).logits
    assert_close(during, network(image, text).logits)
    assert found[0].weights.requires_grad


@pytest.mark.parametrize("text_tokens", [4, 6])  # 6: as many as the image has, so that sizes alone tell nothing
@pytest.mark.parametrize("fusion", ["cross_attention", "shared_cross_attention"])
def test_maps_have_one_distribution_a_token_and_nothing_under_the_mask(fusion, text_tokens):
    image, text = inputs(text_tokens)
    maps = attention_maps(build(fusion), image, text)
    assert maps.image_to_text.shape == (4, 6, text_tokens)
    assert maps.text_to_image.shape == (4, text_tokens, 6)
    assert_close(maps.image_to_text.sum(-1), torch.ones(4, 6))
    assert_close(maps.text_to_image.sum(-1), text.mask.float())
    assert float(maps.image_to_text.masked_select(~text.mask[:, None].expand(-1, 6, -1)).abs().max()) == 0.0


def test_the_maps_are_the_weights_of_their_direction_averaged_over_heads():
    network, (image, text) = build("cross_attention"), inputs()
    with capture_attention(network.fusion) as found:
        network(image, text)
    by_name = {call.name: call.weights.mean(1) for call in found}
    maps = attention_maps(network, image, text)
    assert_close(maps.image_to_text, by_name["streams.layers.0.image.attention"])
    real = text.mask.unsqueeze(-1)
    assert_close(maps.text_to_image, by_name["streams.layers.0.text.attention"] * real)


def test_a_fusion_that_does_not_attend_has_no_map_and_no_relevance():
    image, text = inputs()
    maps = attention_maps(build("concat"), image, text)
    assert maps.image_to_text is None
    assert maps.text_to_image is None
    assert relevance(build("concat"), image, text, torch.zeros(4, dtype=torch.int64)) is None


def kinds_of(name: str, shape: tuple[int, int]) -> str:
    return {"image_adapter": "ii", "text_adapter": "tt"}.get(name.split(".")[0]) or {(6, 4): "it", (4, 6): "ti"}[shape]


@pytest.mark.parametrize("given", [{}, {"encoder_layers": 1}, {"num_layers": 3, "encoder_layers": 2}])
def test_relevance_follows_the_published_rules(given):
    network, (image, text) = build("cross_attention", **given).double(), inputs()
    image, text = (Tokens(part.tokens[:1].double(), part.mask[:1]) for part in (image, text))
    with capture_attention(network, differentiable=True) as found:
        logit = network(image, text).logits[0, 1]
    grads = torch.autograd.grad(logit, [call.weights for call in found])
    calls = [
        (
            kinds_of(call.name, tuple(call.weights.shape[2:])),
            np.maximum(call.weights.detach().numpy() * grad.numpy(), 0).mean(1)[0],
        )
        for call, grad in zip(found, grads)
    ]
    expected = bimodal_relevance(calls, 6, 4)
    ours = relevance(network, image, text, torch.tensor([1]))
    np.testing.assert_allclose(ours.image[0].numpy(), expected["image"], atol=1e-6)
    np.testing.assert_allclose(ours.text[0].numpy(), expected["text"], atol=1e-6)
    assert ours.image.abs().max() > 1e-5


@pytest.mark.parametrize("fusion", ATTENDING)
@pytest.mark.parametrize("text_tokens", [4, 6])
def test_relevance_is_finite_also_where_the_first_layer_is_cross_attention(fusion, text_tokens):
    image, text = inputs(text_tokens)
    found = relevance(build(fusion), image, text, torch.tensor([0, 1, 2, 0]))
    assert found.image.shape == (4, 6)
    assert found.text.shape == (4, text_tokens)
    assert torch.isfinite(found.image).all()
    assert torch.isfinite(found.text).all()
    assert float(found.text[~text.mask].abs().max()) == 0.0
    assert float(found.text[text.mask].abs().max()) > 0.0


def test_each_row_is_explained_alone():
    network, (image, text) = build("cross_attention", encoder_layers=1), inputs()
    classes = torch.tensor([0, 1, 2, 0])
    together = relevance(network, image, text, classes)
    for row in range(4):
        one = slice(row, row + 1)
        alone = relevance(
            network, Tokens(image.tokens[one], image.mask[one]), Tokens(text.tokens[one], text.mask[one]), classes[one]
        )
        assert_close(together.image[one], alone.image)
        assert_close(together.text[one], alone.text)
