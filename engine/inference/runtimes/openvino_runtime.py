"""OpenVINO on the CPU: the fast way to run the network without a GPU."""

from functools import lru_cache
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.inference.runtimes.exported_graphs import ExportedGraphs, GraphRunner
from engine.inference.runtimes.signal_stack import signal_stack_kept
from engine.inference.runtimes.torch_runtime import free_memory
from engine.inference.window_network import NO_MARGINS, Margins
from engine.networks import STRIDE, CompletionNetwork

VALUES_PER_PIXEL = 3
"""Peak of memory in fp32 values per input pixel and unit of base width: 2.4 measured (2400x2400 at width 16, interior
graph: 0.83 GB; 2.1 for the padded one), and some room."""

COMPILED_SHAPES = 8
"""Compiled models kept for each graph. A window's sides go in steps of 32, so that few are met."""


class OpenvinoRuntime:
    """A `Runtime`: the exported fp32 graphs in OpenVINO, compiled for each size of window."""

    name = "openvino"
    precision = "fp32"
    multiple = STRIDE
    device = torch.device("cpu")

    def __init__(self, network: CompletionNetwork, *, memory: int | None = None) -> None:
        import_openvino()
        self.graphs = ExportedGraphs(network, self.precision, compile_graph)
        self.max_batch_pixels = (memory or free_memory(self.device) // 2) // (
            4 * VALUES_PER_PIXEL * network.spec.base_width
        )

    def run(self, holed_N4HW: Tensor, margins: Margins = NO_MARGINS) -> Tensor:
        return self.graphs.run(holed_N4HW, margins)


def compile_graph(content: bytes) -> GraphRunner:
    """A runner of an ONNX file, with as many threads as PyTorch has."""
    core = import_openvino().Core()
    # Left to itself, OpenVINO computes in bf16 where the CPU can.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}

    @lru_cache(maxsize=COMPILED_SHAPES)
    def compiled(shape: tuple[int, ...]) -> object:
        model = core.read_model(content)
        model.reshape(list(shape))
        with signal_stack_kept():
            return core.compile_model(model, "CPU", settings)

    def run(holed_N4HW: NDArray[np.float32]) -> NDArray[np.float32]:
        outputs = compiled(holed_N4HW.shape)(holed_N4HW)  # type: ignore[operator]
        return np.array(outputs[0])  # a copy: the next run writes into the same memory

    return run


def import_openvino() -> ModuleType:
    """OpenVINO. ValueError with the line that installs it, where it is missing."""
    try:
        import openvino
    except ImportError as error:
        raise ValueError(f"OpenVINO is needed ({error}): pip install 'glcic-engine[cpu]'") from error
    return openvino
