"""HEIF (HEIC), read and written by pillow-heif: 8 bits, or 10 and 12, which become 16 here."""

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data.decoders import decoding
from engine.packages import import_optional

QUALITY = 95
"""Of what is encoded again; the file does not say what it was encoded with."""

NCLX = ("color_primaries", "transfer_characteristics", "matrix_coefficients", "full_range_flag")
"""The fields that say which colours the values mean."""

SRGB_PRIMARIES, SRGB_TRANSFERS = (1, 2), (1, 2, 6, 13)


def register() -> None:
    """Have Pillow open HEIF. ValueError with the line that installs pillow-heif if it is missing."""
    import_optional("pillow_heif").register_heif_opener()


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


def is_other_than_srgb(image: Image.Image) -> bool:
    """True if the values mean other colours than sRGB's, without an ICC profile that says so."""
    nclx = image.info.get("nclx_profile") or {}
    other_primaries = nclx.get("color_primaries", 2) not in SRGB_PRIMARIES
    return not image.info.get("icc_profile") and (
        other_primaries or nclx.get("transfer_characteristics", 2) not in SRGB_TRANSFERS
    )


def decode_deep(content: bytes) -> NDArray[np.uint16]:
    """Samples of more than 8 bits, upright, in the upper bits of 16."""
    pillow_heif = import_optional("pillow_heif")
    with decoding():
        samples: NDArray[np.uint16] = np.asarray(
            pillow_heif.open_heif(BytesIO(content), convert_hdr_to_8bit=False, hdr_to_16bit=True)
        )
    if samples.dtype != np.uint16:
        raise ValueError("its samples of more than 8 bits cannot be decoded")
    return samples


def encode(samples_HWC: NDArray[Any], options: dict[str, Any]) -> bytes:
    """A HEIF file of samples with 1 to 4 channels and these options of the encoder, metadata among them; of uint16, in
    the 10 or 12 bits that `bit_depth` says."""
    pillow_heif = import_optional("pillow_heif")
    height, width, channels = samples_HWC.shape
    mode = ("L", "LA", "RGB", "RGBA")[channels - 1] + (";16" if samples_HWC.itemsize == 2 else "")
    file = BytesIO()
    image = pillow_heif.from_bytes(mode, (width, height), samples_HWC.tobytes())
    image.save(file, **{"quality": QUALITY, "chroma": 444, **options})
    return file.getvalue()
