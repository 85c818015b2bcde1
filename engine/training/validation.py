"""How a run completes photos that it does not learn from: the same crops with the same holes, time after time.

A run is judged here by what people see, and not by PSNR alone, which a blur pleases most.
"""

from pathlib import Path
from statistics import fmean

import cv2
import numpy as np
import torch
from torch import Tensor

from data.catalog import Catalog
from data.decode import Pixels
from engine.inference.mask import Mask
from engine.metrics import HIGHEST_PSNR
from engine.quality import FeatureDistance, sharpness, texture_distance
from engine.training.batches import fixed_batch
from engine.training.config import TrainConfig
from engine.training.pictures import complete
from engine.training.state import RunState
from engine.training.steps import Steps

CROPS = 32
"""Crops that a run is judged by, at most."""

LEAST_SHARPNESS = 1.0
"""Of an original, in levels^2: less is counted as this, so that a plain sky does not make any ratio."""


class Validation:
    """Crops of photos that a run does not learn from, and what is measured on their completions."""

    def __init__(self, photos: Path, config: TrainConfig, device: torch.device) -> None:
        """ValueError if the photos cannot be read, or the feature network is not installed."""
        self.batch = fixed_batch(Catalog.open(photos), config, CROPS, device)
        self.features = FeatureDistance.load()

    def measure(self, state: RunState, steps: Steps) -> dict[str, float]:
        """PSNR in the hole, feature distance and texture distance, means over the crops, and their median sharpness.

        Of what the run's best network completes, as 8-bit photos; the sharpness is relative to the original's.
        """
        rows = []
        for one in self.batch.chunks(len(self.batch.ids)):
            completed_SS3 = eight_bits(complete(state, steps, one).completed_N3SS * 255)
            rows.append(self.measure_one(completed_SS3, eight_bits(one.image_N3SS), one.mask_N1SS[0, 0].cpu().numpy()))
        psnr, relative, feature, texture = zip(*rows, strict=True)
        return {
            "validation/psnr_hole": fmean(psnr),
            "validation/sharpness": float(np.nanmedian(relative)),
            "validation/feature_distance": fmean(feature),
            "validation/texture_distance": float(np.nanmean(texture)),
        }

    def measure_one(self, completed_SS3: Pixels, original_SS3: Pixels, mask_SS: Mask) -> tuple[float, ...]:
        """PSNR in the hole, relative sharpness (NaN in a thin stroke), feature distance and texture distance."""
        psnr = min(cv2.PSNR(completed_SS3[mask_SS], original_SS3[mask_SS]), HIGHEST_PSNR)
        relative = sharpness(completed_SS3, mask_SS) / max(sharpness(original_SS3, mask_SS), LEAST_SHARPNESS)
        case = completed_SS3, original_SS3, mask_SS
        return psnr, relative, self.features(*case), texture_distance(*case)


def eight_bits(image_13SS: Tensor) -> Pixels:
    """An image in [0, 255] as uint8, channels last, on the CPU."""
    return image_13SS[0].float().round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().cpu().numpy()
