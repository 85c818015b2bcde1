"""The distance of a completed photo from the original: in the hole, over the whole photo, and at the hole's border.

L1, PSNR and SSIM are defined as in MMagic's published table of image completion, on 8-bit values; besides the whole
photo, which is mostly what was given, they are taken in the hole alone.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from data.decode import Pixels
from engine.inference.holes.mask import Mask
from engine.packages import import_optional

HIGHEST_PSNR = 100.0
"""dB that an exact completion counts, so that one does not make a mean infinite."""

BETTER = {
    "l1_hole": "lower is better",
    "psnr_hole": "higher is better",
    "psnr": "higher is better",
    "ssim_hole": "higher is better",
    "ssim": "higher is better",
    "seam": "0 is best",
    "sharpness": "1 is best",
    "feature_distance": "lower is better",
    "texture_distance": "lower is better",
    "lpips": "lower is better",
    "fid": "lower is better",
    "seconds": "lower is better",
}
"""The direction of every measure that the engine takes of completions."""

REACH = 5
"""Pixels that SSIM's window of 11x11 reaches around its middle."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """One completed photo against its original."""

    l1_hole: float
    """Mean absolute difference in the hole, in percent of the range."""
    psnr_hole: float
    """dB, of the mean square over the hole's pixels and channels; peak 255."""
    psnr: float
    """dB, over the whole photo."""
    ssim_hole: float
    """Mean of the SSIM map in the hole: its windows reach 5 px beyond."""
    ssim: float
    """Gaussian window of 11x11 with sigma 1.5, each channel by itself, where the window fits the photo."""
    seam: float
    """Grey levels by which neighbours on the two sides of the hole's border differ more than in the original. Near 0
    is unseen; much above is a visible edge; below, the border is smoother than the photo is."""


def measure(completed_HW3: Pixels, original_HW3: Pixels, hole_HW: Mask) -> Scores:
    """The scores of a uint8 RGB completion of at least 11x11 pixels. `hole_HW` is True where it was completed.

    ValueError if torchmetrics is not installed.
    """
    functional = import_optional("torchmetrics.functional.image")
    # fp32: SSIM then differs by 1e-7 from fp64's, which took 30 times as long (0.035 s, 1.1 s; 256x256, a busy core).
    completed_N3HW, original_N3HW = (
        torch.from_numpy(photo_HW3).permute(2, 0, 1)[None].float() for photo_HW3 in (completed_HW3, original_HW3)
    )
    _, ssim_N3HW = functional.structural_similarity_index_measure(
        completed_N3HW, original_N3HW, sigma=1.5, data_range=255.0, return_full_image=True
    )

    def psnr(one: Tensor, other: Tensor) -> float:
        return min(float(functional.peak_signal_noise_ratio(one, other, data_range=255.0)), HIGHEST_PSNR)

    in_hole = torch.from_numpy(hole_HW)
    completed_3P, original_3P = completed_N3HW[0, :, in_hole], original_N3HW[0, :, in_hole]
    return Scores(
        l1_hole=float((completed_3P - original_3P).abs().mean()) * 100 / 255,
        psnr_hole=psnr(completed_3P, original_3P),
        psnr=psnr(completed_N3HW, original_N3HW),
        ssim_hole=float(ssim_N3HW[0, :, in_hole].mean()),
        ssim=float(ssim_N3HW[..., REACH:-REACH, REACH:-REACH].mean()),
        seam=border_jump(completed_HW3, hole_HW) - border_jump(original_HW3, hole_HW),
    )


def border_jump(photo_HW3: Pixels, hole_HW: Mask) -> float:
    """Mean absolute difference in grey levels between each pixel in the hole and each of its neighbours outside it.

    Neighbours share an edge. 0 if the hole has no border.
    """
    jumps = []
    for axis in (0, 1):
        across_HW = np.diff(hole_HW, axis=axis)
        jumps.append(np.abs(np.diff(photo_HW3.astype(np.int16), axis=axis))[across_HW])
    jump_P3 = np.concatenate(jumps)
    return float(jump_P3.mean()) if jump_P3.size else 0.0
