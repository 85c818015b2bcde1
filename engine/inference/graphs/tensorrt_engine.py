"""One TensorRT engine on a GPU: torch's tensors, torch's stream, and a CUDA graph that is replayed."""

import logging
from typing import Any

import torch
from torch import Tensor

from engine.inference.graphs.runners import INPUT, OUTPUT

log = logging.getLogger(__name__)


class TensorrtEngine:
    """A deserialised engine of one input shape with its memory. `run(holed_N4HW)` returns `generated_N3HW`, both fp32.

    ValueError if this TensorRT, on this GPU, does not take or run the engine; torch.OutOfMemoryError if the GPU has no
    room for it. One thread at a time.
    """

    def __init__(self, runtime: Any, content: bytes, device: str) -> None:
        self.device = device
        self.runtime = runtime  # kept: what it makes needs it
        with torch.cuda.device(device):
            self.engine = runtime.deserialize_cuda_engine(content)
            if self.engine is None:
                raise ValueError("TensorRT cannot load the engine; its log says why")
            self.memory = len(content) + self.engine.device_memory_size_v2
            """Bytes on the GPU, near enough: weights and activations."""
            self.context = self.engine.create_execution_context()
            if self.context is None:
                raise torch.OutOfMemoryError(
                    f"TensorRT could not allocate the {self.memory >> 20} MiB of an engine: use --memory, "
                    "or free memory of the GPU"
                )
            self.bind()
            try:
                self.graph = self.capture()
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                raise ValueError(str(error)) from error

    def bind(self) -> None:
        """Give the engine its input and output. ValueError if it does not take them."""
        shape = tuple(self.engine.get_tensor_profile_shape(INPUT, 0)[1])
        taken = self.context.set_input_shape(INPUT, shape)
        self.holed_N4HW = torch.zeros(shape, device=self.device)
        self.generated_N3HW = torch.zeros(tuple(self.context.get_tensor_shape(OUTPUT)), device=self.device)
        for name, tensor in ((INPUT, self.holed_N4HW), (OUTPUT, self.generated_N3HW)):
            taken = taken and self.context.set_tensor_address(name, tensor.data_ptr())
        if not taken:
            raise ValueError(f"TensorRT's engine does not take an input of {shape}; its log says why")

    @torch.inference_mode()  # in which the tensors that it writes to may have been made
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
        before, own = torch.cuda.current_stream(), torch.cuda.Stream()
        own.wait_stream(before)
        with torch.cuda.stream(own):
            self.enqueue()  # TensorRT finishes its set-up in the first run, which may not be captured
        before.wait_stream(own)
        try:
            if hasattr(self.context, "is_stream_capturable") and not self.context.is_stream_capturable(own.cuda_stream):
                raise RuntimeError("TensorRT-RTX says that it cannot be captured")
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=own):
                self.enqueue()
        except RuntimeError as error:
            torch.cuda.set_stream(before)  # where a capture has failed, torch leaves its own
            log.warning("TensorRT's engine is run without a CUDA graph: %s", error)
            return None
        return graph
