"""Pictures of what the networks do in training: input | holed | completed, with the discriminator's opinion on each."""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from engine.training.batches import TrainingBatch
from engine.training.phases import Phase
from engine.training.state import RunState
from engine.training.steps import Steps
from kernels.paste_crop import cut_patches
from kernels.unit_range import to_unit_range


class Completed(NamedTuple):
    """Photos as they go into the completion network and as they come out, joined to what was given; fp32, RGB."""

    holed_N4SS: Tensor
    completed_N3SS: Tensor
    patches_N3PP: Tensor
    """Of the completed ones, around their holes."""


@torch.no_grad()
def complete(state: RunState, steps: Steps, batch: TrainingBatch) -> Completed:
    """The batch completed by the run's best network, in the way that its losses judge."""
    network = state.best_network()
    was_training = network.training
    network.eval()
    holed_N4SS = steps.fill(batch).float()
    composite = steps.composite(steps.blend(network(holed_N4SS), batch), batch)
    network.train(was_training)
    return Completed(holed_N4SS, *composite)


@torch.no_grad()
def picture(state: RunState, steps: Steps, batch: TrainingBatch, phase: Phase) -> np.ndarray:
    """Input | holed | completed for each photo of `batch`, with D's opinion once D is trained."""
    holed, completed, patches = complete(state, steps, batch)
    image = to_unit_range(batch.image_N3SS)
    judged: tuple[Tensor, Tensor] | None = None
    if phase is not Phase.COMPLETION:
        judge = state.discriminator.network
        judge.eval()
        real_patches = cut_patches(image, batch.centres_N2, state.config.patch_size)
        judged = judge(real_patches, image).sigmoid()[:, 0], judge(patches, completed).sigmoid()[:, 0]
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
