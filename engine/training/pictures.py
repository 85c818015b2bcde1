"""Pictures of what the networks do in training: input | holed | completed, with the discriminator's opinion on each."""

import cv2
import numpy as np
import torch
from torch import Tensor

import kernels
from engine.training.batches import TrainingBatch
from engine.training.phases import Phase
from engine.training.state import RunState
from engine.training.steps import Steps

ROWS = 4


@torch.no_grad()
def picture(state: RunState, steps: Steps, batch: TrainingBatch, phase: Phase) -> np.ndarray:
    """Input | holed | completed for the first photos of `batch`, with D's opinion once D is trained."""
    few = batch.chunks(max(1, len(batch.ids) // ROWS))[0]
    network, judge = state.best_network(), state.discriminator.network
    was_training = network.training
    network.eval()
    judge.eval()
    holed = steps.fill(few).float()
    completed, patches = steps.composite(steps.blend(network(holed), few), few)
    image = kernels.to_unit_range(few.image_N3SS)
    judged: tuple[Tensor, Tensor] | None = None
    if phase is not Phase.COMPLETION:
        real_patches = kernels.cut_patches(image, few.centres_N2, state.config.patch_size)
        judged = judge(real_patches, image).sigmoid()[:, 0], judge(patches, completed).sigmoid()[:, 0]
    network.train(was_training)
    judge.train()
    return comparison(image, holed[:, :3], completed, judged)


def comparison(
    image_N3HW: Tensor, holed_N3HW: Tensor, completed_N3HW: Tensor, judged: tuple[Tensor, Tensor] | None
) -> np.ndarray:
    """Rows of input | holed | completed, uint8 RGB; `judged` are D's probabilities of "real", written on each.

    The images are floating RGB in [0, 1]; `judged` is (of the input, of the completion), each of N values.
    """
    columns = torch.cat((image_N3HW, holed_N3HW, completed_N3HW), dim=3).float().clamp(0, 1)
    rows = (columns * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy().copy()
    width = image_N3HW.shape[-1]
    if judged is not None:
        for row, real, completed in zip(rows, judged[0].tolist(), judged[1].tolist(), strict=True):
            for x, probability in ((0, real), (2 * width, completed)):
                _write(row, f"D {probability:.2f}", x)
    return rows.reshape(-1, 3 * width, 3)


def _write(row: np.ndarray, text: str, x: int) -> None:
    size = max(row.shape[0] / 256, 0.35)
    place = (x + 2, row.shape[0] - 4)
    cv2.putText(row, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(row, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)
