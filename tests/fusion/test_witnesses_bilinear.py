"""Pooled and bilinear mechanisms held to other people's implementations, weights copied, in float64."""

import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from interfuse.fusion import FusionMechanism
from interfuse.fusion.mcb import count_sketch
from tests.fusion.inputs import FUSED_DIM, IMAGE_DIM, TEXT_DIM, build, make_inputs

DIMS = [IMAGE_DIM, TEXT_DIM]
EXACT = 1e-12  # of eps: the published roots and norms have none


def ready(name: str, **settings: object) -> tuple[FusionMechanism, Tensor, Tensor, Tensor]:
    """A mechanism whose biases are not zero, the means of three rows, and the vector that it gives for them."""
    fuse, inputs = build(name, **settings).double(), make_inputs(torch.float64)
    fuse.requires_grad_(False)
    for parameter in fuse.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    v = torch.stack([tokens[mask].mean(0) for tokens, mask in zip(inputs.image, inputs.image_mask)])
    t = torch.stack([tokens[mask].mean(0) for tokens, mask in zip(inputs.text, inputs.text_mask)])
    return fuse, v, t, fuse(*inputs).vector


def copy(**pairs: tuple[nn.Linear, nn.Linear]) -> None:
    for target, source in pairs.values():
        target.load_state_dict(source.state_dict())


def scale(linear: nn.Linear, factor: float) -> None:
    """Fold the √dim of our norm into the map that follows it."""
    linear.weight.data.mul_(factor)


def find(package: str, pip_name: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"needs {pip_name}: pip install --no-deps {pip_name}")
    return Path(spec.origin).parent


def load(patch: pytest.MonkeyPatch, folder: Path, module: str) -> types.ModuleType:
    """Import one module of a package but not the `__init__` files above it, which want what is not installed."""
    parts = f"{folder.name}.{module}".split(".")
    for depth in range(1, len(parts)):
        bare = types.ModuleType(".".join(parts[:depth]))
        bare.__path__ = ["/".join([str(folder), *parts[1:depth]])]
        patch.setitem(sys.modules, bare.__name__, bare)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(f"{folder.name}.{module}")


