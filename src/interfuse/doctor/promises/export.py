"""The promise of export: `torch.export` with dynamic axes gives the same numbers at another size."""

import logging
import warnings

import torch
from torch import Tensor, nn

from interfuse.doctor.findings import Finding
from interfuse.doctor.subject import MODALITIES, Inputs, Sizes, Subject
from interfuse.doctor.words import number, raised, where_is


class _Called(nn.Module):
    """The module behind the call that the doctor found."""

    def __init__(self, subject: Subject) -> None:
        """Keep the module as a part, so that its parameters are exported."""
        super().__init__()
        self.module = subject.module
        self._call = subject.run
        self._names = list(subject.labels())

    def forward(self, image: Tensor, text: Tensor, image_mask: Tensor, text_mask: Tensor) -> dict[str, Tensor]:
        """Return the outputs that have a row for each row of input."""
        output = self._call(Inputs(image, text, image_mask, text_mask), self.module)
        return {name: output[name] for name in self._names if name in output}


def exports_with_dynamic_axes(subject: Subject) -> list[Finding]:
    """Export with a dynamic batch and dynamic tokens, and agree at another size."""
    inputs = subject.inputs()
    batch = torch.export.Dim("batch")
    image = {0: batch, 1: torch.export.Dim("image_tokens")} if _varies(subject, "image") else {0: batch}
    text = {0: batch, 1: torch.export.Dim("text_tokens")} if _varies(subject, "text") else {0: batch}
    if subject.equal:
        text = image
    where = where_is(subject.module)
    fix = "Keep Python's if, int() and .item() away from values of tensors in forward."
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shapes = (image, text, image, text)
            program = torch.export.export(_Called(subject), tuple(inputs), dynamic_shapes=shapes, strict=False).module()
            other = _other(subject)
            output = program(*other)
    except Exception as error:
        return [Finding("export", "info", "torch.export with dynamic axes fails", raised(error), where, fix)]
    finally:
        logger.setLevel(level)
    gap = max(subject.compare(subject.look(other), output, other))
    if gap <= subject.tolerance:
        return []
    evidence = f"at {tuple(other.image.shape)} with {tuple(other.text.shape)} it differs by {number(gap)}"
    title = "What torch.export gives computes something else at another size"
    return [Finding("export", "warning", title, evidence, where, fix)]


def _varies(subject: Subject, modality: str) -> bool:
    return modality in subject.tokens and modality in subject.varying


def _other(subject: Subject) -> Inputs:
    image = 17 if "image" in subject.varying else subject.sizes.image
    text = (image if subject.equal else 19) if "text" in subject.varying else subject.sizes.text
    other = subject.inputs(Sizes(2, image, text), seed=3)
    if set(MODALITIES) <= subject.masks:
        mask = other.text_mask.clone()
        mask[1] = False
        other = other._replace(text_mask=mask)
    return other
