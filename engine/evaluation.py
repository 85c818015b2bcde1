"""Scores of completions: photos with known content, seeded holes in them, several ways to complete them.

Every way gets the same photos with the same holes, and nothing of what was under them. A hole is a function of the
seed and of the photo's place in its folder, so that evaluating more photos, or other weights, changes no hole.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from statistics import fmean, median
from typing import Literal, cast

import cv2
import numpy as np

from data.catalog import Catalog
from data.decode import Pixels, decode_crop
from data.headers import Unusable
from data.masks import HoleConfig, draw_holes
from data.sampler import Crop, reduction
from engine.inference.completer import Completer, CompletionOptions
from engine.inference.folders.mask_sources import find_masks, read_joined
from engine.inference.holes.fill import fill_smoothly
from engine.inference.holes.mask import Mask
from engine.inference.masks.files import AS_IT_LOOKS
from engine.learned_metrics import Fid, Lpips
from engine.metrics import Scores, measure
from engine.packages import import_optional
from engine.quality import FeatureDistance, Looks, typical

log = logging.getLogger(__name__)

SIZE = 256
"""Side in pixels of the squares that are evaluated, if nothing is said: the paper's."""

HOLE_SIZE = (96, 128)
"""Smallest and largest side of the holes in them, in pixels, if nothing is said."""

INPAINT_RADIUS = 3
"""Pixels around a point that OpenCV's inpainting looks at."""

PATCHMATCH_RADIUS = 7
"""Pixels around the middle of the patches that PyPatchMatch compares: what it calls patch_size."""

STREAM = 2
"""Keeps the holes apart from those of training (0 and 1), which photos with the same numbers have there."""

HoleKind = Literal["centre", "random", "freeform", "beside"]
Method = Callable[[Pixels, Mask], Pixels]
"""Takes a photo whose hole is black and the hole; returns the photo completed."""


def telea(photo_HW3: Pixels, hole_HW: Mask) -> Pixels:
    """Fast marching (Telea 2004), by OpenCV."""
    return cast(Pixels, cv2.inpaint(photo_HW3, hole_HW.astype(np.uint8), INPAINT_RADIUS, cv2.INPAINT_TELEA))


def navier_stokes(photo_HW3: Pixels, hole_HW: Mask) -> Pixels:
    """Navier-Stokes (Bertalmio et al. 2001), by OpenCV."""
    return cast(Pixels, cv2.inpaint(photo_HW3, hole_HW.astype(np.uint8), INPAINT_RADIUS, cv2.INPAINT_NS))


def smooth(photo_HW3: Pixels, hole_HW: Mask) -> Pixels:
    """The smooth surface through the hole's border: what a network with that fill starts from."""
    filled_HW3 = photo_HW3.copy()
    fill_smoothly(filled_HW3, hole_HW)
    return filled_HW3


def patchmatch(photo_HW3: Pixels, hole_HW: Mask) -> Pixels:
    """PatchMatch (Barnes et al. 2009), by PyPatchMatch. ValueError if that is not installed, or does not load.

    Every call starts from the same seed, the library's own: what it gives repeats.
    """
    library = import_optional("patchmatch.patch_match")
    if not library.patchmatch_available:
        raise ValueError(
            "PyPatchMatch is installed, but its library does not load on this machine: leave patchmatch out"
        )
    return cast(Pixels, library.inpaint(photo_HW3, hole_HW, patch_size=PATCHMATCH_RADIUS))


RIVALS: dict[str, Method] = {"telea": telea, "ns": navier_stokes, "smooth": smooth, "patchmatch": patchmatch}
"""Ways to complete without a network, by the names that users give."""


def by_network(completer: Completer, options: CompletionOptions) -> Method:
    """Completion by a network, as engine-infer does it."""
    return lambda photo_HW3, hole_HW: completer.complete(photo_HW3, hole_HW, **options._asdict())


