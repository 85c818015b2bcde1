"""Made-up samples of remains: a thing of one photo in another one, and a mask that misses bits of it; or none at all.

Four of ten samples have no thing in them, and their masks lie anywhere: what is around these belongs to nothing under
them, however much it looks like it.
"""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from data.catalog import Catalog
from data.decode import Pixels, decode_crop
from data.headers import Unusable
from data.sampler import CropSampler
from engine.inference.holes.mask import Mask, widen

SIDE = 256
"""Of a sample, in pixels."""

THING, SLOPPY = 0.6, 0.75
"""Share of the samples with a thing, and of these the share of masks that may miss some of it."""

RADII, MISSED = (0.09, 0.24), (2.0, 22.0)
"""Of things, as a share of a sample's side; and pixels of a thing's depth that are missed here and there."""

COVERED, FEWEST_COVERED = 0.6, 60
"""Share of a thing that a mask covers, at least, else a part of it is meant; and pixels of a mask, at least."""


def sample(catalog: Catalog, seed: int, number: int) -> NDArray[np.uint8]:
    """Sample `number`, SIDE x SIDE x 5: RGB, the hole, and what remains outside of it (0 or 1)."""
    generator = np.random.default_rng([seed, number])
    while True:
        first = int(generator.integers(1 << 40))
        found_SS5 = one_of(generator, crop(catalog, seed, first), crop(catalog, seed, first + 1))
        if found_SS5 is not None:
            return found_SS5


def crop(catalog: Catalog, seed: int, number: int) -> Pixels | None:
    """A part of a photo; None if that cannot be decoded."""
    (place,) = CropSampler(catalog, seed, SIDE, (SIDE, 2 * SIDE), flip=True).crops(np.array([number]))
    pixels_SS3 = np.empty((SIDE, SIDE, 3), np.uint8)
    try:
        size, orientation = catalog.size(place.photo), catalog.orientation(place.photo)
        decode_crop(catalog.read(place.photo), place, size, orientation, pixels_SS3)
    except Unusable:
        return None
    return pixels_SS3


def one_of(generator: np.random.Generator, photo_SS3: Pixels | None, other_SS3: Pixels | None) -> Pixels | None:
    """A sample with a thing of the other photo or without; None if these numbers make none."""
    thing_SS = shape(generator)
    if photo_SS3 is None or other_SS3 is None or not 400 <= np.count_nonzero(thing_SS) <= 0.35 * SIDE**2:
        return None
    is_there = generator.random() < THING
    image_SS3, share_SS = photo_SS3.astype(np.float32), np.zeros((SIDE, SIDE), np.float32)
    if is_there:
        softness = generator.uniform(0.3, 1.2) if generator.random() < 0.8 else generator.uniform(1, 3)
        share_SS = np.asarray(cv2.GaussianBlur(thing_SS.astype(np.float32), (0, 0), softness), np.float32)
        image_SS3 += share_SS[..., None] * (surface(generator, other_SS3) - image_SS3)
    covered_SS = painted(generator, thing_SS, is_there and generator.random() < SLOPPY)
    if np.count_nonzero(covered_SS) < FEWEST_COVERED:
        return None
    hole_SS, seen_SS = widen(covered_SS, int(generator.integers(2, 5))), share_SS > 0.2
    left_SS = seen_SS & ~hole_SS
    if np.count_nonzero(left_SS) > (1 - COVERED) * np.count_nonzero(seen_SS):
        return None
    return np.dstack((as_taken(generator, image_SS3), hole_SS, left_SS)).astype(np.uint8)


def shape(generator: np.random.Generator) -> Mask:
    """A thing's outline: a blob, a body of ellipses with limbs, or a polygon."""
    thing_SS = np.zeros((SIDE, SIDE), np.uint8)
    radius, kind = generator.uniform(*RADII) * SIDE, generator.random()
    middle_2 = generator.uniform(0.3 * SIDE, 0.7 * SIDE, 2)
    if kind < 0.45:
        waves_7 = np.arange(1, 8)
        height_7 = generator.normal(size=7) / waves_7 * generator.uniform(0.1, 0.45)
        angle_A = np.linspace(0, 2 * np.pi, 200)
        waves_A7 = height_7 * np.cos(angle_A[:, None] * waves_7 + generator.uniform(0, 2 * np.pi, 7))
        reach_A1 = radius * (1 + waves_A7.sum(1)).clip(0.1)[:, None]
        outline_A2 = middle_2 + reach_A1 * np.stack((np.cos(angle_A), generator.uniform(0.6, 1.6) * np.sin(angle_A)), 1)
        cv2.fillPoly(thing_SS, [outline_A2.astype(np.int32)], 1)
    elif kind < 0.75:
        for _ in range(generator.integers(2, 6)):
            at_2, axes_2 = middle_2 + generator.normal(size=2) * radius * 0.6, radius * generator.uniform(0.2, 0.8, 2)
            ellipse = (tuple(at_2.tolist()), tuple((2 * axes_2 + 3).tolist()), float(generator.uniform(0, 180)))
            cv2.ellipse(thing_SS, ellipse, 1, -1)
        for _ in range(generator.integers(0, 4)):
            ends_22 = (middle_2 + generator.normal(size=(2, 2)) * radius * [[0.5], [1.3]]).astype(int)
            thick = int(generator.integers(3, max(4, int(radius * 0.35))))
            cv2.line(thing_SS, tuple(ends_22[0].tolist()), tuple(ends_22[1].tolist()), 1, thick)
    else:
        angle_K = np.sort(generator.uniform(0, 2 * np.pi, generator.integers(3, 8)))
        reach_K1 = radius * generator.uniform(0.6, 1.4, len(angle_K))[:, None]
        corners_K2 = middle_2 + reach_K1 * np.stack((np.cos(angle_K), np.sin(angle_K)), 1)
        cv2.fillPoly(thing_SS, [corners_K2.astype(np.int32)], 1)
    count, labels_SS, stats, _ = cv2.connectedComponentsWithStats(thing_SS)
    largest: Mask = labels_SS == (1 + stats[1:, cv2.CC_STAT_AREA].argmax() if count > 1 else -1)
    return largest


