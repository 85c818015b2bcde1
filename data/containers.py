"""The parts that image files are made of: JPEG's segments, PNG's and WebP's chunks, TIFF's directories.

One walker a format, for training and for inference. They go as far as a file can be followed, as decoders do, and leave
it to the caller to refuse what is missing or odd: only a text that is broken raises an error.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple, Self

Bytes = bytes | bytearray

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

START_OF_SCAN = 0xDA
STARTS_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})

WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
"""struct's characters of TIFF's types of whole numbers."""

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value of each of TIFF's types."""


MAX_TEXT = 1 << 20
"""Bytes of a PNG's text: a small file can claim to hold any number of them."""


class Segment(NamedTuple):
    """A segment of a JPEG's header."""

    marker: int
    payload: slice
    """Where its content is, which a file that was cut short has not all of."""
    strays: int
    """Bytes before it that are part of nothing, which decoders pass over."""


def jpeg_segments(content: Bytes) -> Iterator[Segment]:
    """The segments before a JPEG's pixels, and as the last one the start of these."""
    end = position = 2
    while (position := content.find(b"\xff", position)) >= 0 and position + 4 <= len(content):
        marker = content[position + 1]
        if marker == 0xFF:  # a fill byte
            end += end == position
            position += 1
        elif marker == 0:
            position += 2
        elif marker in _WITHOUT_LENGTH:
            end += 2 * (end == position)
            position += 2
        else:
            stop = position + 2 + struct.unpack_from(">H", content, position + 2)[0]
            yield Segment(marker, slice(position + 4, stop), position - end)
            if marker == START_OF_SCAN:
                return
            end = position = max(stop, position + 4)


class Chunk(NamedTuple):
    """A chunk of a PNG or a WebP."""

    kind: bytes
    data: slice
    """Where its content is, which a file that was cut short has not all of."""


def png_chunks(content: Bytes) -> Iterator[Chunk]:
    """The chunks of a PNG."""
    position = len(PNG_SIGNATURE)
    while position + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        yield Chunk(kind, slice(position + 8, position + 8 + length))
        position += 12 + length


def text_in(kind: bytes, data: bytes) -> tuple[bytes, bytes, bool]:
    """The bytes before the text in a text chunk's data, the text, and whether it is compressed there.

    ValueError, LookupError or zlib.error if it is broken, or longer than MAX_TEXT.
    """
    keyword = data.partition(b"\0")[0]
    if kind == b"tEXt":
        return data[: len(keyword) + 1], data[len(keyword) + 1 :], False
    if kind == b"zTXt":
        return data[: len(keyword) + 2], unpacked(data[len(keyword) + 2 :]), True
    start = len(keyword) + 3  # after whether it is compressed, and how; then a language and a translated keyword
    language, translated, text = data[start:].split(b"\0", 2)
    packed = data[len(keyword) + 1] != 0
    head = data[:start] + language + b"\0" + translated + b"\0"
    return head, unpacked(text) if packed else text, packed


def unpacked(text: bytes) -> bytes:
    """A compressed text. ValueError if it is longer than MAX_TEXT or not whole."""
    decompressor = zlib.decompressobj()
    text = decompressor.decompress(text, MAX_TEXT)
    if not decompressor.eof:
        raise ValueError("the text is longer than is read, or not whole")
    return text


def webp_chunks(content: Bytes) -> Iterator[Chunk]:
    """The chunks of a WebP."""
    position = 12
    while position + 8 <= len(content):
        kind, length = struct.unpack_from("<4sI", content, position)
        yield Chunk(kind, slice(position + 8, position + 8 + length))
        position += 8 + length + length % 2


class Directory(NamedTuple):
    """One of a TIFF's or an EXIF block's directories."""

    offset: int
    entries: dict[int, int]
    """Where the entry of each tag is; of a tag that is there twice, the first."""
    link: int
    """Where the offset of the next directory is, if the file goes on so far."""
    is_whole: bool
    """True if the file goes on as far as the entries."""


class Tiff(NamedTuple):
    """The layout of the numbers of a TIFF, a BigTIFF or an EXIF block."""

    order: str
    """struct's character of the order of bytes."""
    offset: str
    """That of an offset."""
    length: str
    """That of how many entries a directory has."""
    entry: int
    """Bytes of an entry."""
    first: int
    """Where the first directory's offset is."""

    @classmethod
    def of(cls, content: Bytes) -> Self | None:
        """That of a file; None if it is no TIFF."""
        order = {b"II": "<", b"MM": ">"}.get(bytes(content[:2]))
        if order is None or len(content) < 8:
            return None
        version = struct.unpack_from(order + "H", content, 2)[0]
        return {42: cls(order, "I", "H", 12, 4), 43: cls(order, "Q", "Q", 20, 8)}.get(version)

    def offset_at(self, content: Bytes, place: int) -> int | None:
        """The offset that is written at `place`; None where the file ends before, or it is 0."""
        size = struct.calcsize(self.offset)
        return (
            struct.unpack_from(self.order + self.offset, content, place)[0] or None
            if (0 <= place <= len(content) - size)
            else None
        )

    def directory(self, content: Bytes, offset: int | None) -> Directory | None:
        """The directory at `offset`; None where none can be."""
        size = struct.calcsize(self.length)
        if offset is None or offset + size > len(content):
            return None
        count = struct.unpack_from(self.order + self.length, content, offset)[0]
        start, link = offset + size, offset + size + count * self.entry
        entries: dict[int, int] = {}
        for place in range(start, min(link, len(content) - self.entry + 1), self.entry):
            entries.setdefault(struct.unpack_from(self.order + "H", content, place)[0], place)
        return Directory(offset, entries, link, link <= len(content))

    def value_at(self, entry: int) -> int:
        """Where in an entry its value is, if that has room there, and else the value's offset."""
        return entry + self.entry - struct.calcsize(self.offset)

    def numbers(self, content: Bytes, entry: int | None, most: int = 64) -> tuple[int, ...]:
        """The whole numbers of an entry; none if they are others, more than `most`, or not in the file."""
        if entry is None:
            return ()
        kind, count = struct.unpack_from(self.order + "H" + self.offset, content, entry + 2)
        if kind not in WHOLE_NUMBERS or not 0 < count <= most:
            return ()
        place: int | None = self.value_at(entry)
        if SIZES[kind] * count > struct.calcsize(self.offset):
            place = self.offset_at(content, self.value_at(entry))
        if place is None or place + SIZES[kind] * count > len(content):
            return ()
        return struct.unpack_from(f"{self.order}{count}{WHOLE_NUMBERS[kind]}", content, place)


def tiff_directories(content: Bytes, most: int = 64) -> Iterator[Directory]:
    """The chain of a TIFF's directories, as far as it leads, at most so many."""
    tiff, seen = Tiff.of(content), set[int]()
    place = tiff.first if tiff else 0
    while tiff and len(seen) < most:
        directory = tiff.directory(content, tiff.offset_at(content, place))
        if directory is None or directory.offset in seen or not directory.is_whole:
            return
        yield directory
        seen.add(directory.offset)
        place = directory.link
