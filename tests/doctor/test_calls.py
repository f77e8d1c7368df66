"""However a correct module wants to be called, the doctor finds it out and stays silent."""

import pytest
import torch

from interfuse.doctor import examine
from tests.doctor.calls import CALLS
from tests.doctor.sound import WIDTH


@pytest.mark.parametrize(("make", "call"), CALLS, ids=[make.__name__ for make, _ in CALLS])
def test_a_correct_module_is_called_as_it_wants_and_gets_no_error_and_no_warning(make, call):
    torch.manual_seed(0)
    report = examine(make(), image_dim=WIDTH, text_dim=WIDTH, export=False)
    assert not report.broken, report
    (called,) = [finding.evidence for finding in report.findings if finding.kind == "how-called"]
    assert call in called


def test_a_count_of_tokens_is_not_taken_for_a_mask():
    models = pytest.importorskip("transformers.models.blip_2.modeling_blip_2")
    config = models.Blip2QFormerConfig(
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        cross_attention_frequency=1,
        encoder_hidden_size=WIDTH,
    )
    report = examine(models.Blip2QFormerModel(config), image_dim=WIDTH, text_dim=WIDTH, export=False)
    (called,) = [finding.evidence for finding in report.findings if finding.kind == "how-called"]
    assert "query_length" not in called
    assert "encoder_attention_mask=image mask, True = real" in called
    assert "no-mask" not in report.kinds


class MaskThatFails(torch.nn.Module):
    """One mask works and another raises whatever it is given."""

    def __init__(self):
        super().__init__()
        self.map = torch.nn.Linear(2 * WIDTH, 3)

    def forward(self, image, text, image_mask=None, text_mask=None, region_mask=None):
        if region_mask is not None:
            raise NotImplementedError
        parts = []
        for tokens, mask in ((image, image_mask), (text, text_mask)):
            mask = torch.ones(tokens.shape[:2], dtype=torch.bool) if mask is None else mask
            kept = tokens.where(mask[..., None], tokens.new_zeros(()))
            parts.append(kept.sum(1) / mask.sum(1, keepdim=True).clamp(min=1))
        return self.map(torch.cat(parts, 1).tanh())


def test_a_mask_that_fails_is_left_out_and_the_others_are_kept():
    report = examine(MaskThatFails(), image_dim=WIDTH, text_dim=WIDTH, export=False)
    assert not report.broken, report
    assert "image_mask=image mask, True = real, text_mask=text mask" in str(report)
