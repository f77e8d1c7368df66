"""The doctor names every defect class, with evidence and a fix, and is silent on correct modules."""

import json

import pytest
import torch
from torch import nn

import interfuse
from interfuse.core.errors import ConfigError
from interfuse.doctor import KINDS, PROMISES, assert_sound, examine
from interfuse.doctor.findings import SEVERITIES, Finding, by_harm
from interfuse.fusion import list_fusions
from tests.doctor.defects import DEFECTS, IMAGE, TEXT, PooledVectorsAsOneSequence, TokensOfOneLengthOnly, make
from tests.doctor.sound import SOUND, BothWays, PlainLxmert
from tests.fusion.inputs import IMAGE_DIM, TEXT_DIM, build


@pytest.fixture(scope="module")
def reports():
    """Each broken module is examined once."""
    found = {}

    def of(cls):
        if cls not in found:
            found[cls] = examine(make(cls), image_dim=IMAGE, text_dim=TEXT)
        return found[cls]

    return of


@pytest.mark.parametrize(("defect", "cls", "kind"), DEFECTS, ids=[f"{d[0]}-{d[1].__name__}-{d[2]}" for d in DEFECTS])
def test_every_defect_is_named_with_evidence_place_and_fix(defect, cls, kind, reports):
    report = reports(cls)
    found = [finding for finding in report.findings if finding.kind == kind]
    assert found, report
    worst = found[0]
    assert worst.defect == defect
    assert worst.severity == ("warning" if kind == "ignored-setting" else "error")
    assert any(mark.isdigit() for mark in worst.evidence) or "NaN" in worst.evidence or kind.startswith("ignored")
    assert cls.__name__ in worst.where
    assert "defects.py:" in worst.where
    assert worst.fix


def test_the_ten_classes_are_all_covered():
    assert {defect for defect, *_ in DEFECTS} == set(range(1, 11))
    assert {defect for defect in KINDS.values() if defect} == set(range(1, 11))


@pytest.mark.parametrize("cls", SOUND, ids=lambda cls: cls.__name__)
def test_a_correct_module_gets_no_error_and_no_warning(cls):
    torch.manual_seed(0)
    report = examine(cls(), image_dim=16, text_dim=16)
    assert not report.broken, report


@pytest.mark.parametrize("name", list_fusions())
def test_a_registered_mechanism_gets_no_error_and_no_warning(name):
    report = examine(build(name), image_dim=IMAGE_DIM, text_dim=TEXT_DIM, export=False)
    assert not report.broken, report


def test_a_published_layer_that_leaks_only_where_a_modality_is_missing_is_told_that_and_no_more():
    report = examine(PlainLxmert(), image_dim=16, text_dim=16)
    assert report.broken == {"missing-leak"}
    assert report.ok, "a layer by itself: the model around it may keep absent modalities from it"
    assert all("as a layer by itself" in finding.title for finding in report.of("warning"))


def test_a_closed_gate_is_told_as_information():
    from tests.doctor.sound import Flamingo

    report = examine(Flamingo(), image_dim=16, text_dim=16)
    gates = [finding for finding in report.findings if finding.kind == "zero-gate"]
    assert gates
    assert all(finding.severity == "info" for finding in gates)
    assert any("attention.in_proj_weight" in finding.where for finding in gates)


def test_the_key_bias_of_attention_is_told_as_information():
    report = examine(BothWays(), image_dim=16, text_dim=16)
    (bias,) = [finding for finding in report.findings if finding.kind == "cancelled-bias"]
    assert bias.severity == "info"
    assert "to_text.in_proj_bias[key]" in bias.where


def test_findings_come_in_order_of_harm_and_once():
    worst = Finding("batch-leak", "error", "a", "b")
    twin = Finding("no-mask", "warning", "t", "seen by one")
    mixed = [Finding("export", "info", "e", "f"), twin, Finding("dead-parameter", "error", "c", "d"), worst]
    ordered = by_harm([*mixed, Finding("no-mask", "warning", "t", "seen by another")])
    assert [finding.kind for finding in ordered] == ["batch-leak", "dead-parameter", "no-mask", "export"]
    assert ordered[2] == twin
    assert [finding.severity for finding in ordered] == sorted((f.severity for f in ordered), key=SEVERITIES.index)


