"""Complete one photo and write it as it was: python examples/complete_photo.py photo.jpg mask.png done.jpg

The result has the photo's format, depth and metadata; the mask may be in any form that engine-infer takes.
"""

import sys
from pathlib import Path

from engine import Completer
from engine.inference.masks.files import read_mask
from engine.inference.photos.reading import read_photo
from engine.inference.photos.writing import write_photo
from engine.inference.report import Report


def main(photo_path: Path, mask_path: Path, out: Path) -> None:
    photo = read_photo(photo_path)
    mask_HW = read_mask(mask_path, size=photo.pixels_HW3.shape[:2])
    report = Report()
    completed_HW3 = Completer.load().complete(photo.pixels_HW3, mask_HW, dilate=None, report=report)
    write_photo(out, photo, completed_HW3)
    print(f"{out}: {report.windows} window(s)", *photo.notes, *report.warnings, sep="\n  ")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
