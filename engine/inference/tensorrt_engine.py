"""One TensorRT engine on a GPU: torch's tensors, torch's stream, and a CUDA graph that is replayed."""

import logging
from types import ModuleType

import torch
from torch import Tensor

from engine.inference.graph_runners import INPUT, OUTPUT

log = logging.getLogger(__name__)


class TensorrtEngine:
    """A deserialised engine of one input shape with its memory. `run(holed_N4HW)` returns `generated_N3HW`, both fp32.

    ValueError if this TensorRT, on this GPU, does not take the engine. One thread at a time.
    """

    def __init__(self, trt: ModuleType, content: bytes, device: torch.device) -> None:
        self.device = device
        with torch.cuda.device(device):
            self.runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))  # kept: what it makes needs it
            self.engine = self.runtime.deserialize_cuda_engine(content)
            if self.engine is None:
                raise ValueError(f"{trt.__name__} {trt.__version__} cannot load it")
            self.context = self.engine.create_execution_context()
        shape = tuple(self.engine.get_tensor_profile_shape(INPUT, 0)[1])
        self.context.set_input_shape(INPUT, shape)
        self.holed_N4HW = torch.zeros(shape, device=device)
        self.generated_N3HW = torch.zeros(tuple(self.context.get_tensor_shape(OUTPUT)), device=device)
        self.context.set_tensor_address(INPUT, self.holed_N4HW.data_ptr())
        self.context.set_tensor_address(OUTPUT, self.generated_N3HW.data_ptr())
        self.graph = self.capture()

    def run(self, holed_N4HW: Tensor) -> Tensor:
        with torch.cuda.device(self.device):
            self.holed_N4HW.copy_(holed_N4HW)
            if self.graph:
                self.graph.replay()
            else:
                self.enqueue()
            return self.generated_N3HW.clone()

    def enqueue(self) -> None:
        """On torch's current stream."""
        if not self.context.execute_async_v3(torch.cuda.current_stream(self.device).cuda_stream):
            raise RuntimeError("TensorRT could not run its engine; its log says why")

    def capture(self) -> torch.cuda.CUDAGraph | None:
        """A graph of one run on the engine's own memory; None, with a warning, if CUDA cannot capture it."""
        with torch.cuda.device(self.device):
            own = torch.cuda.Stream()
            own.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(own):
                self.enqueue()  # TensorRT finishes its set-up in the first run, which may not be captured
            torch.cuda.current_stream().wait_stream(own)
            graph = torch.cuda.CUDAGraph()
            try:
                with torch.cuda.graph(graph):
                    self.enqueue()
            except RuntimeError as error:
                log.warning("TensorRT's engine is run without a CUDA graph: %s", error)
                return None
            return graph
