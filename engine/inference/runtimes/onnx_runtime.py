"""ONNX Runtime on the CPU: what completes photos without PyTorch."""

import numpy as np
from numpy.typing import NDArray

from engine.cpu import cpu_threads
from engine.inference.graphs.window_sessions import WindowGraphs
from engine.inference.pixels import Pixels
from engine.inference.windows.folded import fold_network
from engine.inference.windows.inputs import holed_array
from engine.inference.windows.layer_plan import NO_MARGINS, Margins
from engine.memory import memory_limit
from engine.weights import NetworkWeights


class OnnxRuntime:
    """A `Runtime`: windows in ONNX Runtime, in fp32. ValueError if it is not installed."""

    name = "onnx"
    precision = "fp32"
    device = "cpu"

    def __init__(self, weights: NetworkWeights, *, precision: str = "auto", memory: int | None = None) -> None:
        if precision not in ("auto", "fp32"):
            raise ValueError(
                f"the onnx runtime computes in fp32, not in {precision}: --precision fp32, or another --runtime"
            )
        self.spec = weights.spec
        self.graphs = WindowGraphs(fold_network(weights.spec, weights.tensors), cpu_threads())
        self.max_batch_pixels = int(memory_limit(memory, self.device) / self.graphs.bytes_per_pixel)

    def generate(
        self, pixels_NHW3: Pixels, mask_NHW: NDArray[np.bool_], margins: Margins = NO_MARGINS
    ) -> NDArray[np.float32]:
        generated_N3HW = self.graphs.run(holed_array(pixels_NHW3, mask_NHW, self.spec), margins)
        return generated_N3HW.transpose(0, 2, 3, 1)

    def in_fp32(self) -> "OnnxRuntime":
        return self
