"""Thumbnails in Photoshop's image resources and in XMP, which would still show what was removed.

XMP also announces what phones put behind a photo into its file: a gain map (Ultra HDR), or a video (motion photos).
These show what was removed, too, and are not kept, so that no viewer may look for them. Only they go; all that stands
beside them stays byte for byte.
"""

import hashlib
import re
import struct
from collections.abc import Callable

PHOTOSHOP_HEAD = b"Photoshop 3.0\0"
SIGNATURES = (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR")
THUMBNAILS = (0x0409, 0x040C)

SEGMENT = 0xFFFF - 2
"""The most bytes that a segment of a JPEG holds."""

XMP_VALUE = rb"(?:xmp|xap)GImg:image|hdrgm:\w+|G?Camera:(?:MotionPhoto|MicroVideo)\w*"

XMP_PICTURE = re.compile(
    rb"<((?:xmp|xap):Thumbnails|G?Container:Directory|%b)(?=[\s/>])[^<>]*?(?:/>|>.*?(?:</\1\s*>|\Z))"
    rb"|(?:%b)\s*=\s*(?:\"[^\"]*\"|'[^']*')" % (XMP_VALUE, XMP_VALUE),
    re.DOTALL,
)
"""As an element (to the end, where it is not closed: no other has to be searched for) or an attribute."""

EXTENDED_HEAD = b"http://ns.adobe.com/xmp/extension/\0"
EXTENDED_START = len(EXTENDED_HEAD) + 32 + 4 + 4
"""XMP beyond a segment's size: after the head its GUID, which is its MD5, its length, and where this part begins."""


def without_photoshop_thumbnails(resources: bytes) -> bytes:
    """Photoshop's image resources without the two kinds of thumbnails. From where they are broken, as they are."""
    kept, position = [], 0
    while resources[position : position + 4] in SIGNATURES and position + 12 <= len(resources):
        number, name = struct.unpack_from(">HB", resources, position + 4)
        size_at = position + 6 + (1 + name + 1) // 2 * 2
        if size_at + 4 > len(resources):
            break
        size = struct.unpack_from(">I", resources, size_at)[0]
        end = min(size_at + 4 + size + size % 2, len(resources))
        if number not in THUMBNAILS:
            kept.append(resources[position:end])
        position = end
    return b"".join([*kept, resources[position:]])


def without_xmp_pictures(xmp: bytes) -> bytes:
    """XMP with spaces where other pictures were or were announced: whatever counts its bytes stays true."""
    return XMP_PICTURE.sub(lambda found: b" " * len(found[0]), xmp)


def photoshop_segments(payloads: list[bytes]) -> list[bytes]:
    """`without_photoshop_thumbnails` for the segments of a JPEG, over which a resource may be spread."""
    resources = b"".join(payload[len(PHOTOSHOP_HEAD) :] for payload in payloads)
    kept = without_photoshop_thumbnails(resources)
    if kept == resources:
        return payloads
    size = SEGMENT - len(PHOTOSHOP_HEAD)
    return [PHOTOSHOP_HEAD + kept[start : start + size] for start in range(0, len(kept), size)]


def extended_xmp_segments(
    payloads: list[bytes], edit: Callable[[bytes], bytes]
) -> tuple[list[bytes], dict[bytes, bytes]]:
    """XMP that is spread over segments of a JPEG after `edit`, which keeps its length, and the GUIDs that changed."""
    places: dict[bytes, list[tuple[int, int]]] = {}
    for number, payload in enumerate(payloads):
        if len(payload) >= EXTENDED_START:
            guid, start = payload[len(EXTENDED_HEAD) :][:32], struct.unpack_from(">I", payload, EXTENDED_START - 4)[0]
            places.setdefault(guid, []).append((start, number))
    made, changed = list(payloads), {}
    for guid, parts in places.items():
        numbers = [number for _, number in sorted(parts)]
        whole = b"".join(payloads[number][EXTENDED_START:] for number in numbers)
        kept = edit(whole)
        if kept == whole:
            continue
        changed[guid] = hashlib.md5(kept, usedforsecurity=False).hexdigest().upper().encode()
        position = 0
        for number in numbers:
            payload = payloads[number]
            size = len(payload) - EXTENDED_START
            lengths = payload[EXTENDED_START - 8 : EXTENDED_START]
            made[number] = EXTENDED_HEAD + changed[guid] + lengths + kept[position : position + size]
            position += size
    return made, changed
