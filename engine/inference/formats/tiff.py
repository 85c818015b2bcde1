"""TIFF: written here, because Pillow has no 16-bit colour and cv2 no metadata. Deflate with horizontal prediction."""

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from engine.inference.formats.exif import make_xmp_upright

ORIENTATION, EXIF_IFD, GPS_IFD = 274, 34665, 34853
BITS, PHOTOMETRIC, CHANNELS, PLANES, EXTRA_CHANNELS = 258, 262, 277, 284, 338

DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 33432)
"""Description, make, model, software, date, artist, copyright: what EXIF shares with TIFF."""

XMP = 700
KEPT = (*DESCRIPTIVE, 282, 283, 296, XMP, 33723, 34377, 34675)
"""Also resolution (3), XMP, IPTC, Photoshop's block, ICC profile."""

STRIP_BYTES = 1 << 20
ADOBE_DEFLATE, HORIZONTAL_PREDICTION = 8, 2
WHITE_IS_ZERO, SEPARATE_PLANES, PREMULTIPLIED_ALPHA, UNASSOCIATED_ALPHA = 0, 2, 1, 2
UNDEFINED, LONG = 7, 4


def check_samples(image: Image.Image) -> None:
    """ValueError if an opened TIFF has samples that would be lost, or that Pillow and cv2 take for other ones."""
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    directory, bands = image.tag_v2, len(image.getbands())
    channels, bits = directory.get(CHANNELS, 1), max(directory.get(BITS, (1,)))
    if channels > bands:
        raise ValueError(f"it has {channels} channels, of which {bands} could be kept; save it without the others")
    if 8 < bits < 16:
        raise ValueError(f"it has {bits} bits per sample, which would not be kept; save it with 8 or 16")
    unread = {
        "white as 0": directory.get(PHOTOMETRIC) == WHITE_IS_ZERO,
        "each channel as a plane of its own": directory.get(PLANES) == SEPARATE_PLANES and channels > 1,
        "colours multiplied by alpha": PREMULTIPLIED_ALPHA in directory.get(EXTRA_CHANNELS, ()),
    }
    if bits == 16 and any(unread.values()):
        stored = " and ".join(how for how, is_so in unread.items() if is_so)
        raise ValueError(f"it has 16 bits per sample and stores {stored}; save it as a PNG of 16 bits")


def has_16_bit_colour(image: Image.Image) -> bool:
    """Whether an opened TIFF has 16 bits per sample and several samples."""
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    bits = image.tag_v2.get(BITS, (1,))
    return len(bits) > 1 and max(bits) == 16


def metadata(image: Image.Image) -> dict[int, Any]:
    """The tags to carry over from an opened TIFF, EXIF and GPS directories as dictionaries."""
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    kept: dict[int, Any] = {tag: image.tag_v2[tag] for tag in KEPT if tag in image.tag_v2}
    if isinstance(kept.get(XMP), bytes):
        kept[XMP] = make_xmp_upright(kept[XMP])
    exif = image.getexif()
    for tag in (EXIF_IFD, GPS_IFD):
        if directory := exif.get_ifd(tag):
            kept[tag] = dict(directory)
    return kept


def tags(exif: bytes | None, icc: bytes | None, xmp: bytes | None, dpi: tuple[float, float] | None) -> dict[int, Any]:
    """The tags for the metadata of a photo that was no TIFF; of EXIF, what Pillow can parse."""
    made: dict[int, Any] = {34675: icc, XMP: xmp}
    if dpi:
        made |= {282: dpi[0], 283: dpi[1], 296: 2}
    if exif:
        parsed = Image.Exif()
        parsed.load(exif)
        made |= {tag: value for tag, value in parsed.items() if tag in DESCRIPTIVE}
        made |= {tag: dict(parsed.get_ifd(tag)) for tag in (EXIF_IFD, GPS_IFD)}
    return {tag: value for tag, value in made.items() if value}


def exif_block(kept: dict[int, Any]) -> bytes | None:
    """The EXIF block for another container of the tags that `metadata` gave."""
    exif = Image.Exif()
    for tag in (*DESCRIPTIVE, EXIF_IFD, GPS_IFD):
        if tag in kept:
            exif[tag] = kept[tag]
    return exif.tobytes() if len(exif) else None


def encode(samples_HWC: NDArray[Any], alpha: bool, kept: dict[int, Any]) -> bytes:
    """A TIFF file of `samples_HWC` (1 or 3 channels, and one more if `alpha`) with the tags of `metadata`."""
    height, width, channels = samples_HWC.shape
    predicted = np.diff(samples_HWC, axis=1, prepend=np.zeros_like(samples_HWC[:, :1]))
    predicted = predicted.astype(samples_HWC.dtype.newbyteorder("<"), copy=False)
    rows = max(1, STRIP_BYTES // (width * channels * samples_HWC.itemsize))
    strips = [zlib.compress(predicted[y : y + rows].tobytes()) for y in range(0, height, rows)]
    offsets = np.cumsum([0, *(len(strip) for strip in strips)])  # from the end of the directory, as Pillow wants them
    if offsets[-1] >= (1 << 32) - (1 << 24):
        raise ValueError(f"a TIFF file holds 4 GiB and this photo needs {offsets[-1] / 2**30:.1f}; write a .png")

    directory = ImageFileDirectory_v2(prefix=b"II")
    for tag, value in kept.items():
        if isinstance(value, dict):
            directory.tagtype[tag] = LONG
        elif isinstance(value, bytes):
            directory.tagtype[tag] = UNDEFINED
        directory[tag] = value
    directory[256], directory[257] = width, height
    directory[BITS] = (8 * samples_HWC.itemsize,) * channels
    directory[259], directory[317] = ADOBE_DEFLATE, HORIZONTAL_PREDICTION
    directory[PHOTOMETRIC] = 2 if channels - alpha == 3 else 1
    directory.tagtype[273] = directory.tagtype[279] = LONG
    directory[273], directory[279] = tuple(offsets[:-1].tolist()), tuple(len(strip) for strip in strips)
    directory[CHANNELS], directory[278], directory[PLANES] = channels, rows, 1
    if alpha:
        directory[EXTRA_CHANNELS] = UNASSOCIATED_ALPHA
    return b"".join([b"II*\0", struct.pack("<I", 8), directory.tobytes(8), *strips])
