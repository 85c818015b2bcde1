"""Thumbnails in Photoshop's image resources and in XMP, which would still show what was removed.

XMP also announces what phones put behind a photo into its file: a gain map (Ultra HDR), or a video (motion photos).
These show what was removed, too, and are not kept, so that no viewer may look for them. In XMP only they go, and all
that stands beside them stays byte for byte; what would have to be taken apart for that is left out as a whole.
"""

import re

PHOTOSHOP_HEAD = b"Photoshop 3.0\0"
PHOTOSHOP_THUMBNAIL = re.compile(rb"(?:8BIM|MeSa|PHUT|AgHg|DCSR)\x04[\x09\x0c]")
"""The beginning of such a resource: a signature, and one of the two numbers."""

XMP_VALUE = rb"(?:xmp|xap)GImg:image|hdrgm:\w+|G?Camera:(?:MotionPhoto|MicroVideo)\w*"

XMP_PICTURE = re.compile(
    rb"<((?:xmp|xap):Thumbnails|G?Container:Directory|%b)(?=[\s/>])[^<>]*?(?:/>|>.*?(?:</\1\s*>|\Z))"
    rb"|(?:%b)\s*=\s*(?:\"[^\"]*\"|'[^']*')" % (XMP_VALUE, XMP_VALUE),
    re.DOTALL,
)
"""As an element (to the end, where it is not closed: no other has to be searched for) or an attribute."""

EXTENDED_HEAD = b"http://ns.adobe.com/xmp/extension/\0"
EXTENDED_START = 32 + 4 + 4
"""XMP beyond a segment's size: after the head its GUID, its length, and where this part begins."""

PHOTOSHOP_LEFT_OUT = "Photoshop's block in the photo's file, which has a thumbnail that shows the hole, is left out"


def has_photoshop_thumbnail(resources: bytes) -> bool:
    """True if there is a thumbnail among Photoshop's image resources."""
    return PHOTOSHOP_THUMBNAIL.search(resources) is not None


def has_extended_picture(payloads: list[bytes]) -> bool:
    """True if there is a picture in the XMP that is spread over these segments of a JPEG, in whatever order."""
    parts = sorted(payload.removeprefix(EXTENDED_HEAD) for payload in payloads)
    return XMP_PICTURE.search(b"".join(part[EXTENDED_START:] for part in parts)) is not None


def without_xmp_pictures(xmp: bytes) -> bytes:
    """XMP with spaces where other pictures were or were announced: whatever counts its bytes stays true."""
    return XMP_PICTURE.sub(lambda found: b" " * len(found[0]), xmp)
