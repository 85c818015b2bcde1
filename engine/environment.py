"""A report on the environment, to be pasted into a bug report: python -m engine.environment"""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from engine import __version__
from engine.cpu import cpu_has_bf16, cpu_threads

PACKAGES = (
    *("torch", "triton", "numpy", "opencv-python-headless", "pillow", "safetensors", "onnx"),
    *("onnxruntime", "openvino", "tensorrt-cu13", "tensorrt-rtx-cu13", "nvidia-dali-cuda130", "tyro", "fastapi"),
)


def report() -> str:
    """One line each for the engine, Python, the machine, the packages and the settings."""
    lines = [
        f"glcic-engine {__version__}",
        f"Python {platform.python_version()} ({sys.executable})",
        f"system: {platform.platform()}",
        f"CPU: {os.cpu_count()} cores, {platform.machine()}, {cpu_threads()} threads",
    ]
    lines += of_pytorch() if find_spec("torch") else []
    lines += [f"{name} {version_of(name)}" for name in PACKAGES]
    settings = sorted(
        name for name in os.environ if name.startswith(("ENGINE_", "OMP_", "GOMP_", "ONEDNN_", "CUDA_VISIBLE"))
    )
    return "\n".join(lines + [f"{name}={os.environ[name]}" for name in settings])


def of_pytorch() -> list[str]:
    """The machine as PyTorch sees it."""
    import torch

    return [
        f"PyTorch: {torch.backends.cpu.get_cpu_capability()}, bfloat16 instructions: "
        f"{'yes' if cpu_has_bf16() else 'no'}, {torch.get_num_threads()} threads",
        f"CUDA: {torch.version.cuda or 'not in this PyTorch'}",
        *(f"GPU {k}: {torch.cuda.get_device_properties(k)}" for k in range(torch.cuda.device_count())),
    ]


def version_of(package: str) -> str:
    """The version that is installed, or that none is."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "is not installed"


if __name__ == "__main__":
    print(report())
