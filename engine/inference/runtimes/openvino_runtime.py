"""OpenVINO on the CPU, or PyTorch after all: the fast way to run the network on many photos without a GPU.

A graph is the same for all windows, so that one that touches the photo's border takes the padded graph, which computes
its whole size at every layer. PyTorch computes what is needed: for a hole of 64 px in the middle of a photo of 256x256
1.8 times less. Milliseconds for that window at base width 16 | 64, fp32, two cores: PyTorch 7.6 | 88, padded graph in
OpenVINO 10.6 | 141, in ONNX Runtime 16.1 | 173.

With a graph for each combination of borders, as in ONNX Runtime, OpenVINO has less to compute, too, but more to
compile: 48 photos of many sizes took 1.5 times the CPU time in bf16 that they take in PyTorch, once the graphs were
compiled for any size, in some 1.5 s, and 290 MB more (base width 16, one core of an Intel with AMX).
"""

import logging

import torch
from torch import Tensor

from engine.inference.graphs.export import Graph, cached_onnx
from engine.inference.graphs.int8 import cached_int8, read_calibration
from engine.inference.graphs.runners import GraphRunner, open_in_openvino, openvino_has_bf16
from engine.inference.runtimes.torch_runtime import BF16_SPEED, TensorRuntime, TorchRuntime, fast_precision
from engine.inference.windows.layer_plan import NO_MARGINS, Margins, multiply_adds
from engine.memory import memory_limit
from engine.networks import CompletionNetwork
from engine.packages import import_optional

log = logging.getLogger(__name__)

VALUES_PER_PIXEL = 4
"""Peak of memory in fp32 values per input pixel and unit of base width: that of PyTorch, which takes windows at the
photo's border. OpenVINO's is 2.4 (2400x2400 at width 16, interior graph: 0.83 GB; 2.1 for the padded one)."""

SPEEDS = {"fp32": 1.2, "bf16": 2.0, "int8": 4.0}
"""The precisions, and how many times as fast as PyTorch in fp32 each does the same arithmetic. Measured on two cores
with AVX-512: fp32 1.0 to 1.5 and bf16 1.8 to 2.2 (windows of 368x368, one and four), int8 3.3 to 5.1 (256, 512)."""


class OpenvinoRuntime(TensorRuntime):
    """A `Runtime`: the two exported graphs in OpenVINO, compiled for each size of window, and PyTorch beside them.

    `precision` int8 takes the calibration beside the weights. "auto" is bf16 where the CPU has instructions for it, and
    else fp32; bf16 is the fp32 graph with arithmetic in bf16.
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, network: CompletionNetwork, *, precision: str = "auto", memory: int | None = None) -> None:
        import_optional("openvino")
        if precision == "auto":
            precision = fast_precision(self.device)
        if precision not in SPEEDS:
            raise ValueError(f"the openvino runtime has no precision {precision!r}; choose one of: {', '.join(SPEEDS)}")
        if precision == "bf16" and not openvino_has_bf16():
            raise ValueError("this CPU does not compute in bf16: use --precision fp32 or int8")
        self.network, self.spec = network, network.spec
        self.precision = precision
        self.runners: dict[Graph, GraphRunner] = {}
        self.torch = TorchRuntime(network, precision="fp32" if precision == "fp32" else "auto", device=self.device)
        self.speed = SPEEDS[precision] / (BF16_SPEED if self.torch.precision == "bf16" else 1)
        """OpenVINO's, in PyTorch's."""
        if precision == "int8":
            self.calibration = read_calibration(network)
            loss = self.calibration.loss
            log.info(
                "int8: %.2f dB less PSNR in the hole than fp32, measured on %d photos",
                round(loss.int8_loss_db, 2) + 0.0,  # and not -0.00
                loss.int8_photos,
            )
        bytes_per_pixel = 4 * VALUES_PER_PIXEL * network.spec.base_width
        self.max_batch_pixels = memory_limit(memory, self.device) // bytes_per_pixel

    def open_graph(self, graph: Graph) -> GraphRunner:
        if self.precision == "int8":
            return open_in_openvino(cached_int8(self.network, graph, self.calibration.ranges))
        return open_in_openvino(cached_onnx(self.network, "fp32", graph), "bf16" if self.precision == "bf16" else "f32")

    def run(self, holed_N4HW: Tensor, margins: Margins = NO_MARGINS) -> Tensor:
        halo = self.spec.halo
        if margins == Margins(halo, halo, halo, halo):
            return self.run_graph("interior", holed_N4HW)
        if self.is_torch_faster(holed_N4HW, margins):
            return self.torch.run(holed_N4HW, margins)
        return margins.cut(self.run_graph("padded", holed_N4HW))

    def is_torch_faster(self, holed_N4HW: Tensor, margins: Margins) -> bool:
        """True if the padded graph has more to compute than OpenVINO is faster at that."""
        (height, width), base_width = holed_N4HW.shape[2:], self.spec.base_width
        padded, needed = (multiply_adds(height, width, cut, base_width) for cut in (NO_MARGINS, margins))
        return padded > self.speed * needed

    def run_graph(self, graph: Graph, holed_N4HW: Tensor) -> Tensor:
        """The graph's whole output; it is opened when first needed."""
        if graph not in self.runners:
            self.runners[graph] = self.open_graph(graph)
        return torch.from_numpy(self.runners[graph](holed_N4HW.float().contiguous().numpy()))

    def in_fp32(self) -> TorchRuntime:
        return TorchRuntime(self.network, precision="fp32", device=self.device)
