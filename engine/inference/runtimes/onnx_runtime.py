"""ONNX Runtime on the CPU: the portable alternative to PyTorch and OpenVINO."""

import torch
from torch import Tensor

from engine.inference.graphs.export import cached_onnx
from engine.inference.graphs.runners import open_in_onnxruntime
from engine.inference.runtimes.exported_graphs import ExportedGraphs
from engine.inference.windows.layer_plan import NO_MARGINS, Margins
from engine.memory import memory_limit
from engine.networks import CompletionNetwork
from engine.packages import import_optional

VALUES_PER_PIXEL = 10
"""Peak of memory in fp32 values per input pixel and unit of base width: 9.0 measured (2400x2400 whole at width 16:
3.2 GB; 2.9 for the interior graph), and some room."""

SPEED = 1.2
"""The speed of the same arithmetic, in PyTorch's:  1.0 to 1.4 measured (windows of 368x368, one and four;
base widths 16 to 64; two cores with AVX-512)."""


class OnnxRuntime:
    """A `Runtime`: the exported fp32 graphs in ONNX Runtime."""

    name = "onnx"
    precision = "fp32"
    device = torch.device("cpu")

    def __init__(self, network: CompletionNetwork, *, precision: str = "auto", memory: int | None = None) -> None:
        import_optional("onnxruntime")
        if precision not in ("auto", "fp32"):
            raise ValueError(
                f"the onnx runtime computes in fp32, not in {precision}: --precision fp32, or another --runtime"
            )
        self.graphs = ExportedGraphs(
            network, SPEED, lambda graph: open_in_onnxruntime(cached_onnx(network, self.precision, graph)), exact=True
        )
        bytes_per_pixel = 4 * VALUES_PER_PIXEL * network.spec.base_width
        self.max_batch_pixels = memory_limit(memory, self.device) // bytes_per_pixel

    def run(self, holed_N4HW: Tensor, margins: Margins = NO_MARGINS) -> Tensor:
        return self.graphs.run(holed_N4HW, margins)