def test_the_report_prints_and_is_json(reports):
    report = reports(PooledVectorsAsOneSequence)
    assert "error: Samples of a batch mix [batch-leak]" in str(report)
    assert "batch_first=True" in str(report)
    plain = json.loads(report.to_json())
    assert plain["ok"] is False
    assert plain["findings"][0]["kind"] == "batch-leak"
    assert plain["findings"][0]["defect"] == 2
    assert len(plain["passes"]) + len(plain["skipped"]) <= len(PROMISES) + 1


def test_the_module_and_the_random_numbers_are_left_as_they_were():
    module = BothWays().train()
    module.head.weight.grad = torch.ones_like(module.head.weight)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    examine(module, image_dim=16, text_dim=16, export=False)
    assert torch.equal(torch.rand(3), expected)
    assert module.training
    assert all(part.training for part in module.modules())
    assert torch.equal(module.head.weight.grad, torch.ones_like(module.head.weight))
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert module.head.weight.dtype == torch.float32


class Fails(nn.Module):
    """Raises whatever it is given."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 4)

    def forward(self, image, text):
        raise RuntimeError(f"no kernel for {len(image)} rows")


def test_a_module_that_raises_gives_a_finding_with_its_words_and_a_way_out():
    report = examine(Fails(), image_dim=4, text_dim=4)
    (finding,) = report.of("error")
    assert finding.kind == "cannot-call"
    assert "RuntimeError: no kernel for 3 rows" in finding.evidence
    assert "forward(image=image (batch, tokens, dim), text=text (batch, tokens, dim))" in finding.evidence
    assert "call=lambda module, image, text, image_mask, text_mask" in finding.fix


class Odd(nn.Module):
    """One tensor of both modalities, and the lengths of each."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, sequence, where):
        return self.layer(sequence, src_key_padding_mask=~where)


def test_call_says_how_a_module_is_called_that_cannot_be_guessed():
    def call(module, image, text, image_mask, text_mask):
        return module(torch.cat([image, text], 1), torch.cat([image_mask, text_mask], 1))

    report = examine(Odd(), image_dim=8, text_dim=8, call=call)
    assert not report.broken
    assert "missing modality" in report.passes
    assert "how-called" not in report.kinds


def test_a_module_that_holds_what_cannot_be_copied_is_examined_all_the_same():
    module = BothWays()
    module.stream = (x for x in range(3))
    module.last = [module.head.weight * 2]  # a tensor with a history
    report = examine(module, image_dim=16, text_dim=16, export=False)
    assert not report.broken, report
    assert "every parameter trains" in report.passes


def test_a_module_without_values_is_told_so():
    (finding,) = examine(BothWays().to("meta"), image_dim=16, text_dim=16).of("error")
    assert "meta" in finding.title


def test_an_option_that_is_not_known_is_refused():
    with pytest.raises(ConfigError, match="Did you mean 'image_tokens'"):
        examine(nn.Bilinear(4, 4, 4), image_dim=4, text_dim=4, image_token=4)


def test_one_number_of_tokens_can_be_told():
    assert "cannot-call" in examine(TokensOfOneLengthOnly(), image_dim=16, text_dim=12, export=False).kinds
    report = examine(TokensOfOneLengthOnly(), image_dim=16, text_dim=12, image_tokens=9, export=False)
    assert "cannot-call" not in report.kinds
    assert "dead-parameter" not in report.kinds


def test_assert_sound_raises_with_the_report_unless_allowed():
    module = make(PooledVectorsAsOneSequence)
    with pytest.raises(AssertionError, match=r"Samples of a batch mix \[batch-leak\]"):
        assert_sound(module, image_dim=IMAGE, text_dim=TEXT, export=False)
    report = assert_sound(module, image_dim=IMAGE, text_dim=TEXT, export=False, allow={"batch-leak"})
    assert "batch-leak" in report.kinds


def test_it_is_a_face_of_the_package():
    assert interfuse.examine is examine
