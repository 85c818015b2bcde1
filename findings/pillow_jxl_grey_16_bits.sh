#!/usr/bin/env bash
# pillow-jxl-plugin 1.3.8: 16 bits of grey are written as linear light, and 8 bits as sRGB.
#
# A Pillow picture without a profile is sRGB by custom, in either depth. Saved as a lossless JPEG XL, the numbers of
# both come back as they were, but the file of 16 bits says that they are linear light: a viewer that goes by it shows
# the middle grey of 50 % at 74 %. Exit status 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 pillow-jxl-plugin==1.3.8 numpy packaging
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import io
from importlib.metadata import version

import numpy as np
import pillow_jxl  # noqa: F401
from PIL import Image, ImageCms

print("pillow-jxl-plugin", version("pillow-jxl-plugin"))
seen = {}
for bits, dtype, middle in ((8, np.uint8, 128), (16, np.uint16, 128 * 257)):
    samples, file = np.full((8, 8), middle, dtype), io.BytesIO()
    Image.fromarray(samples).save(file, "JXL", lossless=True)
    with Image.open(io.BytesIO(file.getvalue())) as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        same = np.array_equal(np.asarray(image), samples)
    shown = ImageCms.profileToProfile(
        Image.new("L", (8, 8), 128), profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
    ).getpixel((0, 0))[0]
    name = profile.profile.profile_description
    seen[bits] = same, name, shown > 160
    print(f"{bits} bits: the same numbers: {same}; profile {name}; middle grey is shown as {shown} of 255")
expected = {8: (True, "Gra_D65_Rel_SRG", False), 16: (True, "Gra_D65_Rel_Lin", True)}
raise SystemExit(0 if seen == expected else f"the behaviour has changed: {seen}")
PYTHON
