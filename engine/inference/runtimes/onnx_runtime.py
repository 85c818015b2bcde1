"""ONNX Runtime on the CPU, in fp32: what completes photos without PyTorch."""

import numpy as np
from numpy.typing import NDArray

from engine.inference.graphs.runners import GraphRunner, open_in_onnxruntime
from engine.inference.graphs.window_graph import window_graph
from engine.inference.pixels import Pixels
from engine.inference.windows.folded import fold_network
from engine.inference.windows.inputs import holed_array
from engine.inference.windows.layer_plan import NO_MARGINS, Borders, Margins
from engine.memory import memory_limit
from engine.packages import import_optional
from engine.weights import NetworkWeights

VALUES_PER_PIXEL = 3.5
"""Peak of memory in fp32 values per input pixel and channel of the first layer: 2.7 measured (2400x2400 at width 16,
all borders: 0.92 GB; 2.7 without borders, 2.1 to 2.3 at widths 32 and 64), and some room."""

CHANNEL_STEP = 16
"""On a CPU with AVX-512, ONNX Runtime fills up a layer's channels to a multiple of this."""


class OnnxRuntime:
    """A `Runtime`: a graph for each combination of a window's borders, opened when first met, with so many `threads` or
    those of `cpu_threads`. ValueError if ONNX Runtime is not installed."""

    name = "onnx"
    precision = "fp32"
    device = "cpu"

    def __init__(
        self,
        weights: NetworkWeights,
        *,
        precision: str = "auto",
        memory: int | None = None,
        threads: int | None = None,
    ) -> None:
        if precision not in ("auto", "fp32"):
            raise ValueError(
                f"the onnx runtime computes in fp32, not in {precision}: --precision fp32, or another --runtime"
            )
        import_optional("onnxruntime")
        self.spec = weights.spec
        self.folded = fold_network(weights.spec, weights.tensors)
        self.threads = threads
        self.runners: dict[Borders, GraphRunner] = {}
        channels = -(-self.spec.base_width // CHANNEL_STEP) * CHANNEL_STEP
        self.max_batch_pixels = int(memory_limit(memory, self.device) / (4 * VALUES_PER_PIXEL * channels))

    def generate(
        self, pixels_NHW3: Pixels, mask_NHW: NDArray[np.bool_], margins: Margins = NO_MARGINS
    ) -> NDArray[np.float32]:
        return self.run(holed_array(pixels_NHW3, mask_NHW, self.spec), margins).transpose(0, 2, 3, 1)

    def run(self, holed_N4HW: NDArray[np.float32], margins: Margins = NO_MARGINS) -> NDArray[np.float32]:
        """`generated_N3hw`, RGB in [0, 1], fp32, for fp32 `holed_N4HW`, of H and W less the margins.

        It is what the network gives for the whole photo if the margins are the halo or more, or 0 where the photo ends:
        to rounding, and what this gives for the whole photo bit for bit, whatever the number of threads.
        """
        halo = self.spec.halo
        borders = Borders(*(margin < halo for margin in margins))
        if borders not in self.runners:
            self.runners[borders] = open_in_onnxruntime(window_graph(self.folded, borders), self.threads)
        generated_N3HW = self.runners[borders](np.ascontiguousarray(holed_N4HW))
        return margins.beyond(borders.margins(halo)).cut(generated_N3HW)

    def in_fp32(self) -> "OnnxRuntime":
        return self
