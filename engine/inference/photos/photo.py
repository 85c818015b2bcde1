"""A photo as it is in memory: its pixels upright, and what is needed to write its file back as it was."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data.orientation import EXIF_HEAD
from engine.inference.photos.formats.few_colours import FewColours
from engine.inference.pixels import Pixels, as_grey


@dataclass(frozen=True, kw_only=True, slots=True)
class Photo:
    """A decoded photo, upright, and what is needed to write it back as it was."""

    pixels_HW3: Pixels
    """RGB; of a grey photo, three times the same."""
    alpha_HW: Pixels | None
    grey: bool
    container: str
    """The name of its file's format, by which `formats/registry.py` has the codec."""
    exif: bytes | None
    icc: bytes | None
    xmp: bytes | None
    dpi: tuple[float, float] | None
    compression: dict[str, Any] = field(default_factory=dict)
    """Options of the encoder that wrote the file."""
    carried: Any = None
    """The container's parts that are carried over as they are: JPEG segments, PNG chunks or TIFF tags."""
    orientation: int = 1
    """The orientation of a JPEG's stored pixels; it is written back so, since its blocks, turned, would be other
    blocks."""
    exif_orientation: int = 1
    """The orientation of the file's stored pixels, of any format."""
    selection_HW: Pixels | None = None
    """The selection that is saved in a TIFF."""
    premultiplied: bool = False
    """True if the colours in a TIFF are multiplied by its alpha."""
    file: bytes = b""
    """The whole file, of a JPEG: where its pixels cannot be kept, its coefficients can."""
    few: FewColours | None = None
    """The indices and colours of a file of one bit per pixel, or with a palette."""
    notes: tuple[str, ...] = ()
    """Notes on what is not kept of the file."""
    nodata: float | None = None
    """The value of pixels without data, if the file declares one."""

    def samples_of(self, pixels_HW3: Pixels) -> Pixels:
        """The photo with other pixels as files store it, (height, width, 1 to 4): grey as one channel, alpha last."""
        samples_HWC = as_grey(pixels_HW3) if self.grey else pixels_HW3
        if self.alpha_HW is not None:
            samples_HWC = np.concatenate((samples_HWC, self.alpha_HW[..., None]), axis=2)
        if samples_HWC.itemsize == 2 and samples_HWC.shape[2] == 2:
            return samples_HWC[..., [0, 0, 0, 1]]  # no reader has 16-bit grey with alpha; colour holds the same
        return samples_HWC

    def metadata(self) -> dict[str, Any]:
        """Those of `exif`, `xmp` and `icc_profile` that there are, as Pillow takes them to write them into any file."""
        known = {"exif": self.exif and EXIF_HEAD + self.exif, "xmp": self.xmp, "icc_profile": self.icc}
        return {name: value for name, value in known.items() if value}
