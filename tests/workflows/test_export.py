"""Export: every exportable mechanism agrees in ONNX, odd sizes and missing modalities included; the rest is refused."""

import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from interfuse.core.design import Design
from interfuse.fusion import FUSIONS
from interfuse.training import ModalitySpec, Network, Run, save_run
from interfuse.workflows import export
from tests.fusion.inputs import IMAGE_DIM, TEXT_DIM, build, make_inputs

EXPORTABLE = [entry.name for entry in FUSIONS if entry.build.exportable]
CALLS = [(1, 9, 4), (5, 2, 19), (4, 1, 1)]  # rows, image tokens, text tokens; none is the size of the example


def make_run(folder: Path, fusion: str = "cross_attention", task: str = "multiclass", **settings: object) -> Run:
    torch.manual_seed(0)
    design = Design(fusion, dim=16, num_heads=2, **settings)
    image = ModalitySpec(11, (3, 3), torch.randn(11), torch.rand(11) + 0.5)
    text = ModalitySpec(13, None, torch.randn(13), torch.rand(13) + 0.5)
    network = Network(design, image, text, classes=3).eval()
    info = {
        "task": task,
        "label_names": ["a", "b", "c"],
        "encoders": {},
        "encoder_settings": {"image_encoder": "known"},
    }
    save_run(folder, network, design, info, [])
    return Run(folder, design, network, info)


class Together(nn.Module):
    """Several mechanisms on the same tokens, traced once: a trace of each alone would take a minute."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.fusions = nn.ModuleDict({name: build(name) for name in names})

    def forward(self, image: Tensor, image_mask: Tensor, text: Tensor, text_mask: Tensor) -> tuple[Tensor, ...]:
        return tuple(fuse(image, text, image_mask, text_mask).vector for fuse in self.fusions.values())


def trace(names: list[str], path: Path) -> onnxruntime.InferenceSession:
    inputs = make_inputs()
    batch, pictures, words = (torch.export.Dim(axis) for axis in ("batch", "image_tokens", "text_tokens"))
    seen, read = {0: batch, 1: pictures}, {0: batch, 1: words}
    with export.quiet():
        program = torch.onnx.export(
            Together(names).eval(),
            (inputs.image, inputs.image_mask, inputs.text, inputs.text_mask),
            dynamo=True,
            verbose=False,
            input_names=["image", "image_mask", "text", "text_mask"],
            output_names=[f"{name}_vector" for name in names],
            dynamic_shapes=(seen, seen, read, read),
            optimize=False,
        )
        program.save(path)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """A session for each mechanism: all in one model, or each in its own where that cannot be traced."""
    folder = tmp_path_factory.mktemp("onnx")
    try:
        return dict.fromkeys(EXPORTABLE, trace(EXPORTABLE, folder / "all.onnx"))
    except Exception:  # find out whose fault it is
        made = {}
        for name in EXPORTABLE:
            try:
                made[name] = trace([name], folder / f"{name}.onnx")
            except Exception as error:
                made[name] = error
        return made


@pytest.mark.parametrize("kind", ["full", "padded", "no image", "no text", "neither"])
@pytest.mark.parametrize("name", EXPORTABLE)
def test_every_exportable_mechanism_agrees_in_onnx_at_other_sizes(sessions, name, kind):
    assert not isinstance(sessions[name], Exception), f"cannot be traced: {sessions[name]}"
    fuse, draw = build(name), torch.Generator().manual_seed(5)
    for rows, pictures, words in CALLS:
        image = torch.randn(rows, pictures, IMAGE_DIM, generator=draw)
        text = torch.randn(rows, words, TEXT_DIM, generator=draw)
        image_mask, text_mask = (torch.ones(rows, count, dtype=torch.bool) for count in (pictures, words))
        if kind == "padded":
            image_mask[:, 1 + pictures // 2 :] = False
            text_mask[::2, 1 + words // 3 :] = False
        if kind in ("no image", "neither"):
            image_mask[::2] = False
        if kind in ("no text", "neither"):
            text_mask[::2] = False
        feed = {"image": image, "image_mask": image_mask, "text": text, "text_mask": text_mask}
        (found,) = sessions[name].run([f"{name}_vector"], {key: value.numpy() for key, value in feed.items()})
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # one token each is asked for here
            expected = fuse(image, text, image_mask, text_mask).vector.numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5)
