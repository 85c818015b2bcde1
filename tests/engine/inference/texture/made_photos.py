"""Photos with texture and holes in it, and what the texture stage draws there; without PyTorch."""

import cv2
import numpy as np

from engine.inference.report import Report
from engine.inference.texture.sources import not_copied
from engine.inference.texture.stage import TextureStage


def draw(photo_HW3, hole_HW, texture="auto", seed=0, unknown_HW=None, sample_HW=None, avoid_HW=None):
    """The photo with its hole drawn again, and the report."""
    report, drawn_HW3 = Report(), photo_HW3.copy()
    unknown_HW = hole_HW if unknown_HW is None else unknown_HW
    not_copied_HW = not_copied(unknown_HW, sample_HW, avoid_HW)
    stage = TextureStage(texture, seed, unknown_HW, not_copied_HW, sample_HW is not None, "cpu", report)
    stage.draw(drawn_HW3, hole_HW)
    return drawn_HW3, report


def textured(height=120, width=140, seed=0, colour=(90, 120, 150)):
    """A photo of smooth noise, all 8 bits of it used."""
    noise_HW3 = np.random.default_rng(seed).normal(size=(height, width, 1))
    noise_HW3 = cv2.GaussianBlur(noise_HW3, (0, 0), 1.2)[..., None]
    photo_HW3 = np.rint(np.array(colour) + 60 * noise_HW3 / noise_HW3.std()).clip(0, 255).astype(np.uint8)
    photo_HW3[0, 0], photo_HW3[0, 1] = 0, 255
    return photo_HW3


def completed(photo_HW3, *boxes):
    """The photo with holes as a network leaves them, smooth, and their mask."""
    hole_HW, smooth_HW3 = np.zeros(photo_HW3.shape[:2], bool), photo_HW3.copy()
    for top, left, height, width in boxes:
        hole_HW[top : top + height, left : left + width] = True
    smooth_HW3[hole_HW] = np.rint(photo_HW3.mean((0, 1))).astype(photo_HW3.dtype)
    return smooth_HW3, hole_HW
