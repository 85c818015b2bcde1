"""The exported graphs behind the runtimes that are not PyTorch's: which of the two a window takes."""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.inference.export import Graph
from engine.inference.graph_runners import GraphRunner
from engine.inference.window_network import Margins


class ExportedGraphs:
    """The two graphs of a network on the CPU, opened by `open_graph` when first needed."""

    def __init__(self, halo: int, open_graph: Callable[[Graph], GraphRunner]) -> None:
        self.interior = Margins(halo, halo, halo, halo)
        self.open_graph = open_graph
        self.runners: dict[Graph, GraphRunner] = {}

    def run(self, holed_N4HW: Tensor, margins: Margins) -> Tensor:
        """As `Runtime.run`."""
        graph: Graph = "interior" if margins == self.interior else "padded"
        if graph not in self.runners:
            self.runners[graph] = self.open_graph(graph)
        generated_N3HW = torch.from_numpy(self.runners[graph](holed_N4HW.float().contiguous().numpy()))
        return generated_N3HW if graph == "interior" else margins.cut(generated_N3HW)
