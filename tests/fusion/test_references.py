"""Every mechanism equals a slow NumPy reference that shares no code with it, missing modalities included."""

import pytest
import torch
from torch.testing import assert_close

from interfuse.fusion import list_fusions
from tests.fusion.inputs import build, make_inputs
from tests.references.basics import REFERENCES, VARIANTS

CASES = [(name, settings) for name in list_fusions() for settings in VARIANTS[name]]


@pytest.mark.parametrize(("name", "settings"), CASES, ids=[f"{n}-{s}" if s else n for n, s in CASES])
def test_the_vector_equals_a_slow_reference_row_by_row(name, settings):
    fuse, (image, text, image_mask, text_mask) = build(name, **settings).double(), make_inputs(torch.float64, batch=6)
    with torch.no_grad():
        for parameter in fuse.parameters():  # zero-initialised biases and gates must count too
            parameter.add_(torch.randn_like(parameter) * 0.1)
    image_mask[3], text_mask[4] = False, False
    image_mask[5], text_mask[5] = False, False
    params = {key: value.detach().numpy() for key, value in fuse.state_dict().items()}
    vector = fuse(image, text, image_mask, text_mask).vector
    for row in range(len(image)):
        image_row, text_row = image[row][image_mask[row]].numpy(), text[row][text_mask[row]].numpy()
        expected = torch.from_numpy(REFERENCES[name](params, image_row, text_row, fuse.config))
        assert_close(vector[row], expected, rtol=1e-9, atol=1e-9)
