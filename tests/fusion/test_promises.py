"""Every registered mechanism keeps every promise of the design; a new one is covered by being registered."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from interfuse.core.tokens import Fused
from interfuse.fusion import FUSIONS, create_fusion, list_fusions
from tests.fusion.inputs import FUSED_DIM, IMAGE_DIM, TEXT_DIM, build, make_inputs, silent
from tests.references.basics import REFERENCES, VARIANTS

NAMES = list_fusions()
CASES = [(name, settings) for name in NAMES for settings in VARIANTS.get(name, [{}])]
every_case = pytest.mark.parametrize(("name", "settings"), CASES, ids=[f"{n}-{s}" if s else n for n, s in CASES])


@every_case
def test_the_vector_equals_a_slow_reference_row_by_row(name, settings):
    fuse, inputs = build(name, **settings).double(), make_inputs(torch.float64)
    with torch.no_grad():
        for parameter in fuse.parameters():  # zero-initialised biases must count too
            parameter.add_(torch.randn_like(parameter) * 0.1)
    params = {key: value.detach().numpy() for key, value in fuse.state_dict().items()}
    vector = fuse(*inputs).vector
    for row in range(len(inputs.image)):
        image = inputs.image[row][inputs.image_mask[row]].numpy()
        text = inputs.text[row][inputs.text_mask[row]].numpy()
        expected = torch.from_numpy(REFERENCES[name](params, image, text, fuse.config))
        assert_close(vector[row], expected, rtol=1e-9, atol=1e-9)


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_shape_and_dtype_are_kept(name, settings, dtype):
    fuse, inputs = build(name, **settings).to(dtype), make_inputs(dtype)
    vector = fuse(*inputs).vector
    assert vector.shape == (3, FUSED_DIM)
    assert vector.dtype == dtype


@every_case
def test_bfloat16_autocast_stays_near_float32(name, settings):
    fuse, inputs = build(name, **settings), make_inputs()
    with torch.autocast("cpu", torch.bfloat16):
        near = fuse(*inputs).vector
    assert_close(near.float(), fuse(*inputs).vector, rtol=0.1, atol=0.1)


@every_case
def test_batch_one_and_one_token_work(name, settings):
    fuse, inputs = build(name, **settings), make_inputs(batch=1)
    assert fuse(*inputs).vector.shape == (1, FUSED_DIM)
    one = silent(fuse, inputs.image[:, :1], inputs.text[:, :1])
    assert one.shape == (1, FUSED_DIM)
    assert_close(silent(fuse, inputs.image[:, 0], inputs.text[:, 0]), one)


@every_case
def test_each_sample_stands_alone(name, settings):
    fuse, inputs = build(name, **settings).double(), make_inputs(torch.float64)
    together = fuse(*inputs).vector
    for row in range(3):
        alone = fuse(*(x[row : row + 1] for x in inputs)).vector
        assert_close(alone, together[row : row + 1])


@every_case
@pytest.mark.parametrize("garbage", [0.0, 1e4, float("nan"), float("inf")])
def test_values_under_the_mask_never_reach_the_output(name, settings, garbage):
    fuse, (image, text, image_mask, text_mask) = build(name, **settings), make_inputs()
    plain = fuse(image, text, image_mask, text_mask)
    dirty = fuse(
        image.masked_fill(~image_mask.unsqueeze(-1), garbage),
        text.masked_fill(~text_mask.unsqueeze(-1), garbage),
        image_mask,
        text_mask,
    )
    assert torch.equal(dirty.vector, plain.vector)


@every_case
def test_wider_or_permuted_padding_changes_nothing(name, settings):
    fuse, (image, text, image_mask, text_mask) = build(name, **settings).double(), make_inputs(torch.float64)
    plain = fuse(image, text, image_mask, text_mask).vector
    wider = fuse(
        torch.nn.functional.pad(image, (0, 0, 2, 4), value=9.0),
        torch.nn.functional.pad(text, (0, 0, 0, 6), value=9.0),
        torch.nn.functional.pad(image_mask, (2, 4)),
        torch.nn.functional.pad(text_mask, (0, 6)),
    ).vector
    assert_close(wider, plain)


@every_case
def test_batches_cut_to_their_longest_text_give_the_padded_batch_and_its_gradients(name, settings):
    fuse, (image, text, image_mask, _) = build(name, **settings).double(), make_inputs(torch.float64, batch=4)
    lengths = torch.tensor([7, 2, 6, 1])
    text_mask = torch.arange(7) < lengths[:, None]
    padded = fuse(image, text, image_mask, text_mask).vector
    padded.square().sum().backward()
    expected = {key: None if p.grad is None else p.grad.clone() for key, p in fuse.named_parameters()}
    fuse.zero_grad()
    for rows in lengths.argsort().split(2):
        width = int(lengths[rows].max())
        vector = fuse(image[rows], text[rows, :width], image_mask[rows], text_mask[rows, :width]).vector
        assert_close(vector, padded[rows])
        vector.square().sum().backward()
    for key, parameter in fuse.named_parameters():
        assert_close(parameter.grad, expected[key])


@every_case
def test_no_mask_means_every_token_is_real(name, settings):
    fuse, (image, text, image_mask, text_mask) = build(name, **settings), make_inputs()
    explicit = fuse(image, text, torch.ones_like(image_mask), torch.ones_like(text_mask)).vector
    assert torch.equal(fuse(image, text).vector, explicit)


@every_case
@pytest.mark.parametrize("missing", ["image", "text", "both"])
def test_a_missing_modality_is_finite_hides_its_content_and_equals_zeros(name, settings, missing):
    fuse, (image, text, image_mask, text_mask) = build(name, **settings), make_inputs()
    if missing in ("image", "both"):
        image_mask = image_mask & torch.tensor([False, True, True])[:, None]
    if missing in ("text", "both"):
        text_mask = text_mask & torch.tensor([False, True, True])[:, None]
    leaf_image, leaf_text = image.clone().requires_grad_(), text.clone().requires_grad_()
    vector = fuse(leaf_image, leaf_text, image_mask, text_mask).vector
    assert vector.isfinite().all()
    torch.autograd.backward(vector.square().sum())
    for value in (leaf_image, leaf_text, *fuse.parameters()):
        assert value.grad is None or value.grad.isfinite().all()
    other = fuse(
        image + 100 * (~image_mask.unsqueeze(-1)),
        text + 100 * (~text_mask.unsqueeze(-1)),
        image_mask,
        text_mask,
    )
    assert torch.equal(other.vector, vector)


@every_case
def test_every_parameter_and_both_inputs_get_a_finite_non_zero_gradient(name, settings):
    fuse, inputs = build(name, **settings).double(), make_inputs(torch.float64)
    image, text = inputs.image.requires_grad_(), inputs.text.requires_grad_()
    weights = torch.randn(3, FUSED_DIM, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    if fuse.zero_gates:  # closed at the start by declaration: open after one step
        (fuse(*inputs).vector * weights).sum().backward()
        torch.optim.SGD(fuse.parameters(), 0.1).step()
        image.grad = text.grad = None
        fuse.zero_grad()
    (fuse(image, text, inputs.image_mask, inputs.text_mask).vector * weights).sum().backward()
    for key, parameter in fuse.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().max() > 1e-9, key
    uses = FUSIONS.entry(name).build.modalities
    for modality, values in (("image", image), ("text", text)):
        reaches = values.grad is not None and bool(values.grad.abs().max() > 1e-9)
        assert reaches == (modality in uses), modality


@pytest.mark.parametrize("name", [n for n in NAMES if "dropout" in FUSIONS.entry(n).config.__dataclass_fields__])
def test_dropout_is_silent_in_eval_and_acts_in_training(name):
    extra = {"hidden": 19} if name == "concat" else {}
    fuse, inputs = build(name, dropout=0.5, **extra), make_inputs()
    assert torch.equal(fuse(*inputs).vector, fuse(*inputs).vector)
    fuse.train()
    assert not torch.equal(fuse(*inputs).vector, fuse(*inputs).vector)


@every_case
def test_the_seed_decides_the_weights(name, settings):
    first, second = build(name, **settings).state_dict(), build(name, **settings).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@every_case
def test_state_and_settings_make_the_same_mechanism_again(name, settings, tmp_path):
    from safetensors.torch import load_file, save_file

    fuse, inputs = build(name, **settings), make_inputs()
    save_file(fuse.state_dict(), tmp_path / "state.safetensors")
    again = create_fusion(name, **dataclasses.asdict(fuse.config)).eval()
    again.load_state_dict(load_file(tmp_path / "state.safetensors"))
    assert torch.equal(again(*inputs).vector, fuse(*inputs).vector)


@every_case
def test_exported_with_dynamic_axes_it_agrees_at_another_size(name, settings):
    fuse, inputs = build(name, **settings), make_inputs()
    batch, pictures, words = (torch.export.Dim(axis) for axis in ("batch", "image_tokens", "text_tokens"))
    shapes = ({0: batch, 1: pictures}, {0: batch, 1: words}, {0: batch, 1: pictures}, {0: batch, 1: words})
    program = torch.export.export(fuse, tuple(inputs), dynamic_shapes=shapes, strict=False).module()
    draw = torch.Generator().manual_seed(3)
    image = torch.randn(2, 17, IMAGE_DIM, generator=draw)
    text = torch.randn(2, 19, TEXT_DIM, generator=draw)
    image_mask, text_mask = (
        torch.arange(17) < torch.tensor([[17], [6]]),
        torch.arange(19) < torch.tensor([[4], [0]]),
    )
    expected: Fused = fuse(image, text, image_mask, text_mask)
    assert_close(program(image, text, image_mask, text_mask)[0], expected.vector)


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_has_an_equation_and_a_source(name):
    entry = FUSIONS.entry(name)
    doc = entry.build.__doc__ or ""
    assert "Reference:" in doc
    assert "`" in doc.split("\n\n")[1]
    assert entry.reference.startswith("https://")
    assert entry.good_for
