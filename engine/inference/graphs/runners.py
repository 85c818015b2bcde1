"""Opening a graph on the CPU, in ONNX Runtime or in OpenVINO."""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache, lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.cpu import cpu_threads
from engine.inference.graphs.signal_stack import signal_stack_kept
from engine.inference.graphs.window_graph import INPUT, OUTPUT
from engine.packages import import_optional

WITHOUT_BF16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}
"""Limits of oneDNN (ONEDNN_MAX_CPU_ISA) that have no instructions for bf16."""

GraphRunner = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Runs an opened graph: `holed_N4HW` in, `generated_N3HW` out."""

COMPILED_SHAPES = 8
"""Models that OpenVINO keeps compiled for each graph. A window's sides go in steps of 32, so that few are met."""


def open_in_onnxruntime(content: bytes, threads: int | None = None) -> GraphRunner:
    """A runner of an ONNX file, with so many threads or `cpu_threads`. ValueError if ONNX Runtime is not installed."""
    onnxruntime = import_optional("onnxruntime")
    share_memory(onnxruntime)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or cpu_threads()
    # Its threads otherwise spin for a while after each run, and slow what comes next: blending, the next photo.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.enable_mem_pattern = False  # which plans memory for the sizes of the first run; ours differ
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda holed_N4HW: session.run([OUTPUT], {INPUT: holed_N4HW})[0]


@cache
def share_memory(onnxruntime: ModuleType) -> None:
    """Have one pool of memory for all sessions that ask for it.

    Each would otherwise keep the most that it has ever needed: 2.6 GB instead of 0.4 after 60 batches of windows with
    all 16 combinations of borders. Without pools the runs take 15 % longer.
    """
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    with suppress(RuntimeError):  # from ONNX Runtime 1.20 if there is one already, which then serves
        onnxruntime.create_and_register_allocator(place, None)


def open_in_openvino(content: bytes, hint: str = "f32") -> GraphRunner:
    """A runner of an ONNX file that computes in `hint` (f32 or bf16) what the graph does not quantise, compiled for
    each shape. ValueError if OpenVINO is not installed."""
    core = import_optional("openvino").Core()
    # Left to itself, OpenVINO computes in bf16 where the CPU can.
    settings = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": cpu_threads()}

    @lru_cache(maxsize=COMPILED_SHAPES)
    def compiled(shape: tuple[int, ...]) -> Any:
        model = core.read_model(content)
        model.reshape(list(shape))
        with signal_stack_kept():
            return core.compile_model(model, "CPU", settings)

    def run(holed_N4HW: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.array(compiled(holed_N4HW.shape)(holed_N4HW)[0])  # a copy: the next run writes into the same memory

    return run


def onednn_lacks_bf16() -> bool:
    """True if oneDNN is told to do without instructions for bf16."""
    return os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in WITHOUT_BF16


def openvino_has_bf16() -> bool:
    """True if this CPU computes in bf16, and oneDNN is not told to do without. ValueError if OpenVINO is not installed.

    OpenVINO looks at the CPU alone, and fails to compile where oneDNN, which it computes with, may not use all of it.
    """
    if onednn_lacks_bf16():
        return False
    return "BF16" in import_optional("openvino").Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
