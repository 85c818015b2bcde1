"""Photos in and out: the same file with only the hole changed."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from engine.files import write_atomically

CONTAINERS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"}


@dataclass(kw_only=True, slots=True)
class Photo:
    """A decoded photo, upright, and what is needed to write it back as it was."""

    pixels_HW3: NDArray[np.uint8] | NDArray[np.uint16]
    alpha_HW: NDArray[np.uint8] | NDArray[np.uint16] | None


def read_photo(path: Path, max_pixels: int = 200_000_000) -> Photo:
    """The photo at `path`. ValueError if it is missing, unreadable, too large or of a kind that cannot be kept."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > max_pixels:
                raise ValueError(f"it has {image.width}x{image.height} pixels, more than --max-pixels {max_pixels}")
            pixels = np.array(ImageOps.exif_transpose(image).convert("RGBA" if image.mode == "RGBA" else "RGB"))
    except FileNotFoundError as error:
        raise ValueError(f"there is no photo at {path}") from error
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise ValueError(f"cannot read the photo {path}: {error}") from error
    return Photo(pixels_HW3=pixels[..., :3], alpha_HW=pixels[..., 3] if pixels.shape[2] == 4 else None)


def write_photo(path: Path, photo: Photo, pixels_HW3: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write `photo` with other pixels to `path`, whole or not at all. ValueError if its ending names no container."""
    if path.suffix.lower() not in CONTAINERS:
        raise ValueError(f"cannot write {path}: its name must end in one of {', '.join(CONTAINERS)}")
    encoded = BytesIO()
    Image.fromarray(pixels_HW3).save(encoded, CONTAINERS[path.suffix.lower()], quality=95)
    write_atomically(path, encoded.getvalue())
