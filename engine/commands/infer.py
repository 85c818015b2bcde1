"""engine-infer: complete the holes of photographs.

engine-infer photo.jpg --hole 300,120,80,60          a rectangle: x, y, width, height
engine-infer photo.jpg --mask mask.png               white (or opaque) is completed
engine-infer photo.jpg                               the mask is photo.mask.png, or the photo's transparent part
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from PIL import Image

from engine.inference.blend import Blend
from engine.inference.completer import Completer
from engine.inference.mask import Mask, mask_of_holes, read_mask, widen
from engine.inference.photo import Photo, read_photo, write_photo


@dataclass(kw_only=True, slots=True)
class InferConfig:
    """What engine-infer is asked to do."""

    photos: tyro.conf.Positional[tuple[Path, ...]]
    """Photos to complete."""

    mask: Path | None = None
    """Picture of what to complete: white or opaque. Default: the sidecar photo.mask.png, then the photo's alpha."""

    hole: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="X,Y,W,H")] = ()
    """Rectangle to complete, in pixels of the upright photo; may be repeated."""

    out: Path | None = None
    """File to write. Default: photo.completed.jpg beside photo.jpg."""

    overwrite: bool = False
    """Allow the result to replace a file that exists, the photo itself included."""

    side_by_side: Path | None = None
    """Also write a picture of input | holed | completed here."""

    weights: Path | None = None
    """Weights file. Default: the weights that come with the engine."""

    runtime: str = "auto"
    """What runs the network."""

    precision: str = "auto"
    """fp32, fp16, bf16 or auto: fp16 on a GPU, fp32 on a CPU."""

    device: str = "auto"
    """cpu, cuda, cuda:N or auto."""

    blend: Blend = "poisson"
    """How the completed hole joins the photo."""

    feather: int = 4
    """Width in pixels of the transition outside the mask with --blend feather."""

    mask_dilate: int = 4
    """Pixels by which the mask is widened, so that no rim of the unwanted object remains."""

    mask_threshold: float = 0.5
    """Share of a mask's largest value from which on it means a hole."""

    mask_invert: bool = False
    """Complete what the mask leaves black instead."""


def main() -> None:
    config = tyro.cli(InferConfig, description=__doc__)
    try:
        completer = Completer.load(config.weights, config.runtime, config.precision, config.device)
        for path in config.photos:
            complete_file(completer, path, config)
    except (ValueError, OSError) as error:
        raise SystemExit(f"engine-infer: {error}") from error


def complete_file(completer: Completer, path: Path, config: InferConfig) -> None:
    """Complete one photo and say where the result is."""
    started = time.perf_counter()
    out = config.out or path.with_name(f"{path.stem}.completed{path.suffix}")
    if out.exists() and not config.overwrite and out.resolve() == path.resolve():
        raise ValueError(f"{out} is the photo itself; give another --out, or --overwrite to replace it")
    photo = read_photo(path)
    mask_HW = find_mask(path, photo, config)
    completed_HW3 = completer.complete(
        photo.pixels_HW3, mask_HW, dilate=config.mask_dilate, blend=config.blend, feather=config.feather
    )
    write_photo(out, photo, completed_HW3)
    if config.side_by_side:
        hole_HW = widen(mask_HW, config.mask_dilate)
        write_side_by_side(config.side_by_side, photo, hole_HW, completed_HW3, completer.spec.mean_pixel)
    print(f"{out}: {mask_HW.mean():.2%} of the photo completed in {time.perf_counter() - started:.2f} s")


def find_mask(path: Path, photo: Photo, config: InferConfig) -> Mask:
    """The mask by --hole, --mask, sidecar or alpha. ValueError if there is none."""
    size = photo.pixels_HW3.shape[:2]
    sidecar = path.with_name(f"{path.stem}.mask.png")
    if config.hole:
        return mask_of_holes([parse_hole(hole) for hole in config.hole], size)
    if config.mask or sidecar.exists():
        return read_mask(config.mask or sidecar, config.mask_threshold, config.mask_invert)
    if photo.alpha_HW is not None and photo.alpha_HW.min() == 0:
        return photo.alpha_HW == 0
    raise ValueError(
        f"no mask for {path}. Give one of: --mask FILE (white is completed); --hole X,Y,WIDTH,HEIGHT; "
        f"a file {sidecar.name} beside the photo, or transparent pixels in the photo itself"
    )


def parse_hole(text: str) -> tuple[int, int, int, int]:
    """X,Y,WIDTH,HEIGHT."""
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"--hole is {text!r}; it must be X,Y,WIDTH,HEIGHT in pixels, such as 300,120,80,60") from error
    return x, y, width, height


def write_side_by_side(
    path: Path, photo: Photo, hole_HW: Mask, completed_HW3: np.ndarray, mean_pixel: tuple[float, ...]
) -> None:
    """The picture input | holed | completed, in 8 bits."""
    largest = np.iinfo(photo.pixels_HW3.dtype).max
    fill = np.array(mean_pixel) * largest
    holed_HW3 = np.where(hole_HW[..., None], fill, photo.pixels_HW3)
    row = np.concatenate((photo.pixels_HW3, holed_HW3, completed_HW3), axis=1)
    Image.fromarray((row * (255 / largest)).round().astype(np.uint8)).save(path)


if __name__ == "__main__":
    main()
