"""Every registered mechanism keeps every promise of the doctor; a new one is covered by being registered.

The promises are the doctor's own functions, held here to the strict reading: bit for bit under the mask, 1e-7 in
float64, huge values, NaN and inf under the mask too, and not even a finding that is mere information.
"""

import dataclasses
import inspect

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from interfuse.doctor import Subject
from interfuse.doctor.promises.export import exports_with_dynamic_axes
from interfuse.doctor.promises.gradients import (
    FIRST,
    depends_on_both,
    gives_every_parameter_a_gradient,
    lets_gradients_reach_both_inputs,
)
from interfuse.doctor.promises.isolation import is_deterministic_in_eval, lets_each_sample_stand_alone
from interfuse.doctor.promises.padding import (
    hides_poison_under_the_mask,
    hides_values_under_the_mask,
    ignores_wider_padding,
    survives_a_missing_modality,
    takes_no_mask_for_all_real,
)
from interfuse.doctor.promises.shapes import (
    keeps_its_dtype,
    keeps_its_shape,
    stays_near_in_autocast,
    takes_unequal_lengths,
)
from interfuse.doctor.promises.state import registers_every_parameter, survives_saving_and_loading
from interfuse.doctor.source import reads_every_argument
from interfuse.doctor.subject import opened
from interfuse.fusion import FUSIONS, create_fusion, list_fusions
from tests.fusion.inputs import FUSED_DIM, IMAGE_DIM, TEXT_DIM, build, make_inputs, silent
from tests.references.basics import VARIANTS

NAMES = list_fusions()
CASES = [(name, settings) for name in NAMES for settings in VARIANTS.get(name, [{}])]
every_case = pytest.mark.parametrize(("name", "settings"), CASES, ids=[f"{n}-{s}" if s else n for n, s in CASES])
GARBAGE = (0.0, 9.0, 1e4, float("nan"), float("inf"))


def subject_of(name, dtype=torch.float64, **settings) -> Subject:
    """A mechanism as the doctor takes it; `module` has its zero parameters opened, `initial` has not."""
    fuse = build(name, **settings)
    return Subject(
        opened(fuse).to(dtype),
        lambda module, *inputs: module(*inputs),
        IMAGE_DIM,
        TEXT_DIM,
        modalities=FUSIONS.entry(name).build.modalities,
        zero_gates=fuse.zero_gates,
        exact=dtype,
        initial=fuse.to(dtype),
        remake=lambda: create_fusion(name, **dataclasses.asdict(fuse.config)),
    )


def vector_of(subject: Subject) -> Subject:
    """The same mechanism when nothing but its vector is used."""
    return dataclasses.replace(subject, call=lambda module, *inputs: module(*inputs).vector, _labels={})


@every_case
def test_no_parameter_stands_under_two_names(name, settings):
    layers = {"num_layers": 2} if "num_layers" in FUSIONS.entry(name).config.__dataclass_fields__ else {}
    fuse = build(name, **{**layers, **settings})
    names = [own for own, _ in fuse.named_parameters(remove_duplicate=False)]
    assert len(names) == len(dict(fuse.named_parameters())), "two parts share what should be their own"


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_vector_has_fused_dim_and_the_dtype_of_the_weights(name, settings, dtype):
    vector = build(name, **settings).to(dtype)(*make_inputs(dtype)).vector
    assert vector.shape == (3, FUSED_DIM)
    assert vector.dtype == dtype


@every_case
def test_every_output_keeps_its_shape_for_one_row_and_one_token(name, settings):
    assert keeps_its_shape(subject_of(name, **settings)) == []


@every_case
def test_a_pooled_vector_is_one_token(name, settings):
    fuse, inputs = build(name, **settings), make_inputs(batch=1)
    one = silent(fuse, inputs.image[:, :1], inputs.text[:, :1])
    assert one.shape == (1, FUSED_DIM)
    assert_close(silent(fuse, inputs.image[:, 0], inputs.text[:, 0]), one)


@every_case
def test_dtype_is_kept(name, settings):
    assert keeps_its_dtype(subject_of(name, **settings)) == []


@every_case
def test_bfloat16_autocast_stays_near_float32(name, settings):
    subject = subject_of(name, torch.float32, **settings)
    assert stays_near_in_autocast(dataclasses.replace(subject, module=subject.initial), tolerance=0.1) == []


@every_case
def test_unequal_lengths_work(name, settings):
    assert takes_unequal_lengths(subject_of(name, **settings)) == []


