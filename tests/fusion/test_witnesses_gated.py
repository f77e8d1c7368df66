"""The gated and pooling mechanisms against second witnesses: published classes and torch's own primitives."""

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal
from torch.testing import assert_close

from interfuse.core.tokens import Tokens
from interfuse.nn import masked_mean
from tests.fusion.inputs import FUSED_DIM, IMAGE_DIM, TEXT_DIM, build, make_inputs
from tests.fusion.test_original import copy_to_torch
from tests.references.basics import REFERENCES, VARIANTS

GATED = ["central", "embrace", "film", "gmu", "mag", "mixture_of_experts", "mmtm", "softmax_weights"]
POOLING = ["attention_pooling", "stacked_attention", "top_down"]
LATE = ["evidential", "late_logit", "late_mean", "late_product"]
EVERY = [*GATED, *POOLING, *LATE]


def published(package: str, file: str) -> ModuleType:
    """Load one file of an installed package without the imports of the package itself, or skip."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed: the published class cannot be asked")
    path = Path(spec.submodule_search_locations[0]) / file
    loader = importlib.util.spec_from_file_location(f"published_{path.stem}", path)
    module = importlib.util.module_from_spec(loader)
    loader.loader.exec_module(module)
    return module


def ready(name: str, **settings):
    """A mechanism and inputs in float64, every bias and scalar away from where it starts."""
    fuse = build(name, **settings).double()
    with torch.no_grad():
        for parameter in fuse.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    inputs = make_inputs(torch.float64)
    image, text = Tokens(inputs.image, inputs.image_mask), Tokens(inputs.text, inputs.text_mask)
    return fuse, inputs, image, text


def means(image: Tokens, text: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
    """Masked means by nanmean."""
    return tuple(x.tokens.masked_fill(~x.mask.unsqueeze(-1), torch.nan).nanmean(1) for x in (image, text))


@pytest.mark.parametrize(("name", "settings"), [(n, s) for n in EVERY for s in VARIANTS[n]])
@pytest.mark.parametrize("missing", ["image", "text", "both"])
def test_a_missing_modality_gives_what_the_slow_reference_gives_for_no_tokens(name, settings, missing):
    fuse, inputs, _, _ = ready(name, **settings)
    image_mask = inputs.image_mask & (missing == "text")
    text_mask = inputs.text_mask & (missing == "image")
    vector = fuse(inputs.image, inputs.text, image_mask, text_mask).vector
    params = {key: value.detach().numpy() for key, value in fuse.state_dict().items()}
    for row in range(len(vector)):
        image, text = inputs.image[row][image_mask[row]].numpy(), inputs.text[row][text_mask[row]].numpy()
        expected = torch.from_numpy(REFERENCES[name](params, image, text, fuse.config))
        assert_close(vector[row], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("there", ["image", "text"])
def test_what_is_there_still_decides_the_vector_when_the_other_modality_is_missing(name, there):
    fuse, inputs, _, _ = ready(name)
    image_mask, text_mask = inputs.image_mask & (there == "image"), inputs.text_mask & (there == "text")
    plain = fuse(inputs.image, inputs.text, image_mask, text_mask).vector
    other = fuse(inputs.image.flip(0) + 1, inputs.text.flip(0) + 1, image_mask, text_mask).vector
    assert ((plain - other).abs().amax(1) > 1e-6).all()


# Published classes


@pytest.mark.parametrize("beta", [0.05, 1.0])
def test_mag_equals_the_class_of_mmsa(beta):
    mag = published("MMSA", "models/singleTask/BERT_MAG.py").MAG
    fuse, inputs, image, _ = ready("mag", beta=beta)
    options = SimpleNamespace(feature_dims=(TEXT_DIM, 1, IMAGE_DIM), beta_shift=beta, dropout_prob=0.0, device="cpu")
    twin = mag(SimpleNamespace(hidden_size=TEXT_DIM), options).double()
    with torch.no_grad():
        twin.W_hv.load_state_dict(fuse.gate.state_dict())
        twin.W_v.load_state_dict(fuse.image.state_dict())
        twin.LayerNorm.load_state_dict(fuse.norm.state_dict())
        twin.W_a.weight.zero_()  # there is no sound
        twin.W_a.bias.zero_()
        seen = masked_mean(*image).unsqueeze(1).expand(-1, inputs.text.shape[1], -1)
        expected = twin(inputs.text, seen, inputs.text.new_zeros(*inputs.text.shape[:2], 1))
        shifted = fuse(*inputs).text
    assert_close(shifted[inputs.text_mask], expected[inputs.text_mask], rtol=1e-6, atol=1e-6)


def test_softmax_weights_equal_the_class_of_torchmultimodal():
    theirs = published("torchmultimodal", "modules/fusions/attention_fusion.py").AttentionFusionModule
    fuse, inputs, image, text = ready("softmax_weights")
    twin = theirs({"image": IMAGE_DIM, "text": TEXT_DIM}, FUSED_DIM).double()
    twin.attention[0].load_state_dict(fuse.score.state_dict())
    twin.encoding_projection["image"].load_state_dict(fuse.image.state_dict())
    twin.encoding_projection["text"].load_state_dict(fuse.text.state_dict())
    assert_close(fuse(*inputs).vector, twin({"image": masked_mean(*image), "text": masked_mean(*text)}))


# torch's own primitives


def test_film_equals_addcmul_on_a_feature_map():
    fuse, inputs, image, text = ready("film", num_layers=1)
    layout = fuse.image(image.tokens).transpose(1, 2)  # (batch, channels, places), as after a convolution
    scale, shift = fuse.generators[0](means(image, text)[1]).unsqueeze(-1).tensor_split(2, 1)
    inner = F.conv1d(layout, fuse.layers[0].weight.unsqueeze(-1), fuse.layers[0].bias)
    modulated = layout + F.relu(torch.addcmul(inner + shift, scale, inner))
    fused = fuse(*inputs)
    assert_close(fused.image[image.mask], modulated.transpose(1, 2)[image.mask])
    rows = [modulated[row][:, image.mask[row]].mean(1) for row in range(3)]
    assert_close(fused.vector, fuse.project(torch.stack(rows)))


def test_gmu_equals_lerp_between_the_modalities():
    fuse, inputs, image, text = ready("gmu")
    v, t = means(image, text)
    gate = torch.sigmoid(v @ fuse.gate.weight[:, :IMAGE_DIM].T + t @ fuse.gate.weight[:, IMAGE_DIM:].T + fuse.gate.bias)
    assert_close(fuse(*inputs).vector, torch.lerp(fuse.text(t).tanh(), fuse.image(v).tanh(), gate))


def test_mag_never_shifts_a_token_by_more_than_beta_times_its_norm():
    fuse, inputs, _, _ = ready("mag", beta=0.25)
    fuse.norm = torch.nn.Identity()
    moved = (fuse(*inputs).text - inputs.text).norm(dim=-1)[inputs.text_mask]
    own = inputs.text.norm(dim=-1)[inputs.text_mask]
    assert (moved <= 0.25 * own + 1e-9).all()
    assert (moved / own).max() > 0.249  # the bound acts


def test_mmtm_equals_squeeze_and_excite_on_feature_maps():
    fuse, _, image, text = ready("mmtm", factor=1.0, reduction=2)
    maps = [x.tokens.transpose(1, 2).unsqueeze(-1) for x in (image, text)]  # (batch, channels, height, 1)
    full = torch.ones_like(image.mask), torch.ones_like(text.mask)
    squeezed = torch.cat([F.adaptive_avg_pool2d(x, 1).flatten(1) for x in maps], 1)
    code = F.relu(F.linear(squeezed, fuse.squeeze.weight, fuse.squeeze.bias))
    fused = fuse(image.tokens, text.tokens, *full)
    for new, layer, old in ((fused.image, fuse.image, maps[0]), (fused.text, fuse.text, maps[1])):
        excited = old * layer(code).sigmoid()[:, :, None, None]
        assert_close(new, excited.squeeze(-1).transpose(1, 2))


def test_a_half_open_gate_of_mmtm_leaves_the_tokens_as_they_were():
    fuse, inputs, _, _ = ready("mmtm")
    for layer in (fuse.image, fuse.text):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    fused = fuse(*inputs)
    assert_close(fused.image[inputs.image_mask], inputs.image[inputs.image_mask])
    assert_close(fused.text[inputs.text_mask], inputs.text[inputs.text_mask])


def test_mixture_of_experts_is_the_mean_of_a_mixture_distribution_and_its_load_is_the_mean_gate():
    fuse, inputs, image, text = ready("mixture_of_experts")
    both = torch.cat(means(image, text), -1)
    answers = torch.stack([expert(both) for expert in fuse.experts], 1)
    unit = torch.eye(FUSED_DIM, dtype=torch.float64)
    mixture = MixtureSameFamily(Categorical(logits=fuse.gate(both)), MultivariateNormal(answers, unit))
    assert_close(fuse(*inputs).vector, mixture.mean)
    assert_close(fuse.load(image, text), Categorical(logits=fuse.gate(both)).probs.mean(0))
    assert_close(fuse.load(image, text).sum(), torch.tensor(1.0, dtype=torch.float64))


def test_stacked_attention_equals_an_einsum_over_the_real_tokens():
    fuse, inputs, image, text = ready("stacked_attention")
    seen, query = fuse.image(image.tokens).tanh(), fuse.text(means(image, text)[1])
    for hop in fuse.hops:
        joint = torch.einsum("bnd,hd->bnh", seen, hop.tokens.weight) + hop.query(query)[:, None]
        scores = torch.einsum("bnh,h->bn", joint.tanh(), hop.score.weight[0])
        weights = torch.softmax(scores.masked_fill(~image.mask, -torch.inf), -1)
        query = query + torch.einsum("bn,bnd->bd", weights, seen)
    assert_close(fuse(*inputs).vector, fuse.project(query))


def test_top_down_equals_an_einsum_over_the_real_tokens():
    def gate(layer, x):  # glu takes value and gate, and leaves the value as it is
        value, door = layer.value_gate(x).tensor_split(2, -1)
        return F.glu(torch.cat([value.tanh(), door], -1))

    fuse, inputs, image, text = ready("top_down")
    t = means(image, text)[1]
    both = torch.cat([image.tokens, t[:, None].repeat(1, image.tokens.shape[1], 1)], -1)
    scores = torch.einsum("bnh,h->bn", gate(fuse.attend, both), fuse.score.weight[0])
    weights = torch.softmax(scores.masked_fill(~image.mask, -torch.inf), -1)
    attended = torch.einsum("bn,bnd->bd", weights, image.tokens)
    assert_close(fuse(*inputs).vector, fuse.project(gate(fuse.text, t) * gate(fuse.image, attended)))


@pytest.mark.parametrize("num_queries", [1, 3])
def test_attention_pooling_equals_multihead_attention(num_queries):
    fuse, inputs, image, text = ready("attention_pooling", num_queries=num_queries)
    twin = copy_to_torch(fuse.attention, FUSED_DIM, 2).double()
    with torch.no_grad():  # the copy is made in float32
        twin.in_proj_weight.copy_(torch.cat([fuse.attention.query.weight, fuse.attention.key_value.weight]))
        twin.in_proj_bias[:FUSED_DIM].copy_(fuse.attention.query.bias)
        twin.in_proj_bias[2 * FUSED_DIM :].copy_(fuse.attention.value_bias)
        twin.out_proj.load_state_dict(fuse.attention.out.state_dict())
    tokens = torch.cat([fuse.image(image.tokens) + fuse.types[0], fuse.text(text.tokens) + fuse.types[1]], 1)
    keys = F.layer_norm(tokens, (FUSED_DIM,), fuse.norm.weight, fuse.norm.bias)
    padding = ~torch.cat([image.mask, text.mask], 1)
    pooled, _ = twin(fuse.queries.expand(3, -1, -1), keys, keys, key_padding_mask=padding)
    assert_close(fuse(*inputs).vector, fuse.project(pooled.reshape(3, -1)))


def test_central_with_weights_of_one_layer_alone_is_that_network_alone():
    fuse, inputs, image, text = ready("central", num_layers=2)
    with torch.no_grad():
        fuse.modality_weights.zero_()
        fuse.modality_weights[2, 0] = 1.0
    v = means(image, text)[0]
    alone = torch.nn.Sequential(
        fuse.image, torch.nn.ReLU(), fuse.image_layers[0], torch.nn.ReLU(), fuse.image_layers[1], torch.nn.ReLU()
    )(v)
    with torch.no_grad():
        fuse.central_weights.zero_()
    assert_close(fuse(*inputs).vector, fuse.project(alone))


def test_central_equals_an_einsum_of_its_weights_over_three_networks():
    fuse, inputs, image, text = ready("central", num_layers=2)
    v, t = means(image, text)
    states = torch.stack([fuse.image(v).relu(), fuse.text(t).relu()])
    central = torch.einsum("m,mbd->bd", fuse.modality_weights[0], states)
    for place in range(2):
        layers = (fuse.image_layers[place], fuse.text_layers[place])
        states = torch.stack([F.relu(layer(state)) for layer, state in zip(layers, states)])
        three = torch.cat([states, fuse.central_layers[place](central).relu()[None]])
        scalars = torch.cat([fuse.modality_weights[place + 1], fuse.central_weights[place : place + 1]])
        central = torch.einsum("m,mbd->bd", scalars, three)
    assert_close(fuse(*inputs).vector, fuse.project(central))


# Embracement: what is drawn, how often, and never


def embraced(fuse, inputs, rows: int, image_there: bool = True, text_there: bool = True):
    """What the terminal network is given for `rows` copies of the first row, and both docked modalities."""
    image, text = inputs.image[:1].expand(rows, -1, -1), inputs.text[:1].expand(rows, -1, -1)
    image_mask = torch.full(image.shape[:2], image_there)
    text_mask = torch.full(text.shape[:2], text_there)
    given = []
    handle = fuse.terminal.register_forward_hook(lambda module, arguments, output: given.append(arguments[0]))
    fuse(image, text, image_mask, text_mask)
    handle.remove()
    docked = fuse.image(inputs.image[0].mean(0)).relu(), fuse.text(inputs.text[0].mean(0)).relu()
    return given[0].detach(), docked[0].detach(), docked[1].detach()


def test_in_training_embrace_takes_each_channel_from_one_modality_as_often_as_its_share():
    fuse, inputs, _, _ = ready("embrace", image_share=0.3)
    fuse.train()
    torch.manual_seed(5)
    given, image, text = embraced(fuse, inputs, rows=4000)
    from_image, from_text = torch.isclose(given, image), torch.isclose(given, text)
    assert (from_image | from_text).all()
    tells = ~torch.isclose(image, text)
    frequency = from_image[:, tells].double().mean(0)
    assert tells.sum() > 10
    assert_close(frequency, torch.full_like(frequency, 0.3), rtol=0, atol=5 * (0.21 / 4000) ** 0.5)
    together = from_image[:, tells].double().T.corrcoef() - torch.eye(int(tells.sum()))
    assert together.abs().max() < 0.1  # channels are drawn apart


def test_in_eval_embrace_is_the_expectation_of_its_draws_and_draws_nothing():
    fuse, inputs, _, _ = ready("embrace", image_share=0.3)
    before = torch.get_rng_state()
    given, image, text = embraced(fuse, inputs, rows=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert_close(given[0], 0.3 * image + 0.7 * text)
    fuse.train()
    drawn, _, _ = embraced(fuse, inputs, rows=4000)
    assert_close(drawn.mean(0), given[0], rtol=0, atol=float(5 * drawn.std(0).max() / 4000**0.5))


def test_embrace_draws_from_the_seed():
    fuse, inputs, _, _ = ready("embrace")
    fuse.train()
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(fuse(*inputs).vector)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("training", [True, False])
def test_embrace_never_chooses_a_missing_modality(training):
    fuse, inputs, _, _ = ready("embrace", image_share=0.9)
    fuse.train(training)
    given, _, text = embraced(fuse, inputs, rows=500, image_there=False)
    assert_close(given, text.expand(500, -1))
    given, image, _ = embraced(fuse, inputs, rows=500, text_there=False)
    assert_close(given, image.expand(500, -1))
    given, _, _ = embraced(fuse, inputs, rows=500, image_there=False, text_there=False)
    assert not given.any()
