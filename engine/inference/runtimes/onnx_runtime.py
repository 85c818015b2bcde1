"""ONNX Runtime on the CPU: the portable alternative to PyTorch and OpenVINO."""

from types import ModuleType

import torch
from torch import Tensor

from engine.inference.export import INPUT, OUTPUT
from engine.inference.runtimes.exported_graphs import ExportedGraphs, GraphRunner
from engine.inference.runtimes.torch_runtime import free_memory
from engine.inference.window_network import NO_MARGINS, Margins
from engine.networks import STRIDE, CompletionNetwork

VALUES_PER_PIXEL = 10
"""Peak of memory in fp32 values per input pixel and unit of base width: 9.0 measured (2400x2400 whole at width 16:
3.2 GB; 2.9 for the interior graph), and some room."""


class OnnxRuntime:
    """A `Runtime`: the exported fp32 graphs in ONNX Runtime."""

    name = "onnx"
    precision = "fp32"
    multiple = STRIDE
    device = torch.device("cpu")

    def __init__(self, network: CompletionNetwork, *, memory: int | None = None) -> None:
        import_onnxruntime()
        self.graphs = ExportedGraphs(network, self.precision, open_session)
        self.max_batch_pixels = (memory or free_memory(self.device) // 2) // (
            4 * VALUES_PER_PIXEL * network.spec.base_width
        )

    def run(self, holed_N4HW: Tensor, margins: Margins = NO_MARGINS) -> Tensor:
        return self.graphs.run(holed_N4HW, margins)


def open_session(content: bytes) -> GraphRunner:
    """A runner of an ONNX file, with as many threads as PyTorch has."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.enable_mem_pattern = False  # which plans memory for the sizes of the first run; ours differ
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda holed_N4HW: session.run([OUTPUT], {INPUT: holed_N4HW})[0]


def import_onnxruntime() -> ModuleType:
    """ONNX Runtime. ValueError with the line that installs it, where it is missing."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError(f"ONNX Runtime is needed ({error}): pip install 'glcic-engine[cpu]'") from error
    return onnxruntime
