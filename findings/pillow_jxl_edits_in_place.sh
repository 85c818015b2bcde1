#!/usr/bin/env bash
# pillow-jxl-plugin 1.3.8: a JPEG that is opened by name, edited in place and saved as JPEG XL is saved without the edits.
#
# The plugin then packs the JPEG file itself, read again from the disk. A warning says that it reconstructs the JPEG, and
# not that the picture in memory is left out. As PNG the same picture is saved as it is; and as JPEG XL, too, with
# lossless_jpeg=False. Exit status 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 pillow-jxl-plugin==1.3.8 packaging
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import warnings
from importlib.metadata import version

import pillow_jxl  # noqa: F401
from PIL import Image

warnings.simplefilter("ignore")
print("pillow-jxl-plugin", version("pillow-jxl-plugin"))
Image.new("RGB", (64, 64), "white").save("photo.jpg", quality=95)
image = Image.open("photo.jpg")
image.paste("black", (16, 16, 48, 48))
image.save("edited.png")
image.save("edited.jxl")
image.save("edited-2.jxl", lossless_jpeg=False, lossless=True)
seen = {}
for name in ("edited.png", "edited.jxl", "edited-2.jxl"):
    seen[name] = Image.open(name).convert("RGB").getpixel((32, 32))
    print(f"{name}: the pixel that was painted black is {seen[name]}")
expected = {"edited.png": (0, 0, 0), "edited.jxl": (255, 255, 255), "edited-2.jxl": (0, 0, 0)}
raise SystemExit(0 if seen == expected else f"the behaviour has changed: {seen}")
PYTHON