@every_case
def test_each_sample_stands_alone(name, settings):
    assert lets_each_sample_stand_alone(subject_of(name, **settings)) == []


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_under_the_mask_never_reach_the_output(name, settings, dtype):
    subject = subject_of(name, dtype, **settings)
    assert hides_values_under_the_mask(subject, GARBAGE, slack=0.0) == []
    assert hides_poison_under_the_mask(subject, GARBAGE, slack=0.0) == []


@every_case
def test_wider_padding_on_either_side_changes_nothing(name, settings):
    assert ignores_wider_padding(subject_of(name, **settings), left=2) == []


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
    subject = subject_of(name, torch.float32, **settings)
    bare = dataclasses.replace(subject, call=lambda module, image, text, *_: module(image, text))
    assert takes_no_mask_for_all_real(subject, bare) == []


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_missing_modality_is_finite_and_hides_its_content(name, settings, dtype):
    assert survives_a_missing_modality(subject_of(name, dtype, **settings), slack=0.0) == []


@every_case
def test_every_parameter_gets_a_finite_non_zero_gradient(name, settings):
    subject = vector_of(subject_of(name, **settings))
    assert gives_every_parameter_a_gradient(subject, floor=1e-9, passes=FIRST) == []


@every_case
def test_both_inputs_reach_the_vector_and_are_reached_by_its_gradient(name, settings):
    subject = vector_of(subject_of(name, **settings))
    subject = dataclasses.replace(subject, initial=subject.module)  # a closed gate is opened
    assert depends_on_both(subject) == []  # and a unimodal mechanism on its own modality alone
    assert lets_gradients_reach_both_inputs(subject, floor=1e-9) == []


@every_case
def test_every_parameter_is_registered_and_every_setting_read(name, settings):
    subject = subject_of(name, **settings)
    assert registers_every_parameter(subject) == []
    assert reads_every_argument(subject.module) == []


@every_case
def test_eval_is_deterministic_and_keeps_the_state(name, settings):
    assert is_deterministic_in_eval(subject_of(name, torch.float32, **settings)) == []


@pytest.mark.parametrize("name", [n for n in NAMES if "dropout" in FUSIONS.entry(n).config.__dataclass_fields__])
def test_dropout_is_silent_in_eval_and_acts_in_training(name):
    extra = {"hidden": 19} if name == "concat" else {}
    fuse, inputs = build(name, dropout=0.5, **extra), make_inputs()
    assert torch.equal(fuse(*inputs).vector, fuse(*inputs).vector)
    with torch.no_grad():
        for parameter in fuse.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)  # a gate that starts at zero would hide it
    fuse.train()
    assert not torch.equal(fuse(*inputs).vector, fuse(*inputs).vector)


SUBLAYERS = {
    "cross_attention": 4,
    "lxmert": 6,
    "mcan": 10,
    "mult": 12,
    "gated_cross_attention": 2,
    "bidirectional": 2,
    "two_way": 4,
    "merged_attention": 4,
    "resampler": 4,
    "q_former": 7,
    "two_tower": 2,
}
"""What a layer adds to its streams, counted: each has a dropout of its own."""


def test_every_sublayer_drops_what_it_adds(monkeypatch):
    calls = []
    monkeypatch.setattr(nn.Dropout, "forward", lambda self, x: calls.append(self.p) or x)
    counted = {}
    for name in SUBLAYERS:
        calls.clear()
        build(name, dropout=0.5)(*make_inputs())
        assert set(calls) == {0.5}, name
        counted[name] = len(calls)
    assert counted == SUBLAYERS


@every_case
def test_the_seed_decides_the_weights(name, settings):
    first, second = build(name, **settings).state_dict(), build(name, **settings).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@every_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_state_and_settings_make_the_same_mechanism_again(name, settings, dtype):
    assert survives_saving_and_loading(subject_of(name, dtype, **settings)) == []


@every_case
def test_exported_with_dynamic_axes_it_agrees_at_another_size(name, settings):
    assert exports_with_dynamic_axes(subject_of(name, torch.float32, **settings)) == []


def test_every_promise_is_held_to_here():
    from interfuse.doctor import PROMISES

    here = inspect.getsource(inspect.getmodule(subject_of))
    assert [promise.name for promise in PROMISES if f"{promise.check.__name__}(" not in here] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_docstring_has_an_equation_and_a_source(name):
    entry = FUSIONS.entry(name)
    doc = entry.build.__doc__ or ""
    assert "Reference:" in doc
    assert "`" in doc.split("\n\n")[1]
    assert entry.reference.startswith("https://")
    assert entry.good_for
