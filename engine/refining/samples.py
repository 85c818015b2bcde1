"""Samples for the refinement network: holes in photos as patches draw them, beside what was there."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.catalog import Catalog
from data.decode import Pixels, decode_crop
from data.headers import Unusable
from data.masks import HoleConfig, draw_holes
from data.sampler import CropSampler
from engine.inference.coarse_to_fine import CoarseToFine
from engine.inference.completer import Completer
from engine.inference.holes.mask import Mask, bounding_box, relative, thickness
from engine.inference.report import Report
from engine.inference.texture.pyramid import octaves_for
from engine.inference.texture.sources import neighbourhood
from engine.inference.texture.stage import TextureStage, one_thread

SIDE = 192
"""Of a sample, in pixels."""

LEAST = 120
"""Pixels of a hole, at least, that a sample must have."""

STREAM = 3
"""Keeps the holes apart from those of training (0 and 1) and of evaluation (2)."""


class Kind(NamedTuple):
    """Photos of one size, with holes that suit it."""

    share: float
    side: int
    hole_size: tuple[int, int]


KINDS = (Kind(0.15, 256, (14, 64)), Kind(0.75, 384, (64, 150)), Kind(0.1, 640, (150, 380)))


class Drawn(NamedTuple):
    """A photo whose hole has been drawn, uint8 RGB."""

    drawn_HW3: Pixels
    completed_HW3: Pixels
    """As the network completed it, before that."""
    original_HW3: Pixels
    hole_HW: Mask

    def cut(self, generator: np.random.Generator) -> NDArray[np.uint8]:
        """A sample, SIDE x SIDE x 10, somewhere around a pixel of the hole: the drawing, the completion, the original,
        and the hole."""
        y_P, x_P = np.nonzero(self.hole_HW)
        chosen, margin = generator.integers(len(y_P)), SIDE // 6
        corner = (int(p[chosen]) - int(generator.integers(margin, SIDE - margin)) for p in (y_P, x_P))
        y, x = (min(max(at, 0), side - SIDE) for at, side in zip(corner, self.hole_HW.shape, strict=True))
        images = (*self[:3], self.hole_HW[..., None].astype(np.uint8))
        return np.concatenate([image[y : y + SIDE, x : x + SIDE] for image in images], axis=2)


def write_samples(catalog: Catalog, path: Path, count: int, seed: int) -> Iterator[int]:
    """Write `count` samples as one array to `path`, and yield the number of each once it is there."""
    samples_NSSC = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, SIDE, SIDE, 10))
    completer, generator = Completer.load(device="cpu"), np.random.default_rng(seed)
    kinds = generator.choice(len(KINDS), p=[kind.share for kind in KINDS], size=(count,))
    number = 0
    for done, kind in enumerate(kinds.tolist()):
        sample_SSC = None
        while sample_SSC is None:
            drawn = draw(completer, catalog, KINDS[kind], seed, number)
            number += 1
            sample_SSC = drawn and drawn.cut(generator)
            if sample_SSC is not None and sample_SSC[..., 9].sum() < LEAST:
                sample_SSC = None
        samples_NSSC[done] = sample_SSC
        yield done


def draw(completer: Completer, catalog: Catalog, kind: Kind, seed: int, number: int) -> Drawn | None:
    """A hole in a photo of the catalog as patches draw it; None where none are wanted, or the photo is not readable."""
    sampler = CropSampler(catalog, seed, kind.side, (kind.side, 2 * kind.side), flip=True)
    (crop,) = sampler.crops(np.array([number]))
    original_HW3 = np.empty((kind.side, kind.side, 3), np.uint8)
    try:
        size, orientation = catalog.size(crop.photo), catalog.orientation(crop.photo)
        decode_crop(catalog.read(crop.photo), crop, size, orientation, original_HW3)
    except Unusable:
        return None
    holes = HoleConfig(kind="mixed", size=kind.hole_size, region=kind.hole_size[1])
    hole_HW = draw_holes(holes, seed, STREAM, [number], kind.side).mask_N1HW[0, 0].numpy()
    photo_HW3 = np.where(hole_HW[..., None], np.uint8(0), original_HW3)
    stage = TextureStage("auto", 0, hole_HW, hole_HW, False, "cpu", Report())
    everywhere = slice(0, kind.side), slice(0, kind.side)
    scales = CoarseToFine(completer.runner, completer.spec, "poisson", 0, False, stage.report, stage.is_drawn_again)
    scales.complete(photo_HW3, hole_HW, hole_HW, None, 1, everywhere)
    where, octaves = bounding_box(hole_HW), octaves_for(thickness(np.pad(hole_HW, 1)))
    near = neighbourhood(photo_HW3, where, hole_HW[where], hole_HW, hole_HW, 1 << octaves, False)
    with one_thread():
        outcome, drawn_HW3 = stage.draw_from_patches(near, octaves, np.random.default_rng(number), False)
    if outcome != "photo":
        return None
    full_HW3 = photo_HW3.copy()
    full_HW3[where] = np.rint(drawn_HW3[relative(where, near.where)]).clip(0, 255)
    return Drawn(full_HW3, photo_HW3, original_HW3, hole_HW)
