"""Subtle defects are named, and nothing else is; what only looks like a defect is not named."""

import pytest
import torch
from torch import nn

from interfuse.doctor import examine
from tests.doctor.subtle import SUBTLE, WIDTH, CountsItsCalls, EncoderInside, Gated, Similarities, WholeGridOf49


def report_of(module, **told):
    return examine(module, image_dim=WIDTH, text_dim=WIDTH, export=False, **told)


def make(cls):
    torch.manual_seed(0)
    return cls()


@pytest.mark.parametrize(("cls", "errors", "warnings"), SUBTLE, ids=[cls.__name__ for cls, *_ in SUBTLE])
def test_exactly_what_is_wrong_is_named(cls, errors, warnings):
    report = report_of(make(cls))
    assert {finding.kind for finding in report.of("error")} == errors, report
    assert {finding.kind for finding in report.of("warning")} == warnings, report


def test_what_cannot_be_compared_is_not_examined_and_says_so():
    report = report_of(make(CountsItsCalls))
    assert (
        "each sample stands alone (the same call gives another output each time, whatever the seed)" in report.skipped
    )
    assert "every parameter trains" in report.passes


def test_a_similarity_matrix_and_a_fast_path_that_fails_are_information():
    assert "similarities" in report_of(make(Similarities)).kinds
    found = [finding for finding in report_of(make(EncoderInside)).findings if finding.kind == "dtype"]
    assert all("fast path" in finding.title for finding in found)


def test_of_a_number_of_tokens_that_is_declared_fixed_none_is_padding():
    assert not report_of(make(WholeGridOf49), image_tokens=49).broken


@pytest.mark.filterwarnings("ignore")  # of TorchScript, which is deprecated
def test_a_compiled_and_a_scripted_module_are_examined():
    assert not report_of(torch.compile(make(Gated), backend="eager")).broken
    assert not report_of(torch.jit.script(nn.Bilinear(WIDTH, WIDTH, 3))).broken


class Unmakeable(Gated):
    """Nothing tells how it was made; a constant of it is no buffer."""

    def __init__(self, settings):
        super().__init__()
        self.scale = torch.tensor(settings["scale"])

    def forward(self, image, text):
        return super().forward(image, text) * self.scale


class Makeable(Unmakeable):
    def __init__(self):
        super().__init__({"scale": 2.0})


def test_state_counts_as_surviving_only_where_the_module_was_made_again():
    report = report_of(Unmakeable({"scale": 2.0}).requires_grad_(True))
    assert "not-a-buffer" in report.kinds
    assert not report.broken
    plain = Unmakeable({"scale": 2.0})
    plain.scale = 2.0
    report = report_of(plain)
    assert "state survives saving" not in report.passes
    assert "state survives saving (it could not be made again: give remake=…)" in report.skipped
    assert "not-a-buffer" in report_of(Makeable()).kinds


def raw_layers():
    lxmert = pytest.importorskip("transformers.models.lxmert.modeling_lxmert")
    tower = pytest.importorskip("transformers.models.bridgetower.modeling_bridgetower")
    sizes = {"hidden_size": WIDTH, "num_attention_heads": 2, "intermediate_size": 32}
    config = tower.BridgeTowerTextConfig(**sizes)
    config._attn_implementation = "eager"
    yield lxmert.LxmertXLayer(lxmert.LxmertConfig(**sizes))
    yield tower.BridgeTowerBertCrossLayer(config)
    yield nn.MultiheadAttention(WIDTH, 2, batch_first=True)


def test_a_published_layer_by_itself_gets_no_error():
    for layer in raw_layers():
        report = report_of(layer)
        assert report.ok, report
        assert report.broken <= {"missing-leak", "missing-nan"}, report
