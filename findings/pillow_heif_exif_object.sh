#!/usr/bin/env bash
# pillow-heif 1.8.1: save(exif=...) turns the picture if the EXIF is bytes, and does not if it is a Pillow Exif object.
#
# Both are documented ("None, bytes or PIL.Image.Exif class"), and hold the same orientation, 6 (turn by 90 degrees).
# Given as bytes, it is written as the file's own property (irot), by which HEIF viewers go. Given as an object, it is
# written into the EXIF block alone, which they ignore: the photo lies on its side. Exit status 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 pillow-heif==1.8.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io

import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()
print("pillow-heif", pillow_heif.__version__, "libheif", pillow_heif.libheif_version())
exif = Image.Exif()
exif[0x0112] = 6
seen = {}
for kind, given in (("bytes", exif.tobytes()), ("Image.Exif", exif)):
    file = io.BytesIO()
    Image.new("RGB", (96, 64), "red").save(file, "HEIF", exif=given)
    with Image.open(io.BytesIO(file.getvalue())) as image:
        seen[kind] = image.size, b"irot" in file.getvalue(), image.info["original_orientation"]
        print(f"exif={kind}: 96x64 is shown as {image.size[0]}x{image.size[1]}, irot written: {seen[kind][1]}")
expected = {"bytes": ((64, 96), True, 6), "Image.Exif": ((96, 64), False, 6)}
raise SystemExit(0 if seen == expected else f"the behaviour has changed: {seen}")
PYTHON