@dataclass(frozen=True, kw_only=True)
class Task:
    """The photos that are evaluated, and the holes in them."""

    catalog: Catalog
    photos: Sequence[int]
    """Places in the catalog."""
    holes: HoleKind
    seed: int
    size: int = SIZE
    """Side in pixels of the squares that are evaluated."""
    hole_size: tuple[int, int] = HOLE_SIZE
    """Smallest and largest side in pixels of random boxes; the latter is also the side of the box in the middle, and of
    the square that holds a stroke."""

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        holes: HoleKind,
        seed: int,
        limit: int | None,
        size: int = SIZE,
        hole_size: tuple[int, int] = HOLE_SIZE,
    ) -> "Task":
        """All photos, or `limit` of them spread evenly over the catalog."""
        count = len(catalog) if limit is None else min(limit, len(catalog))
        photos = [place * len(catalog) // count for place in range(count)]
        return cls(catalog=catalog, photos=photos, holes=holes, seed=seed, size=size, hole_size=hole_size)

    def photo(self, i: int) -> Pixels:
        """The largest square in the middle of photo `i`, resized to `size`. Unusable if it cannot be decoded."""
        photo_HW3 = np.empty((self.size, self.size, 3), np.uint8)
        size, orientation = self.catalog.size(i), self.catalog.orientation(i)
        decode_crop(self.catalog.read(i), self.square(i), size, orientation, photo_HW3)
        return photo_HW3

    def square(self, i: int) -> Crop:
        """The largest square in the middle of photo `i`."""
        width, height = self.catalog.size(i)
        side = min(width, height)
        grid = reduction(side, self.size)
        x, y, side = ((width - side) // 2 // grid * grid, (height - side) // 2 // grid * grid, side // grid * grid)
        return Crop(i, x, y, side, False)

    def hole(self, i: int) -> Mask:
        """The hole in photo `i`: a square in the middle, a rectangle somewhere, a brush's stroke, or the mask beside
        the photo. Unusable if that is missing, or has no hole in the square, or nothing else."""
        if self.holes == "beside":
            return self.mask_beside(i)
        largest = self.hole_size[1]
        if self.holes == "centre":
            hole_HW = np.zeros((self.size, self.size), bool)
            start = (self.size - largest) // 2
            hole_HW[start : start + largest, start : start + largest] = True
            return hole_HW
        kind: Literal["freeform", "box"] = "freeform" if self.holes == "freeform" else "box"
        config = HoleConfig(kind=kind, size=self.hole_size, region=largest)
        return draw_holes(config, self.seed, STREAM, [i], self.size).mask_N1HW[0, 0].numpy()

    def mask_beside(self, i: int) -> Mask:
        """The part of photo `i`'s mask that lies in the square: each pixel that it covers a part of."""
        width, height = self.catalog.size(i)
        files = find_masks(self.catalog.root / self.catalog.name(i), sidecar_only=True)
        if not files:
            raise Unusable("there is no mask beside it")
        try:
            mask_HW = read_joined(files, AS_IT_LOOKS, (height, width), [])
        except ValueError as error:
            raise Unusable(str(error)) from error
        _, x, y, side, _ = self.square(i)
        square_HW = mask_HW[y : y + side, x : x + side].astype(np.float32)
        hole_HW: Mask = cv2.resize(square_HW, (self.size, self.size), interpolation=cv2.INTER_AREA) > 0
        if hole_HW.all() or not hole_HW.any():
            raise Unusable(f"{files[0]} covers {'all' if hole_HW.any() else 'nothing'} of the square that is evaluated")
        return hole_HW


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One photo, completed in each way."""

    photo: int
    scores: dict[str, Scores]
    seconds: dict[str, float]
    lpips: dict[str, float]
    """Of the whole photo; empty if nothing measures it."""
    looks: dict[str, Looks] = field(default_factory=dict)
    """Empty if nothing measures them."""


ORIGINALS = "the originals"
"""Their name where photos are counted for FID."""


def evaluate(
    task: Task,
    methods: dict[str, Method],
    lpips: Lpips | None = None,
    fid: Fid | None = None,
    features: FeatureDistance | None = None,
) -> Iterator[Case]:
    """One case after the other. A photo that cannot be decoded is named in the log and has none.

    `fid` gets each completed photo under its way's name, and the original; `features` tell how photos look.
    """
    for i in task.photos:
        try:
            photo_HW3, hole_HW = task.photo(i), task.hole(i)
        except Unusable as reason:
            log.warning("%s: %s; left out", task.catalog.name(i), reason)
            continue
        scores, seconds, distances, looks = {}, {}, {}, {}
        if fid:
            fid.add(ORIGINALS, photo_HW3)
        for name, method in methods.items():
            started = time.perf_counter()
            completed_HW3 = method(without(photo_HW3, hole_HW), hole_HW)
            seconds[name] = time.perf_counter() - started
            scores[name] = measure(completed_HW3, photo_HW3, hole_HW)
            if features:
                looks[name] = features.looks(completed_HW3, photo_HW3, hole_HW)
            if lpips:
                distances[name] = lpips.between(completed_HW3, photo_HW3)
            if fid:
                fid.add(name, completed_HW3)
        yield Case(photo=i, scores=scores, seconds=seconds, lpips=distances, looks=looks)


def without(photo_HW3: Pixels, hole_HW: Mask, colour: int = 0) -> Pixels:
    """A copy of the photo with nothing left in the hole."""
    holed_HW3 = photo_HW3.copy()
    holed_HW3[hole_HW] = colour
    return holed_HW3


def means(cases: Sequence[Case], fid: Fid | None = None) -> dict[str, dict[str, float]]:
    """For each way, the mean of every score over the photos, and the median of the seconds: the first ones are slow.

    With what is typical of their looks and "lpips", if these were measured, and "fid" if `fid` got two photos of each
    way.
    """
    rows = {}
    for name in cases[0].scores:
        row = {score.name: fmean(getattr(case.scores[name], score.name) for case in cases) for score in fields(Scores)}
        if cases[0].looks:
            row |= typical([case.looks[name] for case in cases])
        if cases[0].lpips:
            row["lpips"] = fmean(case.lpips[name] for case in cases)
        if fid and len(cases) > 1:
            row["fid"] = fid.distance(name, ORIGINALS)
        rows[name] = row | {"seconds": median(case.seconds[name] for case in cases)}
    return rows


CAPTION = 20
"""Height in pixels of the line above each picture of the grid."""


def picture_grid(task: Task, cases: Sequence[Case], methods: dict[str, Method], ours: str) -> Pixels:
    """The best, median and worst case of `ours` by PSNR in the hole, a row each: original, hole, completions."""
    ranked = sorted(cases, key=lambda case: -case.scores[ours].psnr_hole)
    places = {"best": 0, "median": len(ranked) // 2, "worst": len(ranked) - 1}
    rows = []
    for word, place in places.items():
        case = ranked[place]
        photo_HW3, hole_HW = task.photo(case.photo), task.hole(case.photo)
        cells = [with_caption(photo_HW3, f"{word} of {ours}"), with_caption(without(photo_HW3, hole_HW, 128), "hole")]
        for name, method in methods.items():
            completed_HW3 = method(without(photo_HW3, hole_HW), hole_HW)
            cells.append(with_caption(completed_HW3, f"{name}: {case.scores[name].psnr_hole:.1f} dB"))
        rows.append(np.concatenate(cells, axis=1))
    return np.concatenate(rows)


def with_caption(photo_HW3: Pixels, text: str) -> Pixels:
    """The photo with a line of text above it."""
    line_HW3 = np.full((CAPTION, photo_HW3.shape[1], 3), 255, np.uint8)
    cv2.putText(line_HW3, text, (4, CAPTION - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate((line_HW3, photo_HW3))
