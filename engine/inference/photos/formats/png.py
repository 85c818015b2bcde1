"""PNG: the chunks beside the picture."""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import cv2
from PIL import Image

from data.containers import PNG_SIGNATURE as SIGNATURE
from data.containers import png_chunks, text_in
from data.decoders import UnreadablePhoto
from data.orientation import EXIF_HEAD, PNG_EXIF, TURNS
from data.orientation import PNG_XMP as XMP
from data.pillow import orientation_to_apply
from engine.inference.photos.formats.codec import Codec, deep_colours, saved
from engine.inference.photos.formats.exif import make_upright, make_xmp_upright
from engine.inference.photos.photo import Photo
from engine.inference.pixels import Pixels

NOT_KEPT = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"bKGD", b"hIST", b"sBIT", b"sPLT", b"acTL", b"fcTL", b"fdAT"}
"""The picture itself, and what depends on how its samples are stored."""

LEVEL = 4
"""Of compression, by OpenCV: 0.4 of the time of Pillow's 6, and 3 % more bytes, see docs/measurements.md."""

TEXTS = (b"tEXt", b"zTXt", b"iTXt")

HEXADECIMAL = {PNG_EXIF, *(b"Raw profile type " + name for name in (b"APP1", b"8bim", b"iptc", b"xmp"))}
"""Keywords of texts that hold what older ImageMagick writes in hexadecimal: a thumbnail or the orientation, maybe."""


class Png(Codec):
    """Reads and writes PNG: of 8 and 16 bits, and of a palette or of few bits in its own colours."""

    name, title, endings, media_type = "PNG", "PNG", (".png",), "image/png"

    def read(self, image: Image.Image, content: bytes) -> Photo:
        orientation = orientation_to_apply(image, content)
        kept = metadata(content, TURNS[orientation].transpose)
        exif = dict(kept).get(b"eXIf")
        return self.decoded(
            image, content, left_out(content), content[24], deep_samples(image, content), carried=kept, exif=exif
        )

    def note_elsewhere(self, photo: Photo, container: str) -> str | None:
        chunk = colours_beside_icc(photo.carried)
        return chunk and (
            f"the photo's {chunk} chunk says which colours its values mean, and the {container} does not: it will look "
            "different; write a .png, or convert the photo to sRGB first"
        )

    def write(self, photo: Photo, pixels_HW3: Pixels) -> bytes:
        same = photo.container == self.name
        if same and photo.few:
            image, alphas_K = photo.few.image(pixels_HW3, photo.alpha_HW), photo.few.palette_K4[:, 3]
            options: dict[str, Any] = {"bits": photo.few.bits}
            if (alphas_K < 255).any():
                options["transparency"] = alphas_K.tobytes()
            return with_metadata(saved(image, self.name, **options), photo.carried)
        encoded = encode(photo.samples_of(pixels_HW3))
        return with_metadata(encoded, photo.carried if same else metadata_chunks(photo))


def encode(samples_HWC: Pixels) -> bytes:
    """The PNG of samples with 1 to 4 channels of 8 or 16 bits."""
    if samples_HWC.shape[2] == 2:  # which OpenCV has not
        return saved(samples_HWC, "PNG")
    orders = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    if samples_HWC.shape[2] in orders:
        samples_HWC = cv2.cvtColor(samples_HWC, orders[samples_HWC.shape[2]])
    return cv2.imencode(".png", samples_HWC, (cv2.IMWRITE_PNG_COMPRESSION, LEVEL))[1].tobytes()


def deep_samples(image: Image.Image, content: bytes) -> Pixels | None:
    """Colours of 16 bits; None if Pillow keeps them all."""
    bits, colours = content[24:26]
    if bits == 16 and b"tRNS" in (kind for kind, _ in chunks(content)):
        raise UnreadablePhoto("it has 16 bits and a transparent colour; give it an alpha channel instead")
    if bits == 16 and colours:
        return deep_colours(content, "its 16-bit samples", (image.height, image.width))
    return None


def chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, data) of each chunk."""
    return ((kind, content[where]) for kind, where in png_chunks(content))


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk as it is in a file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def metadata(content: bytes, swapped: bool) -> list[tuple[bytes, bytes]]:
    """The chunks to carry over, made true for the upright photo: colour space, resolution, texts, EXIF, XMP."""
    kept = []
    for kind, data in chunks(content):
        keyword = data.partition(b"\0")[0] if kind in TEXTS else b""
        if kind in NOT_KEPT or keyword in HEXADECIMAL:
            continue
        if kind == b"eXIf":
            exif = make_upright(data.removeprefix(EXIF_HEAD), swapped)  # which some writers leave there
            if exif is None:
                continue
            data = exif
        elif keyword == XMP:
            try:
                data = with_upright_xmp(kind, data)
            except (ValueError, LookupError, zlib.error):  # broken, so that it cannot be made true
                continue
        elif kind == b"pHYs" and swapped and len(data) == 9:
            data = data[4:8] + data[:4] + data[8:]
        kept.append((kind, data))
    return kept


def left_out(content: bytes) -> list[str]:
    """Notes on what of a PNG is not carried over since it may show the photo as it was."""
    keywords = {data.partition(b"\0")[0] for kind, data in chunks(content) if kind in TEXTS}
    named = ", ".join(sorted(keyword.decode("latin-1") for keyword in keywords & HEXADECIMAL))
    return [f"texts of the photo's file that may show the hole are left out: {named}"] if named else []


SRGB_GAMMA, SRGB_COLOURS = 45455, (1, 13, 0, 1)
"""The gamma and the code points that mean sRGB, as which colours are taken where nothing is said."""


def colours_beside_icc(kept: list[tuple[bytes, bytes]]) -> str | None:
    """The chunk that gives the colours a meaning which no other format carries, for a note; None if there is none."""
    chunks_kept = dict(kept)
    if b"cICP" in chunks_kept:
        return None if tuple(chunks_kept[b"cICP"]) == SRGB_COLOURS else "cICP"
    if b"iCCP" in chunks_kept or b"sRGB" in chunks_kept:
        return None
    gamma = chunks_kept.get(b"gAMA", b"")
    if len(gamma) == 4 and struct.unpack(">I", gamma)[0] != SRGB_GAMMA:
        return "gAMA"
    return "cHRM" if chunks_kept.get(b"cHRM", SRGB_PRIMARIES) != SRGB_PRIMARIES else None


SRGB_PRIMARIES = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
"""White, red, green and blue of sRGB, as a cHRM chunk says them."""


def with_upright_xmp(kind: bytes, data: bytes) -> bytes:
    """The data of XMP's text chunk, made upright. ValueError, LookupError or zlib.error if it is broken."""
    head, text, packed = text_in(kind, data)
    edited = make_xmp_upright(text)
    if edited == text:
        return data
    return head + (zlib.compress(edited) if packed else edited)


def metadata_chunks(photo: Photo) -> list[tuple[bytes, bytes]]:
    """The chunks for the metadata of a photo that was no PNG."""
    made = {
        b"pHYs": photo.dpi and struct.pack(">IIB", *(round(value / 0.0254) for value in photo.dpi), 1),
        b"eXIf": photo.exif,
        b"iTXt": photo.xmp and XMP + b"\0\0\0\0\0" + photo.xmp,
    }
    return profile_chunks(photo.icc) + [(kind, data) for kind, data in made.items() if data]


def profile_chunks(icc: bytes | None) -> list[tuple[bytes, bytes]]:
    """The chunk of a colour profile, if there is one."""
    return [(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))] if icc else []


def with_metadata(encoded: bytes, kept: list[tuple[bytes, bytes]]) -> bytes:
    """The PNG `encoded` with these chunks in place of its own ancillary ones."""
    essential = [(kind, data) for kind, data in chunks(encoded) if kind in NOT_KEPT]
    return SIGNATURE + b"".join(chunk(*one) for one in (essential[0], *kept, *essential[1:]))
