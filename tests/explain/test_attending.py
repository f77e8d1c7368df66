"""What an attention goes from and to, for every mechanism of the registry and sizes that coincide with its own."""

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.testing import assert_close

from interfuse.core.modalities import Modalities
from interfuse.core.tokens import MemoryTable, Tokens
from interfuse.data import Features
from interfuse.evaluation import QUERIES, say_attention
from interfuse.explain import attention_maps, relevance
from interfuse.explain.attention import find_kinds
from interfuse.fusion import FUSIONS
from interfuse.training import Network
from interfuse.workflows.diagnose.measures import measure_attention
from tests.training.networks import build, inputs

BOTH_WAYS = {
    "bidirectional",
    "bilinear_attention",
    "cross_attention",
    "dfaf",
    "lxmert",
    "merged_attention",
    "mult",
    "shared_cross_attention",
    "two_way",
}
TO_IMAGE, TO_TEXT = BOTH_WAYS | {"gated_cross_attention"}, BOTH_WAYS | {"mcan"}
OVER_IMAGE = {"attention_pooling", "perceiver", "q_former", "resampler", "stacked_attention", "top_down"}
"""Their queries are latents, learned queries or the pooled text."""
MAPPED = TO_IMAGE | TO_TEXT
NEITHER = {"bottleneck"}
COINCIDING = [
    ("bottleneck", 4, {}),  # image + 4 bottlenecks = image + text
    ("bottleneck", 3, {"num_bottlenecks": 3}),
    ("q_former", 8, {}),  # as many queries as text tokens
    ("q_former", 6, {"num_queries": 6}),  # as image tokens too
    ("perceiver", 2, {}),  # 8 latents = image + text
    ("perceiver", 6, {"num_latents": 6}),
    ("resampler", 4, {"num_latents": 4}),
    ("attention_pooling", 4, {"num_queries": 10}),
    ("attention_pooling", 1, {}),
    ("stacked_attention", 1, {}),
    ("top_down", 1, {}),
    ("cross_attention", 6, {}),
]


class Softmaxes(TorchFunctionMode):
    """Widths of every softmax and attention, whoever calls it: it knows nothing of `capture_attention`."""

    def __init__(self):
        super().__init__()
        self.widths = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function.__name__ == "scaled_dot_product_attention":
            self.widths.append(args[1].shape[-2])
        elif function.__name__ == "softmax":
            self.widths.append(args[0].shape[-1])
        return function(*args, **(kwargs or {}))


def features() -> Features:
    items, tables = torch.arange(4), [MemoryTable(*tokens) for tokens in inputs()]
    return Features(*tables, items, items, items % 3, "multiclass", tuple("abc"), items, tuple("wxyz"), items, {})


def open_gates(network: Network) -> Network:
    for name in network.fusion.zero_gates:
        for parameter in (p for key, p in network.fusion.named_parameters() if key.endswith(name)):
            torch.nn.init.constant_(parameter, 0.5)
    return network


@pytest.mark.parametrize("fusion", FUSIONS.names())
def test_whatever_weighs_tokens_is_said_to_attend(fusion):
    network, widths = build(fusion), []
    for tokens in (3, 5):
        with Softmaxes() as heard, torch.no_grad():
            network.fusion(torch.randn(1, tokens, 16), torch.randn(1, tokens, 16))
        widths.append(heard.widths)
    weighs_tokens = widths[0] != widths[1]
    maps = attention_maps(network, *inputs())
    assert maps.attends == weighs_tokens
    assert maps.attends == (fusion in MAPPED | OVER_IMAGE | NEITHER)
    said = measure_attention(network, features(), torch.arange(4)).verdict
    assert ("does not attend" in said) == (not weighs_tokens)
    assert ("there is no map between" in said) == (fusion in OVER_IMAGE | NEITHER)
    assert said.startswith("Attention queries → image spreads over ") == (fusion in OVER_IMAGE)


@pytest.mark.parametrize("text_tokens", [2, 4, 5, 6, 8])
@pytest.mark.parametrize("fusion", FUSIONS.names())
def test_maps_and_relevance_are_those_of_the_mechanism_at_any_number_of_tokens(fusion, text_tokens):
    check(open_gates(build(fusion)), fusion, text_tokens)


@pytest.mark.parametrize(("fusion", "text_tokens", "given"), COINCIDING)
def test_maps_are_not_fooled_by_sizes_that_coincide(fusion, text_tokens, given):
    check(build(fusion, **given), fusion, text_tokens)
    check(build(fusion, encoder_layers=1, **given), fusion, text_tokens)  # the adapters' attention is not the fusion's


