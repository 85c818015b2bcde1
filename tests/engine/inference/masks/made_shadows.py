"""A thing on plain ground with a shadow beside it."""

import cv2
import numpy as np


def with_shadow(side: int, light: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A photo of side x side with a ball on noisy ground, the ball's mask, and that of its shadow, which leaves so much
    of the ground's brightness; 1 is no shadow."""
    generator = np.random.default_rng(side)
    ground_HW3 = (
        np.array((150, 140, 120))
        + 6 * cv2.resize(generator.normal(size=(200, 200)).astype(np.float32), (side, side))[..., None]
    )
    thing_HW, shadow_HW = np.zeros((side, side), np.uint8), np.zeros((side, side), np.uint8)
    part = side / 200
    cv2.circle(thing_HW, (round(90 * part), round(90 * part)), round(24 * part), 1, -1)
    middle, axes = (round(128 * part), round(104 * part)), (round(36 * part), round(14 * part))
    cv2.ellipse(shadow_HW, middle, axes, 10, 0, 360, 1, -1)
    soft_HW = cv2.GaussianBlur(shadow_HW.astype(np.float32), (0, 0), 1.2 * part)
    photo_HW3 = ground_HW3 * (1 - (1 - light) * soft_HW[..., None])
    photo_HW3[thing_HW > 0] = (190, 50, 40)
    return np.rint(photo_HW3.clip(0, 255)).astype(np.uint8), thing_HW > 0, (shadow_HW > 0) & (thing_HW == 0)


def overlap(one_HW: np.ndarray, other_HW: np.ndarray) -> float:
    """Intersection over union."""
    return (one_HW & other_HW).sum() / max((one_HW | other_HW).sum(), 1)
