"""Number formats, and the formats of files, that a setting may name."""

from typing import Literal

Coding = Literal["bfloat16", "int8", "float32"]
"""How a token lies in the store."""
Dtype = Literal["auto", "float32", "bfloat16"]
"""What an encoder computes in."""
Precision = Literal["auto", "float32", "bfloat16"]
"""What a training step computes in."""
ExportFormat = Literal["onnx", "torch"]
"""What a run is exported for."""
