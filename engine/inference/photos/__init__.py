"""Photos in and out: read whole (`reading.py`), and written as they were with only the hole changed (`writing.py`).

JPEG, PNG, TIFF, WebP, HEIC, AVIF and JPEG XL, each with a codec in `formats`; grey, RGB, palette; with alpha; of 8 bits
per sample, and of more where the format says so. Metadata (EXIF, XMP, ICC profile, resolution and what else the format
carries) stays as it was. The orientation is applied and reset, but for a JPEG from a JPEG, which keeps it. Other
pictures, which show the hole's old content, are removed: thumbnails (in EXIF, XMP, Photoshop's resources), and what
phones put behind the photo (gain maps, videos) with what announces it.
"""
