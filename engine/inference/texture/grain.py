"""Grain: the noise that a photo has everywhere, for what was completed without it.

Its level is that of the flattest windows near the hole that may be copied; the noise added has their spectrum and the
correlation of their channels (a Gaussian texture: Galerne, Gousseau and Morel 2011), as much as is missing.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.inference.holes.harmonic import Floats
from engine.inference.holes.mask import Mask, bounding_box
from engine.inference.texture.sources import Neighbourhood

WINDOW, STEP = 16, 8
"""Side in pixels of the windows that are looked at, and how far they are apart."""

SMOOTH_OVER = 3.0
"""Pixels (standard deviation) over which a picture is smoothed to leave its grain."""

FLAT = 0.2
"""Share of the windows that count as flat, the flattest ones; others up to twice their variance are as good."""

FEWEST, MEASURED, MOST = 4, 200, 6
"""Flat windows: too few to know the grain by, those that are measured, and those that the spectrum is the mean of."""

HIGHEST_KURTOSIS = 4.0
"""Noise has 3; edges and texture in the flattest windows have more, and then there is no telling grain from them."""

FAINTEST, COARSEST = 0.35, 24.0
"""Standard deviations: rounding alone makes 0.29 of the photo's steps, and above 24 of 255 it is no grain."""


def add_grain(drawn_HW3: Floats, near: Neighbourhood, generator: np.random.Generator) -> Floats:
    """`drawn_HW3`, the hole's neighbourhood in the photo's units, with the grain that its hole lacks."""
    windows_KWW3 = flat_windows(near)
    if windows_KWW3 is None:
        return drawn_HW3
    squared_KWW3 = np.square(windows_KWW3)
    variance_K = squared_KWW3.mean((1, 2, 3))
    level = float(variance_K.mean())
    coarsest = COARSEST * np.iinfo(near.pixels_HW3.dtype).max / 255
    if not FAINTEST**2 < level < coarsest**2:
        return drawn_HW3
    kurtosis = float(np.square(squared_KWW3).mean() / np.square(variance_K).mean())
    if kurtosis > HIGHEST_KURTOSIS:
        return drawn_HW3
    where = bounding_box(near.hole_HW)
    share_hw = missing_share(drawn_HW3[where], near.hole_HW[where], level)
    grain_hw3 = like(windows_KWW3[:: -(-len(windows_KWW3) // MOST)], share_hw.shape, generator)
    grain_hw3 *= (level / (grain_hw3**2).mean()) ** 0.5
    drawn_HW3 = drawn_HW3.copy()
    drawn_HW3[where] += share_hw[..., None] * grain_hw3
    return drawn_HW3


def grain_of(image_HW3: NDArray[Any]) -> Floats:
    """The image less itself smoothed."""
    image_HW3 = image_HW3.astype(np.float32)
    return image_HW3 - cv2.GaussianBlur(image_HW3, (0, 0), SMOOTH_OVER)


def energy_of(grain_HW3: Floats) -> Floats:
    """The mean over the channels of the squared grain; `energy_HW`."""
    return cv2.transform(np.square(grain_HW3), np.full((1, 3), 1 / 3))


def flat_windows(near: Neighbourhood) -> Floats | None:
    """The grain of the flattest windows that may be copied, K x WINDOW x WINDOW x 3; None if there are too few."""
    # Each place stands for the window whose last pixel it is.
    anchor = (WINDOW - 1, WINDOW - 1)
    unknown_HW = cv2.dilate((~near.copied_HW).view(np.uint8), np.ones((WINDOW, WINDOW), np.uint8), anchor=anchor)
    unknown_HW[: WINDOW - 1] = unknown_HW[:, : WINDOW - 1] = 1
    grain_HW3 = grain_of(near.pixels_HW3)
    energy_HW = cv2.boxFilter(energy_of(grain_HW3), -1, (WINDOW, WINDOW), anchor=anchor)
    y_K, x_K = (STEP * place for place in np.nonzero(unknown_HW[::STEP, ::STEP] == 0))
    energy_K = energy_HW[y_K, x_K]
    if len(energy_K) < FEWEST:
        return None
    flat = np.flatnonzero(energy_K <= 2 * np.quantile(energy_K, FLAT))
    flat = flat[:: -(-len(flat) // MEASURED)]
    windows = [
        grain_HW3[y - WINDOW + 1 : y + 1, x - WINDOW + 1 : x + 1] for y, x in zip(y_K[flat], x_K[flat], strict=True)
    ]
    return np.stack(windows) if len(windows) >= FEWEST else None


def missing_share(drawn_hw3: Floats, hole_hw: Mask, level: float) -> Floats:
    """By how much grain of variance `level` is to be multiplied, for the hole to have it everywhere; 0 outside it."""
    inside_hw = hole_hw.astype(np.float32)
    energy_hw = energy_of(grain_of(drawn_hw3)) * inside_hw
    nearby_hw = cv2.GaussianBlur(inside_hw, (0, 0), WINDOW / 2)
    has_hw = cv2.GaussianBlur(energy_hw, (0, 0), WINDOW / 2) / np.maximum(nearby_hw, 1e-6)
    return np.sqrt(np.clip(1 - has_hw / level, 0, 1)) * inside_hw


def like(windows_KWW3: Floats, size: tuple[int, ...], generator: np.random.Generator) -> Floats:
    """Gaussian noise of this size with the mean spectrum of the windows, and the correlation of their channels."""
    padded = tuple(side + WINDOW for side in size)
    spectrum = sum(
        np.fft.rfft2(generator.standard_normal(padded))[..., None] * np.fft.rfft2(window_WW3, padded, (0, 1))
        for window_WW3 in windows_KWW3
    )
    return np.fft.irfft2(spectrum, padded, (0, 1))[WINDOW:, WINDOW:].astype(np.float32)
