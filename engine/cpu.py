"""Abilities of the CPU, which training and inference must see alike."""

import torch


def cpu_has_bf16() -> bool:
    """True if it has instructions for bfloat16; without, PyTorch computes in that all the same, but slower."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