@pytest.fixture(scope="module")
def bootstrap() -> Iterator[types.ModuleType]:
    """The fusions of block.bootstrap.pytorch; its MCB calls two functions that torch has dropped."""
    folder = find("block", "block.bootstrap.pytorch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "rfft", lambda x, axes: torch.view_as_real(torch.fft.rfft(x)), raising=False)
        patch.setattr(
            torch,
            "irfft",
            lambda x, axes, signal_sizes: torch.fft.irfft(torch.view_as_complex(x), n=signal_sizes[0]),
            raising=False,
        )
        yield load(patch, folder, "models.networks.fusions.fusions")


@pytest.fixture(scope="module")
def mmsa() -> Iterator[SimpleNamespace]:
    """The networks TFN and LMF of MMSA, for three modalities."""
    folder = find("MMSA", "MMSA")
    with pytest.MonkeyPatch.context() as patch:
        tfn = load(patch, folder, "models.singleTask.TFN").TFN
        yield SimpleNamespace(TFN=tfn, LMF=load(patch, folder, "models.singleTask.LMF").LMF)


@pytest.mark.parametrize("name", ["image_only", "text_only"])
def test_a_control_equals_torch_linear_on_the_mean(name):
    fuse, v, t, vector = ready(name)
    assert_close(vector, F.linear(v if name == "image_only" else t, fuse.project.weight, fuse.project.bias))


@pytest.mark.parametrize("hidden", [0, 19])
def test_concat_equals_torch_cat_and_linear(hidden):
    fuse, v, t, vector = ready("concat", hidden=hidden)
    layers = [nn.Linear(24, 19), nn.GELU(), nn.Linear(19, FUSED_DIM)] if hidden else [nn.Linear(24, FUSED_DIM)]
    twin = nn.Sequential(*layers).double()
    copy(first=(twin[0], fuse.project[0]), last=(twin[-1], fuse.project[-1]))
    assert_close(vector, twin(torch.cat([v, t], 1)))


def test_glu_equals_torch_glu_both_ways():
    fuse, v, t, vector = ready("glu")
    text = F.glu(torch.cat([fuse.text_value(t), fuse.image_gate(v)], 1))
    image = F.glu(torch.cat([fuse.image_value(v), fuse.text_gate(t)], 1))
    assert_close(vector, fuse.project(torch.cat([text, image], 1)))


@pytest.mark.parametrize(("name", "theirs", "activation"), [("product", "MLB", "tanh"), ("sum", "LinearSum", "relu")])
def test_product_and_sum_equal_block_bootstrap(bootstrap, name, theirs, activation):
    fuse, v, t, vector = ready(name, hidden=19)
    twin = getattr(bootstrap, theirs)(DIMS, FUSED_DIM, 19, activ_input=activation, activ_output=None).double()
    copy(v=(twin.linear0, fuse.image), t=(twin.linear1, fuse.text), out=(twin.linear_out, fuse.project))
    assert_close(vector, twin([v, t]))


def test_mutan_equals_block_bootstrap(bootstrap):
    fuse, v, t, vector = ready("mutan", hidden=7, core_dim=7, rank=3)
    twin = bootstrap.Mutan(DIMS, FUSED_DIM, mm_dim=7, rank=3).double()
    copy(v=(twin.linear0, fuse.image), t=(twin.linear1, fuse.text), out=(twin.linear_out, fuse.project))
    copy(v=(twin.merge_linear0, fuse.image_core), t=(twin.merge_linear1, fuse.text_core))
    assert_close(vector, twin([v, t]))


def test_mfb_equals_block_bootstrap(bootstrap):
    fuse, v, t, vector = ready("mfb", factor=3, eps=EXACT)
    twin = bootstrap.MFB(DIMS, FUSED_DIM, FUSED_DIM, 3, activ_input=None, activ_output=None, normalize=True).double()
    copy(v=(twin.linear0, fuse.image), t=(twin.linear1, fuse.text))
    nn.init.eye_(twin.linear_out.weight)
    nn.init.zeros_(twin.linear_out.bias)
    assert_close(vector, FUSED_DIM**0.5 * twin([v, t]), rtol=1e-7, atol=1e-7)


def test_mfh_equals_block_bootstrap(bootstrap):
    fuse, v, t, vector = ready("mfh", factor=3, hidden=19, eps=EXACT)
    twin = bootstrap.MFH(DIMS, FUSED_DIM, 19, 3, activ_input=None, activ_output=None, normalize=True).double()
    copy(v=(twin.linear0_0, fuse.image[0]), t=(twin.linear1_0, fuse.text[0]), out=(twin.linear_out, fuse.project))
    copy(v=(twin.linear0_1, fuse.image[1]), t=(twin.linear1_1, fuse.text[1]))
    scale(twin.linear_out, 19**0.5)
    assert_close(vector, twin([v, t]), rtol=1e-7, atol=1e-7)


def test_block_equals_block_bootstrap_without_biases_in_its_core(bootstrap):
    fuse, v, t, vector = ready("block", hidden=12, chunks=3, rank=2, eps=EXACT)
    twin = bootstrap.Block(DIMS, FUSED_DIM, mm_dim=12, chunks=3, rank=2).double()
    copy(v=(twin.linear0, fuse.image), t=(twin.linear1, fuse.text), out=(twin.linear_out, fuse.project))
    for maps, cores in ((twin.merge_linears0, fuse.image_core), (twin.merge_linears1, fuse.text_core)):
        for linear, core in zip(maps, cores):
            linear.weight.data, linear.bias.data = core.T.clone(), torch.zeros_like(linear.bias)
    scale(twin.linear_out, 4**0.5)
    assert_close(vector, twin([v, t]), rtol=1e-7, atol=1e-7)


@pytest.mark.filterwarnings("ignore:This overload of addcmul")
def test_the_sketch_of_mcb_equals_block_bootstrap(bootstrap):
    fuse, v, t, _ = ready("mcb", sketch_dim=25)
    twin = bootstrap.MCB(DIMS, FUSED_DIM, mm_dim=25, activ_output=None).double()
    for sketch, modality in ((twin.mcb.sketch1, "image"), (twin.mcb.sketch2, "text")):
        sketch.h.copy_(getattr(fuse, f"{modality}_places"))
        sketch.s.copy_(getattr(fuse, f"{modality}_signs"))
    assert_close(fuse.sketch(v, t), twin.mcb(v, t))


@pytest.mark.parametrize("width", [24, 25])
def test_the_sketch_of_mcb_is_the_count_sketch_of_the_outer_product(width):
    fuse, v, t, _ = ready("mcb", sketch_dim=width)
    places = (fuse.image_places[:, None] + fuse.text_places) % width
    signs = fuse.image_signs[:, None] * fuse.text_signs
    outer = torch.einsum("bi,bj->bij", v, t).flatten(1)
    assert_close(fuse.sketch(v, t), count_sketch(outer, places.flatten(), signs.flatten(), width))


def test_the_sketch_of_mcb_equals_scikit_learn_on_one_vector_with_itself():
    from sklearn.kernel_approximation import PolynomialCountSketch

    torch.manual_seed(0)
    fuse = build("mcb", text_dim=IMAGE_DIM, sketch_dim=24).double()
    v = torch.randn(3, IMAGE_DIM, dtype=torch.float64)
    twin = PolynomialCountSketch(degree=2, n_components=24, coef0=0, random_state=0).fit(v.numpy())
    twin.indexHash_ = torch.stack([fuse.image_places, fuse.text_places]).numpy()
    twin.bitHash_ = torch.stack([fuse.image_signs, fuse.text_signs]).numpy()
    assert_close(fuse.sketch(v, v), torch.from_numpy(twin.transform(v.numpy())))


@pytest.mark.parametrize("hidden", [0, 5])
def test_multiplicative_equals_torch_bilinear_and_two_linears(hidden):
    fuse, v, t, vector = ready("multiplicative", hidden=hidden)
    rows, columns = (hidden, hidden) if hidden else DIMS
    twin = nn.Bilinear(rows, columns, FUSED_DIM).double()
    twin.weight.data, twin.bias.data = fuse.bilinear.weight.unflatten(1, (rows, columns)), fuse.bilinear.bias
    assert_close(vector, twin(fuse.image(v), fuse.text(t)) + fuse.image_linear(v) + fuse.text_linear(t))


def test_tensor_fusion_equals_einsum():
    fuse, v, t, vector = ready("tensor_fusion", hidden=0)
    ones = torch.ones(3, 1, dtype=torch.float64)
    weight = fuse.project.weight.unflatten(1, (IMAGE_DIM + 1, TEXT_DIM + 1))
    expected = torch.einsum("bi,kij,bj->bk", torch.cat([ones, v], 1), weight, torch.cat([ones, t], 1))
    assert_close(vector, expected + fuse.project.bias)


def test_tensor_fusion_without_projection_is_multiplicative_with_its_terms_in_other_places():
    fuse, v, t, vector = ready("multiplicative", hidden=0)
    twin = build("tensor_fusion", hidden=0).double()
    weight = torch.zeros(FUSED_DIM, IMAGE_DIM + 1, TEXT_DIM + 1, dtype=torch.float64)
    weight[:, 1:, 1:] = fuse.bilinear.weight.unflatten(1, tuple(DIMS))
    weight[:, 1:, 0], weight[:, 0, 1:], weight[:, 0, 0] = (
        fuse.image_linear.weight,
        fuse.text_linear.weight,
        fuse.bilinear.bias,
    )
    twin.project.weight.data, twin.project.bias.data = weight.flatten(1), torch.zeros_like(twin.project.bias)
    assert_close(vector, twin(v, t).vector)


def test_low_rank_equals_tensor_fusion_with_the_reconstructed_weight():
    fuse, v, t, vector = ready("low_rank", rank=3)
    twin = build("tensor_fusion", hidden=0).double()
    weight = torch.einsum("r,rik,rjk->kij", fuse.rank_weight, fuse.image_factor, fuse.text_factor)
    twin.project.weight.data, twin.project.bias.data = weight.flatten(1), fuse.bias
    assert_close(vector, twin(v, t).vector)


def three(network: nn.Module) -> nn.Module:
    """A network of MMSA whose features are our pooled vectors, and whose third modality says nothing."""
    network.video_subnet = network.text_subnet = nn.Identity()
    network.audio_subnet = nn.Module()
    network.audio_subnet.forward = lambda x: x.new_zeros(len(x), 2)
    return network.double().eval()


def settings_of_mmsa() -> SimpleNamespace:
    return SimpleNamespace(
        feature_dims=(TEXT_DIM, 2, IMAGE_DIM),
        hidden_dims=(2 * TEXT_DIM, 2, IMAGE_DIM),
        text_out=TEXT_DIM,
        post_fusion_dim=FUSED_DIM,
        dropouts=(0.0, 0.0, 0.0, 0.0),
        rank=3,
        train_mode="classification",
        num_classes=FUSED_DIM,
    )


def test_tensor_fusion_equals_the_outer_product_of_mmsa(mmsa):
    fuse, v, t, vector = ready("tensor_fusion", hidden=0)
    products = three(mmsa.TFN(settings_of_mmsa()))(t, torch.zeros(3, 1, 2).double(), v.unsqueeze(1))["Feature_f"]
    ones_of_audio = products.unflatten(1, (3, -1))[:, 0]  # audio is [1, 0, 0]
    assert_close(vector, fuse.project(ones_of_audio))


def test_low_rank_equals_mmsa(mmsa):
    fuse, v, t, vector = ready("low_rank", rank=3)
    twin = three(mmsa.LMF(settings_of_mmsa()))
    with torch.no_grad():
        twin.audio_factor.fill_(1.0)  # and audio is [1, 0, 0]
        twin.video_factor.copy_(fuse.image_factor)
        twin.text_factor.copy_(fuse.text_factor)
        twin.fusion_weights.copy_(fuse.rank_weight[None])
        twin.fusion_bias.copy_(fuse.bias[None])
    assert_close(vector, twin(t, torch.zeros(3, 1, 2).double(), v.unsqueeze(1))["M"])


def test_bilinear_attention_over_one_pair_is_a_residual_low_rank_product(bootstrap):
    fuse, v, t, _ = ready("bilinear_attention", num_glimpses=1, hidden=19)
    twin = bootstrap.MLB([IMAGE_DIM, FUSED_DIM], FUSED_DIM, 19, activ_input="relu", activ_output=None).double()
    step = fuse.glimpses[0]
    copy(v=(twin.linear0, step.image), t=(twin.linear1, step.text), out=(twin.linear_out, step.project))
    x = fuse.text(t)
    assert_close(fuse(v, t).vector, x + twin([v, x]))


def test_the_weights_of_bilinear_attention_equal_softmax_over_the_real_pairs():
    fuse, _, _, _ = ready("bilinear_attention", num_glimpses=2, hidden=19)
    image, text, image_mask, text_mask = make_inputs(torch.float64)
    x = fuse.text(text)
    weights = fuse.attention(image, x, image_mask[:, :, None] & text_mask[:, None])
    maps = fuse.attention
    for row in range(3):
        v, t = maps.image(image[row][image_mask[row]]).relu(), maps.text(x[row][text_mask[row]]).relu()
        scores = torch.einsum("gk,ik,jk->gij", maps.glimpses, v, t)
        expected = scores.flatten(1).softmax(1).view_as(scores)
        assert_close(weights[row][:, : len(v), : len(t)], expected)
        assert_close(weights[row].sum((1, 2)), torch.ones(2, dtype=torch.float64))


def test_the_mean_of_two_towers_is_torchs_cosine_similarity():
    fuse, v, t, fused = ready("two_tower", hidden=19)
    towers = [nn.Sequential(nn.Linear(dim, 19), nn.GELU(), nn.Linear(19, FUSED_DIM)).double() for dim in DIMS]
    copy(image0=(towers[0][0], fuse.image[0]), image2=(towers[0][2], fuse.image[2]))
    copy(text0=(towers[1][0], fuse.text[0]), text2=(towers[1][2], fuse.text[2]))
    cosine = nn.CosineSimilarity()(towers[0](v), towers[1](t))
    assert_close(fused.mean(1), cosine, atol=EXACT, rtol=0)
