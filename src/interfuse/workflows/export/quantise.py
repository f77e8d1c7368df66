"""An 8-bit copy of an exported model, and what it costs on real rows."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interfuse.core.errors import ExportError, require
from interfuse.training import Run
from interfuse.workflows.export.check_rows import Agreement, AnsweredRows, measure, note
from interfuse.workflows.export.export import quiet

OPERATIONS = ("MatMul", "Gemm", "Gather")
"""Products with weights, and embeddings; convolutions stay float32, since their 8-bit kernels are slower here."""
FILE = "model.int8.onnx"


def quantise(run: Run, rows: AnsweredRows, folder: Path) -> Agreement:
    """Write `model.int8.onnx` beside an exported model: weights in 8 bits, a scale a channel; measure and keep it.

    Activations are scaled as they come (dynamic quantisation), so no calibration rows are needed.

    Args:
        run: what was exported.
        rows: rows that the cost is measured on.
        folder: what `export_run` wrote, in ONNX.

    Raises:
        ExportError: the model is not in ONNX.
        ExtraMissingError: the extra `export` is not installed.
    """
    source, target = folder / "model.onnx", folder / FILE
    if not source.is_file():
        raise ExportError(f"{folder} has no {source.name}: 8 bits are for format=onnx.")
    require("onnx", "export")
    require("onnxruntime", "export")
    from onnxruntime.quantization import QuantType, quantize_dynamic

    part = folder / f".{FILE}.tmp"
    try:
        with quiet(), _silent():
            quantize_dynamic(
                source,
                part,
                op_types_to_quantize=list(OPERATIONS),
                per_channel=True,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=_left_alone(source),
            )
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    agreement = measure(run, rows, folder, FILE)
    sizes = {"file": FILE, "bytes": target.stat().st_size, "bytes_float32": source.stat().st_size}
    note(folder, "int8", {**agreement.plain, **sizes})
    return agreement


def _left_alone(path: Path) -> list[str]:
    """Return the names of the products with a constant that is no matrix: a scale a channel has no place there."""
    graph = require("onnx", "export").load(str(path), load_external_data=False).graph
    axes = {weight.name: len(weight.dims) for weight in graph.initializer}
    return [
        node.name for node in graph.node if node.op_type == "MatMul" and any(axes.get(i, 2) != 2 for i in node.input)
    ]


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the quantiser's advice, which it gives through the root logger, off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
