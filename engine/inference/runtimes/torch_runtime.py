"""PyTorch, eager, on the CPU or a CUDA GPU: the reference for the other runtimes."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.cpu import cpu_has_bf16
from engine.inference.graphs.runners import onednn_lacks_bf16
from engine.inference.pixels import Pixels
from engine.inference.runtimes import Runtime
from engine.inference.windows.layer_plan import NO_MARGINS, Margins
from engine.inference.windows.network import WindowNetwork
from engine.memory import memory_limit
from engine.networks import CompletionNetwork
from engine.spec import CompletionSpec
from kernels.fill_holes import fill_holes
from kernels.unit_range import unit_scale

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

VALUES_PER_PIXEL = 4
"""Peak of live activations, in values per input pixel and unit of base width: 2.8 measured (24 MP whole at width 16,
fp32, CPU: 4.25 GB), 3.8 in bf16 (4 MP: 0.48 GB), and room for the convolutions' own buffers."""

BF16_SPEED = 1.7
"""The speed of bf16 on a CPU with such instructions, in fp32's: 1.6 to 1.8 at base width 16, 1.7 to
2.3 at 64 (windows of 372 to 564 px, two cores of an AMD EPYC). In the hole, 40 photos, that costs 0.0003 dB in boxes
and nothing in strokes; 7 % of the values differ by a level, the most by 3."""

MOST_VALUES = 2**31 - 1
"""In one layer's output: beyond, cuDNN is slow or refuses."""


class TensorRuntime(Runtime):
    """A `Runtime` that runs the network on tensors: the way from windows of a photo to these, and back."""

    def generate(
        self, pixels_NHW3: Pixels, mask_NHW: NDArray[np.bool_], margins: Margins = NO_MARGINS
    ) -> NDArray[np.float32]:
        generated_N3HW = self.run(holed_tensor(pixels_NHW3, mask_NHW, self.spec, self.device), margins)
        return generated_N3HW.cpu().permute(0, 2, 3, 1).numpy()

    def run(self, holed_N4HW: Tensor, margins: Margins = NO_MARGINS) -> Tensor:
        """`generated_N3HW` for fp32 `holed_N4HW`, RGB in [0, 1], fp32, with `margins` cut off."""
        raise NotImplementedError


class TorchRuntime(TensorRuntime):
    """A `Runtime`: batch norms folded, channels-last, unpadded windows."""

    name = "torch"

    def __init__(
        self,
        network: CompletionNetwork,
        *,
        precision: str = "auto",
        device: str = "auto",
        memory: int | None = None,
    ) -> None:
        self.device = str(pick_device(device))
        self.precision = fast_precision(self.device) if precision == "auto" else precision
        if self.precision not in DTYPES:
            raise ValueError(f"the torch runtime has no precision {precision!r}; choose one of: {', '.join(DTYPES)}")
        dtype = DTYPES[self.precision]
        self.spec, self.original = network.spec, network
        windowed = WindowNetwork(network)
        self.network = windowed.to(self.device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        bytes_per_pixel = VALUES_PER_PIXEL * network.spec.base_width * dtype.itemsize
        affordable = memory_limit(memory, self.device) // bytes_per_pixel
        self.max_batch_pixels = min(affordable, MOST_VALUES // network.spec.base_width)

    @torch.inference_mode()
    def run(self, holed_N4HW: Tensor, margins: Margins = NO_MARGINS) -> Tensor:
        holed_N4HW = holed_N4HW.to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # fp32 is the other runtimes' reference
            generated_N3HW: Tensor = self.network(holed_N4HW, margins)
        return generated_N3HW

    def in_fp32(self) -> "TorchRuntime":
        return TorchRuntime(self.original, precision="fp32", device=self.device)


def holed_tensor(pixels_NHW3: Pixels, mask_NHW: NDArray[np.bool_], spec: CompletionSpec, device: str = "cpu") -> Tensor:
    """`holed_N4HW` as `windows.inputs.holed_array` returns it, channels-last, made on the device from fewer bytes."""
    image_N3HW = torch.from_numpy(pixels_NHW3).to(device).permute(0, 3, 1, 2)
    mask_N1HW = torch.from_numpy(mask_NHW).to(device)[:, None]
    if spec.fill != "smooth":
        return fill_holes(image_N3HW, mask_N1HW, torch.tensor(spec.mean_pixel, device=device), torch.float32)
    # The photo's holes are filled already: written to where they are to lie, a seventh of the time of `cat`.
    holed_N4HW = mask_N1HW.new_empty((*mask_NHW.shape, 4), dtype=torch.float32).permute(0, 3, 1, 2)
    torch.mul(image_N3HW, unit_scale(image_N3HW), out=holed_N4HW[:, :3])
    holed_N4HW[:, 3:] = mask_N1HW
    return holed_N4HW


def fast_precision(device: str) -> str:
    """The fastest precision of a device without a loss that is seen: bf16 on CPUs that have instructions for it."""
    if device.startswith("cuda"):
        return "fp16"
    return "bf16" if cpu_has_bf16() and not onednn_lacks_bf16() else "fp32"


def pick_device(device: str) -> torch.device:
    """The torch device for "auto", "cpu", "cuda" or "cuda:N". ValueError if it is none of these or not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    wrong = ValueError(f"device is {device!r}; it must be auto, cpu, cuda or cuda:N")
    try:
        picked = torch.device(device)
    except RuntimeError as error:
        raise wrong from error
    if picked.type not in ("cpu", "cuda"):  # torch knows more, which nothing here was tried on
        raise wrong
    if picked.type == "cuda" and (picked.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device is {device!r}, but {torch.cuda.device_count()} CUDA devices are visible; use cpu")
    return picked
