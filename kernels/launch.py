"""The choice of the implementation of a kernel that runs: the Triton one or the plain PyTorch reference.

`auto` takes Triton for CUDA tensors and the reference elsewhere; `triton` and `reference` are explicit requests. The
choice comes from the environment variable ENGINE_KERNELS, then from `set_backend` (engine-train's `--kernels`, unless
that is auto). Triton on CPU tensors means its interpreter (TRITON_INTERPRET=1), which the tests use.
"""

import functools
import importlib.util
import logging
import os

import torch

logger = logging.getLogger(__name__)

BACKENDS = ("auto", "triton", "reference")
TRITON_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.uint8, torch.bool)
"""The types that training's kernels read and write. They compute in fp32: float64 (gradcheck) is the reference's."""


def _known(name: str, source: str) -> str:
    if name not in BACKENDS:
        raise ValueError(f"{source} is {name!r}; it must be one of {', '.join(BACKENDS)}")
    return name


_backend = _known(os.environ.get("ENGINE_KERNELS", "auto"), "ENGINE_KERNELS")


def set_backend(name: str) -> None:
    """Choose `auto`, `triton` or `reference` for all kernels of this process; overrides ENGINE_KERNELS.

    ValueError for another name, or if `triton` cannot run on this machine.
    """
    global _backend
    _known(name, "the kernels' backend")
    reason = missing_triton("cuda" if torch.cuda.is_available() else "cpu") if name == "triton" else None
    if reason:
        raise ValueError(f"the kernels' backend cannot be 'triton': {reason}")
    _backend = name


def use_triton(op: str, device: torch.device, unsupported: str | None = None) -> bool:
    """True if `op` runs as a Triton kernel on `device`. `unsupported` says why these arguments cannot, if they cannot.

    ValueError if `triton` was asked for and cannot be had; under `auto` the reference then runs, and the reason is
    logged once.
    """
    if _backend == "reference" or (_backend == "auto" and device.type != "cuda"):
        return False
    # While compiling one cannot look for Triton; but on CUDA the compiler itself needs it.
    reason = unsupported if torch.compiler.is_compiling() else unsupported or missing_triton(device.type)
    if reason and _backend == "triton":
        raise ValueError(f"{op}: the kernels' backend is 'triton', but {reason}")
    if reason and not torch.compiler.is_compiling():
        log_fallback(op, reason)
    return reason is None


def unsupported_dtype(*dtypes: torch.dtype) -> str | None:
    """Why the Triton kernels cannot take these dtypes, None if they can."""
    wrong = [dtype for dtype in dtypes if dtype not in TRITON_DTYPES]
    return f"its kernel computes in fp32 and takes no {wrong[0]}: choose 'auto' or 'reference'" if wrong else None


@functools.cache
def missing_triton(device_type: str) -> str | None:
    """Why Triton kernels cannot run on tensors of `device_type`, and the remedy; None if they can."""
    if importlib.util.find_spec("triton") is None:
        return "it is not installed: pip install 'triton>=3.6', or choose 'auto' or 'reference'"
    if device_type == "cuda" or os.environ.get("TRITON_INTERPRET") == "1":
        return None
    return (
        f"it does not run on {device_type!r} but on a CUDA device: choose 'auto' or 'reference', "
        "or set TRITON_INTERPRET=1 (slow, for tests)"
    )


@functools.cache
def log_fallback(op: str, reason: str) -> None:
    """Say once per reason that `op` runs as plain PyTorch on a CUDA device."""
    logger.warning("%s runs as plain PyTorch on the GPU: %s", op, reason)
