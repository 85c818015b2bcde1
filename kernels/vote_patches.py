"""The inner loop of patch synthesis: each pixel is the weighted mean of what the patches that cover it have there.

Weights are integers up to WEIGHT and colours integers up to 255 in fp32, so that their sums stay below 2**24 and are
exact (16-bit colours are summed in fp64): the same bits from every implementation and any number of threads.

Bytes moved per pixel: 49 patches with 8 of index, 4 of weight and 12 of colour, mostly from a cache; plain PyTorch
writes and reads every patch's share besides, 49 times 36 bytes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.launch import use_triton

REACH = 3
"""Pixels from a patch's middle to its border: patches of 7x7."""

WEIGHT = 1023.0
"""The largest weight: 49 patches of it with colours of 255 sum to 12.8 million."""


def vote_patches(image_PC: Tensor, stride: int, patches_HW: Tensor, weights_HW: Tensor) -> Tensor:
    """`voted_hwC`, fp32 or fp64, of H - 6 rows and W - 6 columns: for each pixel the weighted mean over 7x7 patches.

    `image_PC` has the colours of an image of `stride` columns, pixel after pixel, integers in fp32 or fp64.
    `patches_HW`, int64, says for the patch in the middle of each place which pixel of the image its own middle is;
    `weights_HW`, in the image's dtype, is an integer of 0 (no patch; the pixel it names must still have 3 around it) to
    WEIGHT. A pixel that no patch covers is 0.
    """
    if patches_HW.shape != weights_HW.shape or min(patches_HW.shape) <= 2 * REACH:
        raise ValueError(
            f"patches are of shape {tuple(patches_HW.shape)} and weights of {tuple(weights_HW.shape)}; "
            f"they must be equal and more than {2 * REACH} a side"
        )
    if use_triton("vote_patches", image_PC.device):
        return vote_patches_op(image_PC, stride, patches_HW, weights_HW)
    return vote_patches_reference(image_PC, stride, patches_HW, weights_HW)


def vote_patches_reference(image_PC: Tensor, stride: int, patches_HW: Tensor, weights_HW: Tensor) -> Tensor:
    """`vote_patches` in plain PyTorch, one place of the patch after the other."""
    height, width = (side - 2 * REACH for side in patches_HW.shape)
    # One more channel of ones, whose weighted sum is that of the weights.
    image_PD = F.pad(image_PC, (0, 1), value=1.0)
    weights_HWD = weights_HW[..., None].expand(*weights_HW.shape, image_PD.shape[1]).contiguous()
    sum_hwD = image_PD.new_zeros(height, width, image_PD.shape[1])
    for down in range(2 * REACH + 1):
        for right in range(2 * REACH + 1):
            middle = slice(down, down + height), slice(right, right + width)
            # The patch that is `down - REACH` below this pixel has it that much above its middle.
            pixels = (patches_HW[middle] - ((down - REACH) * stride + right - REACH)).flatten()
            sum_hwD.addcmul_(image_PD.index_select(0, pixels).view(sum_hwD.shape), weights_HWD[middle])
    return sum_hwD[..., :-1] / sum_hwD[..., -1:].clamp(min=1)


@torch.library.custom_op("glcic::vote_patches", mutates_args=())
def vote_patches_op(image_PC: Tensor, stride: int, patches_HW: Tensor, weights_HW: Tensor) -> Tensor:
    """`vote_patches` in Triton."""
    from kernels.gpu.vote_patches import launch

    return launch(image_PC, stride, patches_HW, weights_HW)


@vote_patches_op.register_fake
def _fake(image_PC: Tensor, stride: int, patches_HW: Tensor, weights_HW: Tensor) -> Tensor:
    height, width = (side - 2 * REACH for side in patches_HW.shape)
    return image_PC.new_empty(height, width, image_PC.shape[1])
