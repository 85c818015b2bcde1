"""The exported graphs behind the runtimes that are not PyTorch's: which of them a window takes, or PyTorch after all.

A graph is the same for all windows, so that one that touches the photo's border takes the padded graph, which computes
its whole size at every layer. PyTorch computes what is needed: for a hole of 64 px in the middle of a photo of 256x256
1.8 times less. Milliseconds for that window at base width 16 | 64, fp32, two cores: PyTorch 7.6 | 88, padded graph in
OpenVINO 10.6 | 141, in ONNX Runtime 16.1 | 173.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.inference.graphs.export import Graph
from engine.inference.graphs.runners import GraphRunner
from engine.inference.runtimes.torch_runtime import BF16_SPEED, TorchRuntime
from engine.inference.windows.layer_plan import NO_MARGINS, Margins, multiply_adds
from engine.networks import CompletionNetwork


class ExportedGraphs:
    """The two graphs of a network on the CPU, opened by `open_graph` when first needed, and PyTorch beside them.

    `speed` is how many times as fast as PyTorch in fp32 they do the same arithmetic; `exact` if PyTorch is to compute
    in fp32, too.
    """

    def __init__(
        self, network: CompletionNetwork, speed: float, open_graph: Callable[[Graph], GraphRunner], exact: bool
    ) -> None:
        halo, self.base_width = network.spec.halo, network.spec.base_width
        self.interior = Margins(halo, halo, halo, halo)
        self.open_graph = open_graph
        self.runners: dict[Graph, GraphRunner] = {}
        self.torch = TorchRuntime(network, precision="fp32" if exact else "auto", device="cpu")
        self.speed = speed / (BF16_SPEED if self.torch.precision == "bf16" else 1)
        """Their speed, in PyTorch's."""

    def run(self, holed_N4HW: Tensor, margins: Margins) -> Tensor:
        """As `Runtime.run`."""
        if margins == self.interior:
            return self.run_graph("interior", holed_N4HW)
        if self.is_torch_faster(holed_N4HW, margins):
            return self.torch.run(holed_N4HW, margins)
        return margins.cut(self.run_graph("padded", holed_N4HW))

    def is_torch_faster(self, holed_N4HW: Tensor, margins: Margins) -> bool:
        """True if the padded graph has more to compute than it is faster at that."""
        height, width = holed_N4HW.shape[2:]
        padded, needed = (multiply_adds(height, width, cut, self.base_width) for cut in (NO_MARGINS, margins))
        return padded > self.speed * needed

    def run_graph(self, graph: Graph, holed_N4HW: Tensor) -> Tensor:
        """The graph's whole output."""
        if graph not in self.runners:
            self.runners[graph] = self.open_graph(graph)
        return torch.from_numpy(self.runners[graph](holed_N4HW.float().contiguous().numpy()))
