"""The completion network on windows in ONNX Runtime, on the CPU, in fp32, without PyTorch."""

from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.inference.graphs.window_graph import INPUT, OUTPUT, window_graph
from engine.inference.windows.borders import Borders
from engine.inference.windows.folded import FoldedNetwork
from engine.inference.windows.layer_plan import NO_MARGINS, Margins
from engine.packages import import_optional

VALUES_PER_PIXEL = 3.5
"""Peak of memory in fp32 values per input pixel and channel of the first layer: 2.7 measured (2400x2400 at width 16,
all borders: 0.92 GB; 2.7 without borders, 2.1 to 2.3 at widths 32 and 64), and some room."""

CHANNEL_STEP = 16
"""On a CPU with AVX-512, ONNX Runtime fills up a layer's channels to a multiple of this."""


class WindowGraphs:
    """A completion network on windows, with a session for each combination of borders, opened when first met.

    ValueError if ONNX Runtime is not installed.
    """

    def __init__(self, network: FoldedNetwork, threads: int) -> None:
        import_optional("onnxruntime")
        self.network = network
        self.threads = threads
        self.sessions: dict[Borders, Any] = {}
        channels = -(-network.spec.base_width // CHANNEL_STEP) * CHANNEL_STEP
        self.bytes_per_pixel = 4 * VALUES_PER_PIXEL * channels
        """The most memory that a run takes for one pixel of its input."""

    def run(self, holed_N4HW: NDArray[np.float32], margins: Margins = NO_MARGINS) -> NDArray[np.float32]:
        """`generated_N3hw`, RGB in [0, 1], fp32, for fp32 `holed_N4HW`, of H and W less the margins.

        It is what the network gives for the whole photo if the margins are the halo or more, or 0 where the photo ends:
        to rounding, and what WindowGraphs gives for the whole photo bit for bit, whatever the number of threads.
        """
        halo = self.network.spec.halo
        borders = Borders(*(margin < halo for margin in margins))
        if borders not in self.sessions:
            self.sessions[borders] = open_session(window_graph(self.network, borders), self.threads)
        (generated_N3HW,) = self.sessions[borders].run([OUTPUT], {INPUT: np.ascontiguousarray(holed_N4HW)})
        return margins.beyond(borders.margins(halo)).cut(generated_N3HW)


def open_session(content: bytes, threads: int) -> Any:
    """A session of an ONNX file on the CPU. ValueError if ONNX Runtime is not installed."""
    onnxruntime = import_optional("onnxruntime")
    share_memory(onnxruntime)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Its threads otherwise spin for a while after each run, and slow what comes next: blending, the next photo.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.enable_mem_pattern = False  # which plans memory for the sizes of the first run; ours differ
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


@cache
def share_memory(onnxruntime: ModuleType) -> None:
    """Have one pool of memory for all sessions that ask for it.

    Each would otherwise keep the most that it has ever needed: 2.6 GB instead of 0.4 after 60 batches of windows with
    all 16 combinations of borders. Without pools the runs take 15 % longer.
    """
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    with suppress(RuntimeError):  # from ONNX Runtime 1.20 if there is one already, which then serves
        onnxruntime.create_and_register_allocator(place, None)
