"""Photographs for the tests: pieces of those that scikit-image's wheel carries, in the formats that people have."""

import io
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

SCENES = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket()]


def scene(number: int, width: int, height: int) -> np.ndarray:
    """Some RGB photograph of that size, a different one for each number."""
    rng = np.random.default_rng(number)
    source = SCENES[number % len(SCENES)]
    top, left = rng.integers(0, source.shape[0] // 4), rng.integers(0, source.shape[1] // 4)
    return np.asarray(Image.fromarray(source[top:, left:]).resize((width, height), Image.Resampling.BICUBIC))


def encoded(photo: np.ndarray, kind: str = "JPEG", mode: str = "RGB", **options: object) -> bytes:
    """The photo as a file of that kind."""
    file = io.BytesIO()
    Image.fromarray(photo).convert(mode).save(file, kind, **options)
    return file.getvalue()


def with_orientation(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def write_photos(folder: Path, count: int, size: tuple[int, int] = (200, 150)) -> None:
    """`count` JPEGs in two folders, of sizes around `size`."""
    for number in range(count):
        path = folder / f"{number % 2}" / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(number)
        width, height = (int(edge * rng.uniform(0.7, 1.6)) for edge in size)
        path.write_bytes(encoded(scene(number, width, height), quality=90))
