"""Optional packages, imported where they are used."""

import importlib
from types import ModuleType

EXTRAS = {"onnxruntime": "cpu", "openvino": "cpu", "tensorrt": "tensorrt", "tensorrt_rtx": "rtx"}
"""Which extra installs each."""


def import_optional(name: str) -> ModuleType:
    """One of EXTRAS. ValueError with the line that installs it, where it is missing or does not load."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(f"{name} is needed ({error}): pip install 'glcic-engine[{EXTRAS[name]}]'") from error
