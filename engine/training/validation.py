"""Scores of a run's completions of photos that it does not learn from: the same crops with the same holes, time after
time.

A run is judged here by what people see, and not by PSNR alone, which a blur pleases most. The judgements so far are
the rows of metrics.jsonl, which a resumed run goes on with.
"""

import json
from pathlib import Path
from statistics import fmean

import cv2
import torch
from torch import Tensor

from data.catalog import Catalog
from data.decode import Pixels
from engine.metrics import HIGHEST_PSNR
from engine.quality import FeatureDistance, typical
from engine.training.batches import fixed_batch
from engine.training.config import TrainConfig
from engine.training.pictures import complete
from engine.training.state import RunState
from engine.training.steps import Steps

CROPS = 32
"""Crops that a run is judged by, at most."""

JUDGED_BY = "validation/feature_distance"
"""The judgement that decides which network of a run is its best."""


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
        psnr, looks = [], []
        for one in self.batch.chunks(len(self.batch.ids)):
            completed_SS3 = eight_bits(complete(state, steps, one).completed_N3SS * 255)
            original_SS3, mask_SS = eight_bits(one.image_N3SS), one.mask_N1SS[0, 0].cpu().numpy()
            psnr.append(min(cv2.PSNR(completed_SS3[mask_SS], original_SS3[mask_SS]), HIGHEST_PSNR))
            looks.append(self.features.looks(completed_SS3, original_SS3, mask_SS))
        return {f"validation/{name}": value for name, value in {"psnr_hole": fmean(psnr), **typical(looks)}.items()}


def eight_bits(image_13SS: Tensor) -> Pixels:
    """An image in [0, 255] as uint8, channels last, on the CPU."""
    return image_13SS[0].float().round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().cpu().numpy()


def judgements(metrics_file: Path) -> list[float]:
    """The feature distances of a run's judgements so far, first to last."""
    lines = metrics_file.read_text().splitlines() if metrics_file.exists() else []  # on a full disk there are none
    return [row[JUDGED_BY] for row in map(json.loads, lines) if JUDGED_BY in row]


def since_best(distances: list[float]) -> int:
    """The judgements after the closest one: 0 if the last is closer than all before, or there is none."""
    return len(distances) - 1 - distances.index(min(distances)) if distances else 0
