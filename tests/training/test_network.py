"""The assembled network: adapters, the absent token, parameters."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from interfuse.core.design import Design, make_design
from interfuse.core.errors import ConfigError
from interfuse.core.modalities import MODALITIES
from interfuse.core.tokens import MemoryTable, Tokens
from interfuse.nn import masked_mean
from interfuse.training import ModalitySpec, Network, count_parameters, match_hidden, measure, pool_table, pools
from interfuse.training.network import Adapter

IMAGE, TEXT = (ModalitySpec(d, g, torch.randn(d), torch.rand(d) + 0.5) for d, g in ((7, (2, 3)), (5, None)))


def inputs(batch: int = 4) -> tuple[Tokens, Tokens]:
    draw = torch.Generator().manual_seed(0)
    mask = torch.arange(6) < torch.tensor([6, 2, 6, 1])[:batch, None]
    return (
        Tokens(torch.randn(batch, 6, 7, generator=draw), torch.ones(batch, 6, dtype=torch.bool)),
        Tokens(torch.randn(batch, 6, 5, generator=draw), mask),
    )


def build(fusion: str = "cross_attention", **given) -> Network:
    torch.manual_seed(0)
    return Network(make_design(fusion, given, {"dim": 16, "num_heads": 2}), IMAGE, TEXT, 3).eval()


@pytest.mark.parametrize("given", [{}, {"encoder_layers": 1}, {"norm": "none"}, {"gate": "glu"}, {"pool": "mean"}])
def test_distinct_items_with_an_index_equal_repeated_items(given):
    fusion = "merged_attention" if "pool" in given else "cross_attention"
    network, (image, text) = build(fusion, **given).double(), inputs()
    image, text = Tokens(image.tokens.double(), image.mask), Tokens(text.tokens.double(), text.mask)
    index_image, index_text = torch.tensor([0, 0, 3, 1]), torch.tensor([2, 1, 1, 0])
    together = network(image, text, index_image, index_text).logits
    repeated = network(
        Tokens(image.tokens[index_image], image.mask[index_image]),
        Tokens(text.tokens[index_text], text.mask[index_text]),
    ).logits
    assert_close(together, repeated)


def test_standardising_inside_the_projection_equals_standardising_the_tokens():
    torch.manual_seed(0)
    adapter = Adapter(Design("concat", dim=16, num_heads=2), TEXT, pool=False).double()
    tokens, mask = inputs()[1]
    found, _ = adapter(tokens.double(), mask)
    standard = (tokens.double() - TEXT.mean.double()) / TEXT.std.double()
    expected = adapter.positions(adapter.norm(adapter.project(standard)))
    assert_close(found[mask], expected[mask])


def test_a_missing_modality_leaves_the_adapter_as_one_learned_token():
    adapter = Adapter(Design("concat", dim=16, num_heads=2), TEXT, pool=False)
    tokens, mask = inputs()[1]
    mask = mask & torch.tensor([False, True, True, True])[:, None]
    adapted, out_mask = adapter(tokens.masked_fill(~mask.unsqueeze(-1), torch.nan), mask)
    assert out_mask[0].tolist() == [True] + [False] * 5
    assert out_mask[1:].equal(mask[1:])
    assert_close(adapted[0, 0], adapter.absent)
    adapted[out_mask].sum().backward()
    assert adapter.absent.grad.equal(torch.ones(16))
    assert adapter.project.weight.grad.isfinite().all()


@pytest.mark.parametrize("fusion", ["concat", "cross_attention"])
def test_content_under_a_missing_modality_never_reaches_the_logits(fusion):
    network, (image, text) = build(fusion), inputs()
    mask = image.mask & torch.tensor([False, True, True, True])[:, None]
    other = Tokens(image.tokens.masked_fill(~mask.unsqueeze(-1), torch.nan), mask)
    assert network(other, text).logits.equal(network(Tokens(image.tokens, mask), text).logits)


@pytest.mark.parametrize(("fusion", "modality"), [("text_only", "image"), ("image_only", "text")])
def test_a_control_trains_nothing_of_what_it_ignores(fusion, modality):
    network, (image, text) = build(fusion), inputs()
    network(image, text).logits.sum().backward()
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    assert not any(name.startswith(f"{modality}_adapter") for name in trained)
    used = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert used == trained - {n for n in trained if n.endswith("absent")}


def test_concat_with_a_linear_head_is_exactly_additive_and_with_a_hidden_layer_is_not():
    image, text = inputs()
    pair = [(i, t) for i in range(4) for t in range(4)]
    rows, columns = torch.tensor([p[0] for p in pair]), torch.tensor([p[1] for p in pair])
    for given, additive in (({}, True), ({"hidden": 32}, False)):
        network = build("concat", **given).double()
        logits = network(
            Tokens(image.tokens.double(), image.mask), Tokens(text.tokens.double(), text.mask), rows, columns
        ).logits.view(4, 4, 3)
        rest = logits - logits.mean(0, keepdim=True) - logits.mean(1, keepdim=True) + logits.mean((0, 1), keepdim=True)
        assert (rest.abs().max() < 1e-9) == additive


def test_designs_pool_where_the_fusion_pools_anyway_and_no_layer_comes_before():
    assert pools(Design("concat"))
    assert not pools(Design("concat", encoder_layers=1))
    assert not pools(Design("cross_attention"))
    assert pools(Design("cross_attention", pool="mean"))
    assert not pools(Design("concat", pool="none"))


def test_a_hidden_layer_is_matched_to_the_parameters_of_another_design():
    target = count_parameters(build("cross_attention"))
    hidden = match_hidden(Design("concat", dim=16, num_heads=2), IMAGE, TEXT, 3, target)
    assert abs(count_parameters(build("concat", hidden=hidden)) - target) <= 33  # one unit of the layer


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ConfigError, match=r"dim must be a multiple of num_heads, got dim=10, num_heads=4\. Try dim=12"):
        Network(Design("concat", dim=10, num_heads=4, encoder_layers=1), IMAGE, TEXT, 2)


def test_statistics_are_those_of_the_real_tokens_of_train_items():
    tokens = torch.randn(6, 4, 3) * torch.tensor([1.0, 5.0, 0.0]) + torch.tensor([0.0, 2.0, 7.0])
    mask = torch.arange(4) < torch.tensor([4, 1, 2, 3, 4, 4])[:, None]
    table = MemoryTable(tokens, mask)
    spec = measure(table, torch.tensor([0, 1, 1, 3, -1]))
    real = tokens[[0, 1, 3]][mask[[0, 1, 3]]]
    assert_close(spec.mean, real.mean(0))
    assert_close(spec.std[:2], real.std(0, correction=0)[:2])
    assert spec.std[2] == 1.0  # a constant channel


def test_a_pooled_table_holds_the_masked_means():
    tokens = torch.randn(3, 4, 2)
    mask = torch.arange(4) < torch.tensor([4, 1, 2])[:, None]
    pooled = pool_table(MemoryTable(tokens, mask))
    assert_close(pooled.tokens[2, 0], tokens[2, :2].mean(0))
    assert dataclasses.is_dataclass(pooled)
    assert pooled.gather(torch.tensor([-1])).mask.tolist() == [[False]]


@pytest.mark.parametrize("fusion", ["late_mean", "late_logit", "late_product", "evidential"])
def test_a_late_mechanism_gives_the_logits_itself(fusion):
    network, (image, text) = build(fusion), inputs()
    assert isinstance(network.head, torch.nn.Identity)
    assert network.fusion.config.fused_dim == 3
    adapted = [network.image_adapter(*image), network.text_adapter(*text)]
    vector = network.fusion(adapted[0][0], adapted[1][0], adapted[0][1], adapted[1][1]).vector
    assert network(image, text).logits.equal(vector)


@pytest.mark.parametrize(("task", "link"), [("multiclass", "softmax"), ("multilabel", "sigmoid")])
def test_a_late_mechanism_links_its_outputs_as_the_task_does(task, link):
    design = make_design("late_mean", {}, {"dim": 16})
    assert Network(design, IMAGE, TEXT, 3, task).fusion.config.link == link


def gradients_of(network: Network) -> dict[str, float]:
    image, text = inputs()
    network(image, text).logits.square().sum().backward()
    blocks = network.blocks().items()
    return {n: sum(float(p.grad.abs().sum()) for p in b.parameters() if p.grad is not None) for n, b in blocks}


def test_a_residual_teaches_the_adapters_though_the_fusion_passes_nothing():
    dead = {}
    for residual in (False, True):
        network = build("cross_attention", residual=residual)
        for parameter in network.fusion.parameters():
            torch.nn.init.zeros_(parameter)
        dead[residual] = gradients_of(network)
    assert dead[False]["image_adapter"] == dead[False]["text_adapter"] == 0.0
    assert dead[True]["image_adapter"] > 0 < dead[True]["text_adapter"]
    assert dead[True]["residual"] > 0


def test_a_residual_is_a_linear_map_of_the_means_added_to_the_fused_vector():
    network, (image, text) = build("product", residual=True), inputs()
    seen, read = (Tokens(*a(*t)) for a, t in ((network.image_adapter, image), (network.text_adapter, text)))
    means = [(t.tokens * t.mask.unsqueeze(-1)).sum(1) / t.mask.sum(1, keepdim=True) for t in (seen, read)]
    vector = network.fusion(seen.tokens, read.tokens, seen.mask, read.mask).vector
    vector = vector + torch.cat(means, -1) @ network.residual.weight.T + network.residual.bias
    assert_close(network(image, text).logits, network.head(vector))


def test_a_residual_shows_a_control_nothing_of_the_other_modality():
    network, (image, text) = build("text_only", residual=True), inputs()
    other = Tokens(torch.randn_like(image.tokens), image.mask)
    assert network(image, text).logits.equal(network(other, text).logits)
    assert not network(image, text).logits.equal(network(image, Tokens(text.tokens + 1, text.mask)).logits)


def test_a_late_mechanism_refuses_a_residual():
    with pytest.raises(ConfigError, match="late_mean has none: it combines predictions"):
        build("late_mean", residual=True)


def test_designs_made_before_the_residual_keep_their_hash():
    plain = Design("concat", dim=16)
    assert plain.key == "2497685caafbb4a1593c4db53b6a65f8"
    assert Design("concat", dim=16, residual=True).key != plain.key


def test_the_logits_are_the_same_whatever_else_is_asked_for():
    network, (image, text) = build("product", unimodal_heads=0.5).eval(), inputs()
    plain, full = network(image, text), network(image, text, unimodal=True, vectors=True)
    assert plain.unimodal is plain.vectors is None
    assert full.logits.equal(plain.logits)
    adapted = [Tokens(*adapter(*tokens)) for adapter, tokens in zip(network.adapters, (image, text))]
    for modality, tokens, alone, vector in zip(MODALITIES, adapted, full.unimodal, full.vectors):
        assert_close(vector, masked_mean(*tokens))
        assert_close(alone, network.unimodal_heads[modality](vector))
