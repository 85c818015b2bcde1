"""TIFF: written here, because Pillow has no 16-bit colour and cv2 no metadata. Deflate with horizontal prediction."""

import struct
import zlib
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base as Tag
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from data.decoders import UnreadablePhoto
from data.orientation import TURNS, orientation_of, upright
from data.pillow import open_image
from engine.inference.photos.formats import kinds, tiff_pages, tiff_tags
from engine.inference.photos.formats.codec import Codec, deep_colours, saved
from engine.inference.photos.formats.exif import upright_xmp
from engine.inference.photos.formats.few_colours import note_on_bits
from engine.inference.photos.formats.tiff_tags import KEPT, LONG, put
from engine.inference.photos.photo import Photo
from engine.inference.pixels import Pixels

STRIP_BYTES = 1 << 20
ADOBE_DEFLATE, HORIZONTAL_PREDICTION = 8, 2
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
ONE_PLANE, SEPARATE_PLANES = 1, 2
PREMULTIPLIED_ALPHA, UNASSOCIATED_ALPHA = 1, 2

COMPRESSIONS = ("group4", "group3", "tiff_ccitt", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate")
"""Those of few colours that Pillow writes as it reads them."""


class Tiff(Codec):
    """Reads and writes TIFF: of 8 and 16 bits, and of a palette or one bit in its own colours."""

    name, title, endings, media_type = "TIFF", "TIFF", (".tif", ".tiff"), "image/tiff"
    is_one_picture = False

    def read(self, image: Image.Image, content: bytes) -> Photo:
        """A selection that is saved beside the colours is none of them."""
        selected = tiff_pages.with_selection_as_alpha(content)
        if selected is not None:
            with open_image(selected) as with_alpha:
                photo = self.read_first_page(with_alpha, selected)
            if photo.alpha_HW is not None and tiff_pages.is_selection(photo.alpha_HW):
                note = "the selection that is saved in the photo's file is left out of the result"
                return replace(photo, selection_HW=photo.alpha_HW, alpha_HW=None, notes=(*photo.notes, note))
        return self.read_first_page(image, content)

    def read_first_page(self, image: Image.Image, content: bytes) -> Photo:
        """The photo, with the mask of transparency that another page may have."""
        assert isinstance(image, TiffImageFile)
        orientation = orientation_of(content)
        xmp = image.info.pop("xmp", None)  # by which, too, Pillow would turn the photo
        check_samples(image)
        tags = tiff_tags.metadata(image)
        own: dict[str, Any] = {"carried": tags, "exif": tiff_tags.exif_block(tags), "exif_orientation": orientation}
        own |= {"xmp": upright_xmp(xmp), "nodata": tiff_tags.nodata(image), "compression": compression_of_few(image)}
        own["premultiplied"] = PREMULTIPLIED_ALPHA in image.tag_v2.get(Tag.ExtraSamples, ())
        photo = self.decoded(
            image, content, tiff_tags.left_out(image), deep_samples=deep_samples(image, content), **own
        )
        height, width = photo.pixels_HW3.shape[:2]
        size = (width, height) if TURNS[orientation].transpose else (height, width)
        few, alpha_HW = photo.few, photo.alpha_HW
        mask_HW, notes = tiff_pages.beside_photo(content, alpha_HW is not None, size)
        if mask_HW is not None:
            dtype, few = photo.pixels_HW3.dtype, None
            alpha_HW = np.ascontiguousarray(upright(mask_HW, orientation)) * dtype.type(np.iinfo(dtype).max)
        notes += note_on_bits(max(bits_of(image)), few)
        return replace(photo, few=few, alpha_HW=alpha_HW, notes=(*photo.notes, *notes))

    def write(self, photo: Photo, pixels_HW3: Pixels) -> bytes:
        same, alpha = photo.container == self.name, photo.alpha_HW is not None
        if same and photo.few:
            image = photo.few.image(pixels_HW3, photo.alpha_HW)
            return with_metadata(saved(image, self.name, **photo.compression), photo.carried)
        kept = photo.carried if same else tiff_tags.tags(photo)
        return encode(photo.samples_of(pixels_HW3), alpha, kept, premultiplied=same and alpha and photo.premultiplied)


def deep_samples(image: TiffImageFile, content: bytes) -> Pixels | None:
    """Colours of 16 bits, turned upright by OpenCV, as all others are by Pillow; None if Pillow keeps them all."""
    if len(bits_of(image)) > 1 and max(bits_of(image)) == 16:
        return deep_colours(content, "its 16-bit samples", (image.height, image.width))
    if image.mode in ("F", "I"):
        raise UnreadablePhoto(kinds.description(content))
    return None


def check_samples(image: TiffImageFile) -> None:
    """UnreadablePhoto if an opened TIFF has samples that would be lost, or that Pillow and cv2 take for other ones."""
    directory, bands = image.tag_v2, len(image.getbands())
    channels, bits = directory.get(Tag.SamplesPerPixel, 1), max(bits_of(image))
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


def bits_of(image: TiffImageFile) -> tuple[int, ...]:
    """The bits of each sample of an opened TIFF's pixels."""
    return image.tag_v2.get(Tag.BitsPerSample, (1,))


def compression_of_few(image: TiffImageFile) -> dict[str, Any]:
    """Options of Pillow's encoder, after an opened TIFF, should it have few colours."""
    stated = image.info.get("compression")
    options: dict[str, Any] = {"compression": stated if stated in COMPRESSIONS else "tiff_adobe_deflate"}
    if image.mode == "1":
        options["tiffinfo"] = {Tag.PhotometricInterpretation: image.tag_v2.get(Tag.PhotometricInterpretation, 0)}
    return options


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
    length = sum(map(len, strips))
    if length >= (1 << 32) - (1 << 24):
        raise ValueError(f"a TIFF file holds 4 GiB and this photo needs {length / 2**30:.1f}; write a .png")

    directory = directory_of(kept)
    directory[Tag.ImageWidth], directory[Tag.ImageLength] = width, height
    directory[Tag.BitsPerSample] = (8 * samples_HWC.itemsize,) * channels
    directory[Tag.Compression], directory[Tag.Predictor] = ADOBE_DEFLATE, HORIZONTAL_PREDICTION
    directory[Tag.PhotometricInterpretation] = RGB if channels - alpha == 3 else BLACK_IS_ZERO
    directory[Tag.SamplesPerPixel], directory[Tag.RowsPerStrip] = channels, rows
    directory[Tag.PlanarConfiguration] = ONE_PLANE
    if alpha:
        directory[Tag.ExtraSamples] = PREMULTIPLIED_ALPHA if premultiplied else UNASSOCIATED_ALPHA
    return file_of(directory, strips)


def with_metadata(encoded: bytes, kept: dict[int, Any]) -> bytes:
    """The TIFF `encoded`, of one page in strips, with the tags of `metadata` beside those of its samples."""
    own = TiffImageFile(BytesIO(encoded)).tag_v2
    places = zip(own[Tag.StripOffsets], own[Tag.StripByteCounts], strict=True)
    strips = [encoded[offset : offset + length] for offset, length in places]
    directory = directory_of(kept)
    for tag, value in own.items():
        if tag in KEPT:  # the encoder's default
            continue
        directory.tagtype[tag] = own.tagtype[tag]
        directory[tag] = value
    return file_of(directory, strips)


def directory_of(kept: dict[int, Any]) -> ImageFileDirectory_v2:
    """A directory with the tags of `metadata`."""
    directory = ImageFileDirectory_v2(prefix=b"II")
    for tag, value in kept.items():
        put(directory, tag, value)
    return directory


def file_of(directory: ImageFileDirectory_v2, strips: list[bytes]) -> bytes:
    """The file of one page, whose strips follow its directory."""
    lengths = list(map(len, strips))
    directory.tagtype[Tag.StripOffsets] = directory.tagtype[Tag.StripByteCounts] = LONG
    directory[Tag.StripOffsets] = tuple(np.cumsum([0, *lengths])[:-1].tolist())  # from its end, as Pillow wants them
    directory[Tag.StripByteCounts] = tuple(lengths)
    return b"".join([b"II*\0", struct.pack("<I", 8), directory.tobytes(8), *strips])
