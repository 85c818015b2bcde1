"""Whatever is in a file, it is read, or refused as unreadable: no other error, and the same by all who read it."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from PIL.ExifTags import Base

from data.decode import decode
from data.decoders import UnreadablePhoto, decoding
from data.headers import Unusable, parse_header
from data.orientation import TURNS, orientation_of, upright
from engine.inference.masks.files import MaskOptions, parse_mask
from engine.inference.photos.formats import codec
from engine.inference.photos.formats.registry import CONTAINERS
from engine.inference.photos.reading import TooManyPixels, parse_photo
from engine.inference.photos.writing import encode
from tests.engine.inference.photos.made_files import XMP, exif_block, files_of_every_kind, mangle

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, about what it cannot read

KINDS = tuple(files_of_every_kind())
NOT_TRAINED_ON = ("avif", "heic", "jpeg xl")
MANGLED = 40
"""Of each kind."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_photo_is_read_or_unreadable(kind):
    unreadable, not_held = [], []
    for seed in range(MANGLED):
        broken = mangle(files_of_every_kind()[kind], np.random.default_rng(seed))
        try:
            read = parse_photo(broken, "photo", max_pixels=10**6)
        except (UnreadablePhoto, TooManyPixels) as error:
            unreadable.append(str(error))
            continue
        for container in sorted(set(CONTAINERS.values())):
            try:
                encode(read, read.pixels_HW3, container)
            except ValueError as error:
                not_held.append(str(error))
    assert all(said.startswith("cannot read the photo photo: ") for said in unreadable)
    assert all("write a .png" in said for said in not_held), "only what a format cannot hold"


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_mask_is_read_or_refused(kind):
    refused = []
    for seed in range(MANGLED):
        broken = mangle(files_of_every_kind()[kind], np.random.default_rng(seed))
        try:
            parse_mask(broken, "mask.png")
        except ValueError as error:
            refused.append(str(error))
    assert all(said.startswith("cannot read the mask mask.png: ") for said in refused)


def test_a_tiff_of_one_bit_that_does_not_say_what_is_white():
    content = files_of_every_kind()["tiff of one bit"]
    entry = content.index(struct.pack("<HH", Base.PhotometricInterpretation, 3))
    read = parse_photo(content[:entry] + struct.pack("<H", 65000) + content[entry + 2 :], "photo")
    assert read.few.bits == 1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in NOT_TRAINED_ON])
def test_inference_and_training_see_the_same_size_and_orientation(kind):
    """Of every photo that both read, whole or damaged; its mode decides of the same files that both refuse them."""
    compared = 0
    for content in (
        files_of_every_kind()[kind],
        *(mangle(files_of_every_kind()[kind], np.random.default_rng(seed)) for seed in range(MANGLED)),
    ):
        try:
            read, header = parse_photo(content, "photo", max_pixels=10**6), parse_header(content)
        except ValueError:
            continue
        width, height = header.width, header.height
        seen = (width, height) if TURNS[header.orientation].transpose else (height, width)
        assert read.pixels_HW3.shape[:2] == seen
        if read.container == "JPEG":
            assert read.orientation == header.orientation
        if read.container in ("JPEG", "PNG", "WEBP"):
            assert header.orientation == orientation_of(content)
        compared += 1
    assert compared or kind in ("gif", "bmp", "jpeg cmyk", "tiff of two pages"), "both refuse these alone"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("container", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("place", ["exif", "xmp", "both"])
def test_an_orientation_is_one_for_all_who_read_it(orientation, container, place):
    """Told by XMP alone it counts as by EXIF; EXIF comes first; of a TIFF its own tags count alone."""
    options: dict = {}
    xmp = XMP.replace(b'"6"', b'"%d"' % (orientation if place == "xmp" else 3))
    if place != "exif" and container == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    elif place != "exif" and container == "TIFF":
        options["tiffinfo"] = {Base.XMLPacket: xmp}
    elif place != "exif":
        options["xmp"] = xmp
    if place != "xmp" and container == "TIFF":
        options["tiffinfo"] = options.get("tiffinfo", {}) | {Base.Orientation: orientation}
    elif place != "xmp":
        options["exif"] = b"Exif\0\0" + exif_block(orientation)
    stored_HW3 = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(stored_HW3).save(file, container, **options)
    content, told = file.getvalue(), 1 if (place, container) == ("xmp", "TIFF") else orientation
    assert orientation_of(content) == told
    assert parse_header(content).orientation == (1 if container == "TIFF" else told)
    seen_HW3 = parse_photo(content, "photo").pixels_HW3
    trained_on_HW3 = upright(decode(content), parse_header(content).orientation)[..., ::-1]
    assert seen_HW3.shape == trained_on_HW3.shape == upright(stored_HW3, told).shape
    if container in ("PNG", "TIFF"):
        np.testing.assert_array_equal(seen_HW3, upright(stored_HW3, told))
        np.testing.assert_array_equal(trained_on_HW3, seen_HW3)
        mask_HW = parse_mask(content, options=MaskOptions(threshold=0.5))
        np.testing.assert_array_equal(mask_HW, upright(stored_HW3.max(2) >= 128, told))


def test_training_refuses_strays_between_the_segments_of_a_jpeg_and_inference_passes_over_them():
    content = files_of_every_kind()["jpeg with metadata"]
    second = 4 + struct.unpack_from(">H", content, 4)[0]
    strays = content[:second] + b"\0\1\2" + content[second:]
    assert parse_photo(strays, "photo").orientation == parse_photo(content, "photo").orientation == 6
    with pytest.raises(Unusable, match="a damaged JPEG header"):
        parse_header(strays)
    for harmless in (b"\xff\xff", b"\xff\x01"):  # fill bytes, and a marker without content
        assert parse_header(content[:second] + harmless + content[second:])[:4] == parse_header(content)[:4]


def test_an_error_of_our_own_is_not_told_as_an_unreadable_photo(monkeypatch):
    error = AttributeError("our own")

    def fail(*arguments):
        raise error

    monkeypatch.setattr(codec, "split_samples", fail)
    with pytest.raises(AttributeError) as raised:
        parse_photo(files_of_every_kind()["webp without loss"], "photo")
    assert raised.value is error


@pytest.mark.parametrize(
    "error", [TypeError("?"), KeyError("?"), SyntaxError("?"), MemoryError(), UnreadablePhoto("?")]
)
def test_what_a_decoder_raises_is_an_unreadable_photo(error):
    with pytest.raises(UnreadablePhoto, match=r"\?|MemoryError"), decoding():
        raise error
