"""HEIF (HEIC), read and written by pillow-heif: 8 bits, or 10 and 12, which become 16 here."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from data.decoders import decoding
from engine.inference.photos.formats.codec import Codec
from engine.inference.photos.photo import Photo
from engine.inference.pixels import Pixels
from engine.packages import import_optional

QUALITY = 95
"""Of what is encoded again; the file does not say what it was encoded with."""

NCLX = ("color_primaries", "transfer_characteristics", "matrix_coefficients", "full_range_flag")
"""The fields that say which colours the values mean."""

SRGB_PRIMARIES, SRGB_TRANSFERS = (1, 2), (1, 2, 6, 13)


class Heif(Codec):
    """Reads HEIC, and writes it with 8 bits, or with the 10 or 12 that it had."""

    name, title, endings, media_type = "HEIF", "HEIC", (".heic", ".heif", ".hif"), "image/heic"
    is_lossy = True
    most_bits, keeps_bits = "HEIC is written with at most 12", True
    kind = "an HEIC picture"

    def register(self) -> None:
        import_optional("pillow_heif").register_heif_opener()

    def read(self, image: Image.Image, content: bytes) -> Photo:
        # By the file's own properties the plugin turns the photo, and not by its EXIF, which it tells all the same.
        turned = (b"irot" in content or b"imir" in content) and image.info.get("original_orientation")
        own: dict[str, Any] = {"compression": compression(image), "exif_orientation": turned or 1}
        return self.decoded(image, content, left_out(image), deep_samples=deep_samples(image, content), **own)

    def note_elsewhere(self, photo: Photo, container: str) -> str | None:
        primaries, transfer = (photo.compression.get(name, 2) for name in NCLX[:2])
        if photo.icc or (primaries in SRGB_PRIMARIES and transfer in SRGB_TRANSFERS):
            return None
        return (
            f"the photo's HEIC says which colours its values mean without an ICC profile, and the {container} does "
            "not: it will look different; write a .heic"
        )

    def write(self, photo: Photo, pixels_HW3: Pixels) -> bytes:
        """Of uint16, in the 10 or 12 bits that `bit_depth` says."""
        pillow_heif, samples_HWC = import_optional("pillow_heif"), photo.samples_of(pixels_HW3)
        height, width, channels = samples_HWC.shape
        mode = ("L", "LA", "RGB", "RGBA")[channels - 1] + (";16" if samples_HWC.itemsize == 2 else "")
        options = photo.compression if photo.container == self.name else {}
        file = BytesIO()
        image = pillow_heif.from_bytes(mode, (width, height), samples_HWC.tobytes())
        image.save(file, **{"quality": QUALITY, "chroma": 444, **options, **photo.metadata()})
        return file.getvalue()


def deep_samples(image: Image.Image, content: bytes) -> Pixels | None:
    """Samples of 10 or 12 bits, upright, in the upper bits of 16; None if Pillow keeps them all."""
    if image.info.get("bit_depth", 8) <= 8:
        return None
    pillow_heif = import_optional("pillow_heif")
    with decoding():
        samples = np.asarray(pillow_heif.open_heif(BytesIO(content), convert_hdr_to_8bit=False, hdr_to_16bit=True))
    if samples.dtype != np.uint16:
        raise ValueError("its samples of more than 8 bits cannot be decoded")
    return samples


def compression(image: Image.Image) -> dict[str, Any]:
    """Options for an encoder, after an opened image: chroma samples, depth, and the meaning of the colours."""
    nclx = image.info.get("nclx_profile") or {}
    options: dict[str, Any] = {name: nclx[name] for name in NCLX if name in nclx}
    if chroma := image.info.get("chroma"):
        options["chroma"] = chroma
    return options | {"bit_depth": image.info.get("bit_depth", 8)}


def left_out(image: Image.Image) -> list[str]:
    """Notes on what lies beside the photo in its file, which shows what is to be removed."""
    kinds = {"thumbnails": "thumbnail(s)", "depth_images": "depth map(s)", "aux": "auxiliary picture(s)"}
    found = {kind: len(image.info.get(name) or ()) for name, kind in kinds.items()}
    named = ", ".join(f"{count} {kind}" for kind, count in found.items() if count)
    return [f"{named} in the photo's file are left out"] if named else []
