"""TIFF: written here, because Pillow has no 16-bit colour and cv2 no metadata. Deflate with horizontal prediction."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin
from PIL.ExifTags import Base as Tag
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from data.decoders import UnreadablePhoto
from engine.inference.photos.formats.tiff_tags import KEPT, LONG, put

STRIP_BYTES = 1 << 20
ADOBE_DEFLATE, HORIZONTAL_PREDICTION = 8, 2
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
ONE_PLANE, SEPARATE_PLANES = 1, 2
PREMULTIPLIED_ALPHA, UNASSOCIATED_ALPHA = 1, 2


def check_samples(image: Image.Image) -> None:
    """UnreadablePhoto if an opened TIFF has samples that would be lost, or that Pillow and cv2 take for other ones."""
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    directory, bands = image.tag_v2, len(image.getbands())
    channels, bits = directory.get(Tag.SamplesPerPixel, 1), max(directory.get(Tag.BitsPerSample, (1,)))
    if channels > bands:
        raise UnreadablePhoto(f"it has {channels} channels, of which {bands} could be kept; save it without the others")
    if 8 < bits < 16:
        raise UnreadablePhoto(f"it has {bits} bits per sample, which would not be kept; save it with 8 or 16")
    unread = {
        "white as 0": directory.get(Tag.PhotometricInterpretation) == WHITE_IS_ZERO,
        "each channel as a plane of its own": channels > 1
        and directory.get(Tag.PlanarConfiguration) == SEPARATE_PLANES,
        "colours multiplied by alpha": PREMULTIPLIED_ALPHA in directory.get(Tag.ExtraSamples, ()),
    }
    if bits == 16 and any(unread.values()):
        stored = " and ".join(how for how, is_so in unread.items() if is_so)
        raise UnreadablePhoto(f"it has 16 bits per sample and stores {stored}; save it as a PNG of 16 bits")


def is_premultiplied(image: Image.Image) -> bool:
    """True if the colours of an opened TIFF are multiplied by its alpha."""
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    return PREMULTIPLIED_ALPHA in image.tag_v2.get(Tag.ExtraSamples, ())


def bits_of(image: Image.Image) -> int:
    """The bits of a sample of an opened TIFF."""
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    return int(max(image.tag_v2.get(Tag.BitsPerSample, (1,))))


def has_16_bit_colour(image: Image.Image) -> bool:
    """True if an opened TIFF has 16 bits per sample and several samples."""
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    bits = image.tag_v2.get(Tag.BitsPerSample, (1,))
    return len(bits) > 1 and max(bits) == 16


def multiplied(samples_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Samples with their colours multiplied by alpha, the last channel, as they were before Pillow divided by it.

    It rounds down as it divides; multiplied and rounded up, each is what it was.
    """
    colours, alpha = samples_HWC[..., :-1].astype(np.uint16), samples_HWC[..., -1:]
    return np.concatenate(((colours * alpha + 254) // 255, alpha), axis=2).astype(np.uint8)


def encode(samples_HWC: NDArray[Any], alpha: bool, kept: dict[int, Any], premultiplied: bool = False) -> bytes:
    """A TIFF file of `samples_HWC` (1 or 3 channels, and one more if `alpha`) with the tags of `metadata`; its colours
    are multiplied by alpha if the file is to be `premultiplied` (8 bits)."""
    if premultiplied:
        samples_HWC = multiplied(samples_HWC)
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
        put(directory, tag, value)
    directory[Tag.ImageWidth], directory[Tag.ImageLength] = width, height
    directory[Tag.BitsPerSample] = (8 * samples_HWC.itemsize,) * channels
    directory[Tag.Compression], directory[Tag.Predictor] = ADOBE_DEFLATE, HORIZONTAL_PREDICTION
    directory[Tag.PhotometricInterpretation] = RGB if channels - alpha == 3 else BLACK_IS_ZERO
    directory.tagtype[Tag.StripOffsets] = directory.tagtype[Tag.StripByteCounts] = LONG
    directory[Tag.StripOffsets] = tuple(offsets[:-1].tolist())
    directory[Tag.StripByteCounts] = tuple(len(strip) for strip in strips)
    directory[Tag.SamplesPerPixel], directory[Tag.RowsPerStrip] = channels, rows
    directory[Tag.PlanarConfiguration] = ONE_PLANE
    if alpha:
        directory[Tag.ExtraSamples] = PREMULTIPLIED_ALPHA if premultiplied else UNASSOCIATED_ALPHA
    return b"".join([b"II*\0", struct.pack("<I", 8), directory.tobytes(8), *strips])


def with_metadata(encoded: bytes, kept: dict[int, Any]) -> bytes:
    """The TIFF `encoded`, of one page in strips, with the tags of `metadata` beside those of its samples."""
    image = Image.open(BytesIO(encoded))
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    own = image.tag_v2
    places = zip(own[Tag.StripOffsets], own[Tag.StripByteCounts], strict=True)
    strips = [encoded[offset : offset + length] for offset, length in places]
    directory = ImageFileDirectory_v2(prefix=b"II")
    for tag, value in kept.items():
        put(directory, tag, value)
    for tag, value in own.items():
        if tag in KEPT:  # the encoder's default
            continue
        directory.tagtype[tag] = own.tagtype[tag]
        directory[tag] = value
    directory.tagtype[Tag.StripOffsets] = directory.tagtype[Tag.StripByteCounts] = LONG
    directory[Tag.StripOffsets] = tuple(np.cumsum([0, *(len(strip) for strip in strips)])[:-1].tolist())
    return b"".join([b"II*\0", struct.pack("<I", 8), directory.tobytes(8), *strips])