def surface(generator: np.random.Generator, other_SS3: Pixels) -> NDArray[np.float32]:
    """The colours of a thing: the other photo, also darker or lighter, or one colour with some noise."""
    if generator.random() < 0.12:
        plain_SS3 = generator.uniform(0, 255, 3) + generator.normal(0, generator.uniform(0, 4), (SIDE, SIDE, 3))
        return plain_SS3.clip(0, 255).astype(np.float32)
    surface_SS3 = other_SS3.astype(np.float32)
    if generator.random() < 0.4:
        surface_SS3 = surface_SS3 * generator.uniform(0.4, 1.2) + generator.uniform(-30, 40)
    return surface_SS3.clip(0, 255).astype(np.float32)


def painted(generator: np.random.Generator, thing_SS: Mask, sloppy: bool) -> Mask:
    """A mask as people paint one over the thing: along its outline, as a polygon, or with a round brush."""
    inside_SS = cv2.distanceTransform(thing_SS.view(np.uint8), cv2.DIST_L2, 5)
    depth_SS = inside_SS - cv2.distanceTransform((~thing_SS).view(np.uint8), cv2.DIST_L2, 5)
    kind = generator.random()
    mask_SS = np.zeros((SIDE, SIDE), np.uint8)
    if not sloppy or kind < 0.75:
        margin_SS = generator.uniform(0, 6) + generator.uniform(0, 2) * waves(generator, generator.uniform(15, 60))
        if not sloppy:
            return depth_SS > -margin_SS.clip(0)
        y_P, x_P = np.nonzero(abs(depth_SS) < 2)
        for place in generator.integers(0, len(y_P), int(generator.integers(1, 5))):
            y_SS, x_SS = np.ogrid[-y_P[place] : SIDE - y_P[place], -x_P[place] : SIDE - x_P[place]]
            missed = generator.uniform(*MISSED)
            margin_SS -= missed * np.exp(-(y_SS**2 + x_SS**2) / (2 * generator.uniform(4, 32) ** 2))
        return depth_SS > -margin_SS
    if kind < 0.9:
        outlines, _ = cv2.findContours(thing_SS.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        corners_K12 = cv2.approxPolyDP(max(outlines, key=len), float(generator.uniform(3, 10)), closed=True)
        clicked_K12 = corners_K12 + generator.normal(0, 1.5, corners_K12.shape)
        return cv2.fillPoly(mask_SS, [clicked_K12.astype(np.int32)], 1) > 0
    brush = int(generator.uniform(6, 16))
    y_P, x_P = np.nonzero(inside_SS > 0.6 * brush)
    touches = max(6, 3 * int(np.count_nonzero(thing_SS)) // brush**2) if len(y_P) else 0
    for place in generator.integers(0, max(len(y_P), 1), touches):
        cv2.circle(mask_SS, (int(x_P[place]), int(y_P[place])), brush, 1, -1)
    return mask_SS > 0


def waves(generator: np.random.Generator, length: float) -> NDArray[np.float32]:
    """Smooth random numbers of deviation 1, which change over `length` pixels."""
    few = int(SIDE / length) + 2
    coarse = generator.standard_normal((few, few), dtype=np.float32)
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.float32)


def as_taken(generator: np.random.Generator, image_SS3: NDArray[np.float32]) -> Pixels:
    """The image with noise, and as a JPEG has it, half of the time each."""
    noise = generator.uniform(0, 6) if generator.random() < 0.5 else 0.0
    taken_SS3: Pixels = np.rint(image_SS3 + generator.normal(0, noise, image_SS3.shape)).clip(0, 255).astype(np.uint8)
    if generator.random() < 0.5:
        quality = int(generator.integers(55, 97))
        _, encoded = cv2.imencode(".jpg", taken_SS3, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return cast(Pixels, cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    return taken_SS3
