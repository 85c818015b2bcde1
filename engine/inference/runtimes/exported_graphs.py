"""The exported graphs behind the runtimes that are not PyTorch's: which of the two a window takes."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.inference.export import Graph, cached_onnx
from engine.inference.window_network import Margins
from engine.networks import CompletionNetwork

GraphRunner = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Runs an opened graph: `holed_N4HW` in, `generated_N3HW` out."""


class ExportedGraphs:
    """The two graphs of a network on the CPU, exported (or taken from the cache) and opened when first needed.

    `open_graph` makes a runner of an ONNX file's content.
    """

    def __init__(self, network: CompletionNetwork, precision: str, open_graph: Callable[[bytes], GraphRunner]) -> None:
        self.network = network
        self.precision = precision
        self.open_graph = open_graph
        self.runners: dict[Graph, GraphRunner] = {}

    def run(self, holed_N4HW: Tensor, margins: Margins) -> Tensor:
        """As `Runtime.run`."""
        halo = self.network.spec.halo
        graph: Graph = "interior" if margins == Margins(halo, halo, halo, halo) else "padded"
        if graph not in self.runners:
            self.runners[graph] = self.open_graph(cached_onnx(self.network, self.precision, graph))
        generated_N3HW = torch.from_numpy(self.runners[graph](holed_N4HW.float().contiguous().numpy()))
        return generated_N3HW if graph == "interior" else margins.cut(generated_N3HW)
