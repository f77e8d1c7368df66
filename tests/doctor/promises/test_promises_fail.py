"""Every promise function can fail: each is broken here by a module made for it, on a subject made by hand."""

import pytest
import torch
from torch import nn

from interfuse.doctor import PROMISES, Subject
from interfuse.doctor.promises.export import exports_with_dynamic_axes
from interfuse.doctor.promises.gradients import (
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
from interfuse.doctor.promises.state import (
    makes_its_layers_at_once,
    registers_every_parameter,
    survives_saving_and_loading,
)
from interfuse.doctor.source import reads_every_argument

IMAGE, TEXT, WIDTH = 11, 13, 8


class Sound(nn.Module):
    """Gated masked means: keeps every promise; a breach overrides one step of it."""

    def __init__(self):
        super().__init__()
        self.image = nn.Linear(IMAGE, WIDTH)
        self.text = nn.Linear(TEXT, WIDTH)

    def enter(self, tokens, mask):
        return tokens.where(mask[..., None], tokens.new_zeros(()))

    def pool(self, tokens, mask):
        return tokens.sum(1) / mask.sum(1, keepdim=True).clamp_min(1).to(tokens.dtype)

    def meet(self, image, text):
        return torch.tanh(self.image(image)) * (1 + torch.tanh(self.text(text)))

    def forward(self, image, text, image_mask=None, text_mask=None):
        image_mask = torch.ones(image.shape[:2], dtype=torch.bool) if image_mask is None else image_mask
        text_mask = torch.ones(text.shape[:2], dtype=torch.bool) if text_mask is None else text_mask
        image, text = self.enter(image, image_mask), self.enter(text, text_mask)
        return self.meet(self.pool(image, image_mask), self.pool(text, text_mask))


class NormOverBatch(Sound):
    def meet(self, image, text):
        fused = super().meet(image, text)
        return fused - fused.mean(0)


class LosesTheBatch(Sound):
    def meet(self, image, text):
        return super().meet(image, text).squeeze(0)


class AlwaysFloat32(Sound):
    def meet(self, image, text):
        return super().meet(image, text).float()


class Cancels(Sound):
    """Adds and takes away what bfloat16 cannot hold."""

    def meet(self, image, text):
        fused = self.image(image)
        return (fused + 1000) - 1000 + self.text(text)


class AtLeastTwo(Sound):
    def pool(self, tokens, mask):
        return tokens[:, 2] + super().pool(tokens, mask)


class SumsLengths(Sound):
    def forward(self, image, text, image_mask=None, text_mask=None):
        image[..., 0] + text[..., 0]
        return super().forward(image, text, image_mask, text_mask)


class Looks(Sound):
    def enter(self, tokens, mask):
        return tokens


class Multiplies(Sound):
    def enter(self, tokens, mask):
        return tokens * mask[..., None]


class CountsPlaces(Sound):
    def pool(self, tokens, mask):
        return tokens.mean(1)


class DividesByLength(Sound):
    def pool(self, tokens, mask):
        return tokens.sum(1) / mask.sum(1, keepdim=True).to(tokens.dtype)


class RootOfLength(Sound):
    """Finite forward, infinite gradient: the root of nothing."""

    def meet(self, image, text):
        return super().meet(image, text) + (image @ self.image.weight.T).square().sum(1, keepdim=True).sqrt()


class ReadsAbsent(Sound):
    def forward(self, image, text, image_mask=None, text_mask=None):
        return super().forward(image, text, image_mask | ~image_mask.any(1, keepdim=True), text_mask)


class NoneIsNothing(Sound):
    def forward(self, image, text, image_mask=None, text_mask=None):
        image_mask = torch.zeros(image.shape[:2], dtype=torch.bool) if image_mask is None else image_mask
        return super().forward(image, text, image_mask, text_mask)


class Hidden(Sound):
    def __init__(self):
        super().__init__()
        self.scales = {"a": [torch.ones(WIDTH, requires_grad=True)]}

    def meet(self, image, text):
        return super().meet(image, text) * self.scales["a"][0]


class Unused(Sound):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(WIDTH, WIDTH)


class Infinite(Sound):
    def meet(self, image, text):
        return super().meet(image, text) * (self.image.weight.sum() * 0).abs().sqrt()


class ImageAlone(Sound):
    def meet(self, image, text):
        return torch.tanh(self.image(image))


class Detached(Sound):
    def meet(self, image, text):
        return super().meet(image, text.detach())


class Drawn(Sound):
    def __init__(self):
        super().__init__()
        self.project = torch.randn(WIDTH, WIDTH, dtype=torch.float64)

    def meet(self, image, text):
        return super().meet(image, text) @ self.project


class Branches(Sound):
    def meet(self, image, text):
        return super().meet(image, text) * (2 if float(image.sum()) > 0 else 1)


class Remembers(Sound):
    """Bakes the size of the first batch into a constant."""

    def meet(self, image, text):
        return super().meet(image, text) * torch.tensor([float(len(image))]).to(image)


class Noisy(Sound):
    def meet(self, image, text):
        return super().meet(image, text) + 1e-6 * torch.randn(WIDTH, dtype=image.dtype)


class Moves(Sound):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def meet(self, image, text):
        self.calls += 1
        return super().meet(image, text)


def no_mask_is_all_real(subject):
    bare = subject.variant(call=lambda module, image, text, *_: module(image, text))
    return takes_no_mask_for_all_real(subject, bare)


BREACHES = [
    (lets_each_sample_stand_alone, NormOverBatch, "batch-leak"),
    (keeps_its_shape, LosesTheBatch, "shape"),
    (keeps_its_shape, AtLeastTwo, "shape"),
    (keeps_its_dtype, AlwaysFloat32, "dtype"),
    (stays_near_in_autocast, Cancels, "dtype"),
    (takes_unequal_lengths, SumsLengths, "unequal-lengths"),
    (hides_values_under_the_mask, Looks, "padding-leak"),
    (hides_poison_under_the_mask, Multiplies, "poison-leak"),
    (ignores_wider_padding, CountsPlaces, "padding-leak"),
    (survives_a_missing_modality, DividesByLength, "missing-nan"),
    (survives_a_missing_modality, RootOfLength, "missing-nan"),
    (survives_a_missing_modality, ReadsAbsent, "missing-leak"),
    (no_mask_is_all_real, NoneIsNothing, "padding-leak"),
    (registers_every_parameter, Hidden, "unregistered-parameters"),
    (gives_every_parameter_a_gradient, Unused, "dead-parameter"),
    (gives_every_parameter_a_gradient, Infinite, "bad-gradient"),
    (depends_on_both, ImageAlone, "modality-ignored"),
    (lets_gradients_reach_both_inputs, Detached, "blocked-input"),
    (survives_saving_and_loading, Drawn, "state-lost"),
    (exports_with_dynamic_axes, Branches, "export"),
    (exports_with_dynamic_axes, Remembers, "export"),
    (is_deterministic_in_eval, Noisy, "random-in-eval"),
    (is_deterministic_in_eval, Moves, "state-moves"),
]


def subject_of(cls, dtype=torch.float64):
    torch.manual_seed(0)
    module = cls().eval().to(dtype)
    subject = Subject(module, lambda module, *inputs: module(*inputs), IMAGE, TEXT, exact=dtype, remake=cls)
    if cls is SumsLengths:  # its own sizes fail, so it cannot tell its axes
        subject._labels.update(output=("batch", None))
    return subject


@pytest.mark.parametrize(
    ("promise", "cls", "kind"), BREACHES, ids=[f"{p.__name__}-{c.__name__}" for p, c, _ in BREACHES]
)
def test_a_breach_is_seen(promise, cls, kind):
    assert kind in [finding.kind for finding in promise(subject_of(cls))]


@pytest.mark.parametrize("promise", dict.fromkeys(promise for promise, *_ in BREACHES), ids=lambda p: p.__name__)
def test_the_same_module_without_the_breach_keeps_it(promise):
    assert promise(subject_of(Sound)) == []


def test_every_promise_has_a_breach():
    assert {promise.check for promise in PROMISES} <= {promise for promise, *_ in BREACHES}


class Late(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = None

    def forward(self, x):
        self.head = nn.Linear(3, 3) if self.head is None else self.head
        return self.head(x)


def test_layers_made_late_and_arguments_never_read_are_seen():
    module = Late()
    module(torch.ones(1, 3))
    assert [f.kind for f in makes_its_layers_at_once(Late(), module)] == ["lazy-layers"]
    assert makes_its_layers_at_once(Sound(), Sound()) == []

    class Deaf(Sound):
        def __init__(self, dropout=0.1):
            super().__init__()

        def forward(self, image, text, scale=1.0):
            return image[:, 0, :3] * text[:, 0, :3]

    assert {f.kind for f in reads_every_argument(Deaf())} == {"ignored-setting", "ignored-argument"}
    assert reads_every_argument(Sound()) == []


def test_a_bias_before_a_softmax_over_tokens_cancels_and_is_no_dead_parameter():
    class Pools(Sound):
        def __init__(self):
            super().__init__()
            self.score = nn.Linear(IMAGE, 1)

        def forward(self, image, text, image_mask, text_mask):
            scores = self.score(image).masked_fill(~image_mask[..., None], -1e9)
            return self.meet((scores.softmax(1) * image).sum(1), self.pool(self.enter(text, text_mask), text_mask))

    (finding,) = gives_every_parameter_a_gradient(subject_of(Pools))
    assert (finding.kind, finding.severity) == ("cancelled-bias", "info")
    assert "score.bias" in finding.where
