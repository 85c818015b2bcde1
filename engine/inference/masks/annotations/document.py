"""An annotation file: which tool wrote it, and what it says of a photo."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any, NamedTuple

from engine.inference.holes.mask import Mask
from engine.inference.masks.annotations import coco as coco_json
from engine.inference.masks.annotations import cvat, fields, labelme, segment_anything, supervisely
from engine.inference.masks.annotations import label_studio as label_studio_json
from engine.inference.masks.annotations.picture import UNKNOWN, Options, Picture, mask_of
from engine.inference.masks.labels import listed


class NotThere(ValueError):
    """A data set's annotations do not know a photo."""


class Tool(NamedTuple):
    """A tool that writes annotations in JSON."""

    name: str
    wrote: Callable[[Any], bool]
    read: Callable[[Any], list[Picture]]
    one_photo: bool
    """A file of its is of one photo, whatever that is called; else of a data set."""
    as_displayed: bool = True
    """It shows photos upright."""


TOOLS = (
    Tool("COCO", coco_json.is_coco, coco_json.read, one_photo=False, as_displayed=False),
    Tool("LabelMe", labelme.is_labelme, labelme.read, one_photo=True),
    Tool("Supervisely", supervisely.is_supervisely, supervisely.read, one_photo=True),
    Tool("Segment Anything", segment_anything.is_segment_anything, segment_anything.read, one_photo=True),
    Tool("Label Studio", label_studio_json.is_label_studio, label_studio_json.read, one_photo=False),
)
KNOWN = ", ".join([*(tool.name for tool in TOOLS), "CVAT"])


class Document:
    """The annotations in a file."""

    def __init__(self, tool: str, pictures: list[Picture], one_photo: bool, as_displayed: bool) -> None:
        self.tool, self.pictures, self.one_photo, self.as_displayed = tool, pictures, one_photo, as_displayed
        self.labels = dict.fromkeys(area.label for picture in pictures for area in picture.areas)
        self.by_name: dict[str, list[Picture]] = defaultdict(list)
        """By the file's name, and by it without its ending."""
        for picture in pictures:
            name = parts_of(picture.name)[0]
            for key in {name, stem(name)}:
                self.by_name[key].append(picture)

    def picture_of(self, photo: str) -> Picture:
        """The picture that a photo's path names: with most folders in common, in any case; else with another ending.

        NotThere if there is none, ValueError if there are several.
        """
        if self.one_photo:
            return self.pictures[0]
        asked = parts_of(photo)
        alike = self.by_name.get(asked[0]) or self.by_name.get(stem(asked[0])) or []
        if not alike:
            raise NotThere(f"it has no picture {asked[0]}; it has {listed([one.name for one in self.pictures])}")
        shared = [in_common(asked[1:], parts_of(picture.name)[1:]) for picture in alike]
        best = [picture for picture, count in zip(alike, shared, strict=True) if count == max(shared)]
        names = {picture.name for picture in best}
        if len(names) > 1:
            raise ValueError(f"its pictures {listed(sorted(names))} could all be {photo}")
        return joined(best)

    def mask(
        self, photo: str, size: tuple[int, ...] | None, labels: tuple[str, ...], orientation: int, notes: list[str]
    ) -> Mask:
        """The mask of a photo of (height, width) as displayed, of which `orientation` is EXIF's.

        NotThere or ValueError if there is none, OtherSize if it is of another size.
        """
        picture = self.picture_of(photo)
        self.check_labels(labels)
        if self.one_photo and picture.name and stem(parts_of(photo)[0]) != stem(parts_of(picture.name)[0]):
            notes.append(f"the annotations are of {picture.name}, and are taken for {photo}")
        size = size or picture.size
        if not picture.areas and picture.size == UNKNOWN:
            picture = replace(picture, size=(size[0], size[1]))
        return mask_of(picture, size, Options(labels, orientation, self.as_displayed), notes)

    def check_labels(self, wanted: tuple[str, ...]) -> None:
        """ValueError if a label is nowhere in a data set; a file of one photo may lack it."""
        known = {label.casefold() for label in self.labels}
        unknown = [label for label in wanted if label.casefold() not in known]
        if unknown and not self.one_photo:
            raise ValueError(f"it has no label {', '.join(unknown)}; its labels are {listed([*self.labels])} (--label)")


def is_text(content: bytes) -> bool:
    """True if a file is JSON or XML by its beginning."""
    return content[:64].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[", b"<")


def parse(content: bytes) -> Document:
    """An annotation file's content. ValueError if it is none of a known tool's, or damaged."""
    if content[:64].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return Document("CVAT", cvat.read(fields.parse_xml(content)), one_photo=False, as_displayed=True)
    document = fields.parse_json(content)
    for tool in TOOLS:
        if tool.wrote(document):
            return Document(tool.name, tool.read(document), tool.one_photo, tool.as_displayed)
    raise ValueError(f"it is JSON of no tool that is read ({KNOWN})")


_reading = Lock()


def read(path: Path) -> Document:
    """The annotations in a file, which many photos ask for: read once. OSError, or ValueError as `parse`."""
    with _reading:
        about = path.stat()
        return _read(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=2)
def _read(path: Path, modified: int, size: int) -> Document:
    return parse(path.read_bytes())


def joined(pictures: list[Picture]) -> Picture:
    """Several tasks of one picture as one. ValueError if they have different sizes."""
    known = [picture for picture in pictures if picture.size != UNKNOWN] or pictures
    first = known[0]
    for other in known[1:]:
        if other.size != first.size:
            raise ValueError(f"it has {first.name} several times, in different sizes")
        first = replace(first, areas=first.areas + other.areas, left_out=first.left_out + other.left_out)
    return first


def parts_of(path: str) -> list[str]:
    """A file's name and its folders, the name first, without regard to case; [""] of no name."""
    return [part.casefold() for part in reversed(PurePosixPath(path.replace("\\", "/")).parts)] or [""]


def stem(name: str) -> str:
    """A name without its ending."""
    return PurePosixPath(name).stem


def in_common(one: list[str], other: list[str]) -> int:
    """The number of parts that they share, from the first on."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