def check(network: Network, fusion: str, text_tokens: int) -> None:
    image, text = inputs(text_tokens)
    maps = attention_maps(network, image, text)
    assert (maps.text_to_image is not None) == (fusion in TO_IMAGE)
    assert (maps.image_to_text is not None) == (fusion in TO_TEXT)
    assert (maps.over_image is not None) == (fusion in OVER_IMAGE)
    if maps.over_image is not None:
        assert maps.over_image.shape == (4, 6)
        assert float(maps.over_image.min()) >= 0.0
        assert float(maps.over_image.max()) > 0.0
    wider = Tokens(  # padding changes no map, and no size coincides any more
        torch.cat([text.tokens, text.tokens.new_zeros(4, 23, 5)], 1),
        torch.cat([text.mask, text.mask.new_zeros(4, 23)], 1),
    )
    apart = attention_maps(network, image, wider)
    for ours, theirs in (
        (maps.over_image, apart.over_image),
        (maps.image_to_text, None if apart.image_to_text is None else apart.image_to_text[:, :, :text_tokens]),
        (maps.text_to_image, None if apart.text_to_image is None else apart.text_to_image[:, :text_tokens]),
    ):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert_close(ours, theirs)
    found = relevance(network, image, text, torch.tensor([0, 1, 2, 0]))
    followed = fusion in MAPPED or (fusion not in OVER_IMAGE | NEITHER and len(network.image_adapter.layers) > 0)
    assert (found is not None) == followed
    if found is not None:
        assert float(found.image.abs().max() + found.text.abs().max()) > 0.0


@pytest.mark.parametrize("name", ["stacked_attention", "top_down"])
def test_the_pooled_text_s_own_weights_are_the_map_over_the_picture(name):
    network, (image, text) = build(name), inputs()
    v, t = Tokens(*network.image_adapter(*image)), Tokens(*network.text_adapter(*text))
    fuse, mean = network.fusion, (t.tokens * t.mask[..., None]).sum(1) / t.mask.sum(1, keepdim=True)
    if name == "top_down":
        joined = torch.cat([v.tokens, mean[:, None].expand(-1, 6, -1)], -1)
        expected = fuse.score(fuse.attend(joined)).squeeze(-1).softmax(-1)
    else:
        tokens, query, hops = torch.tanh(fuse.image(v.tokens)), fuse.text(mean), []
        for hop in fuse.hops:
            scores = hop.score(torch.tanh(hop.tokens(tokens) + hop.query(query)[:, None])).squeeze(-1)
            hops.append(scores.softmax(-1))
            query = query + torch.einsum("bi,bid->bd", hops[-1], tokens)
        expected = torch.stack(hops).mean(0)
    assert_close(attention_maps(network, image, text).over_image, expected.detach())


def test_the_latents_map_over_the_picture_is_the_image_s_part_of_what_they_read():
    network, (image, text) = build("attention_pooling", num_queries=3), inputs()
    v, t = Tokens(*network.image_adapter(*image)), Tokens(*network.text_adapter(*text))
    fuse = network.fusion
    merged = fuse.norm(torch.cat([fuse.image(v.tokens) + fuse.types[0], fuse.text(t.tokens) + fuse.types[1]], 1))
    weights = fuse.attention.weights(fuse.queries.expand(4, -1, -1), merged, torch.cat([v.mask, t.mask], 1))
    assert_close(attention_maps(network, image, text).over_image, weights.mean((1, 2))[:, :6].detach())


def test_weights_of_pairs_are_a_map_in_both_directions_and_relevant_in_both():
    network, (image, text) = build("bilinear_attention"), inputs()
    maps = attention_maps(network, image, text)
    assert_close(maps.image_to_text.sum((1, 2)), torch.ones(4))
    assert_close(maps.image_to_text, maps.text_to_image.mT)
    found = relevance(network, image, text, torch.tensor([0, 1, 2, 0]))
    assert_close(found.image.sum(1) * text.mask.sum(1), found.text.sum(1) * 6)  # both are sums of the same pairs


def test_closed_gates_let_nothing_through_so_there_is_no_relevance():
    assert relevance(build("gated_cross_attention"), *inputs(), torch.tensor([0, 1, 2, 0])) is None


def test_tokens_that_stand_in_another_order_are_not_taken_for_the_image():
    network = build("merged_attention")
    layer = network.fusion.layers[0]

    class TextFirst(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, image, text, image_mask, text_mask):
            return self.layer(torch.cat([text, image], 1), torch.cat([text_mask, image_mask], 1))

    tokens = Tokens(torch.zeros(1, 1, 16), torch.ones(1, 1, dtype=torch.bool))
    assert find_kinds(TextFirst().eval(), tokens, tokens) == ["other"]
    assert find_kinds(network.fusion, tokens, tokens) == ["joint", "joint"]


def test_the_verdict_on_attention_says_what_there_is():
    no_maps = Modalities({}, {})
    both = say_attention({"text → image": 0.5}, 9, True, no_maps).verdict
    assert both == "Attention text → image spreads over 50 % of its tokens."
    assert "Its queries are latents or the pooled text" in say_attention({QUERIES: 0.5}, 9, True, no_maps).verdict
    assert say_attention({}, 9, True, no_maps).verdict.startswith(
        "The fusion attends, but only within a modality or through"
    )
    assert say_attention({}, 9, False, no_maps).verdict == "The fusion does not attend: there is no map to draw."
    assert np.isclose(say_attention({QUERIES: 0.5}, 9, True, no_maps).values[0].value, 0.5)
