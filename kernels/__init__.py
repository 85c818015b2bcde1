"""Fused kernels: one pass over memory where plain PyTorch takes many, each beside its plain reference.

What is imported from here picks the implementation by itself (see `kernels.launch`).
"""

from kernels.adadelta import Adadelta
from kernels.fill_holes import fill_holes
from kernels.launch import set_backend
from kernels.masked_mse import masked_mse
from kernels.nearer_patches import nearer_patches
from kernels.paste_crop import cut_patches, paste_crop, patch_corners
from kernels.smooth_fill import interpolate_holes, smooth_fill
from kernels.unit_range import to_unit_range
from kernels.vote_patches import vote_patches

__all__ = [
    "Adadelta",
    "cut_patches",
    "fill_holes",
    "interpolate_holes",
    "masked_mse",
    "nearer_patches",
    "paste_crop",
    "patch_corners",
    "set_backend",
    "smooth_fill",
    "to_unit_range",
    "vote_patches",
]
