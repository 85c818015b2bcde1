"""The options of completing many photos, and the outcome of each."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.inference.folders.jobs import Job, Transfer
from engine.inference.folders.mask_sources import MaskSource
from engine.inference.options import CompletionOptions
from engine.inference.photos.reading import MAX_PIXELS
from engine.inference.report import Report


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """The options of completing each photo."""

    masks: MaskSource
    completion: CompletionOptions
    shadow: bool = False
    """Complete the shadows of what is masked, too."""
    overwrite: bool = False
    max_pixels: int = MAX_PIXELS
    side_by_side: Path | None = None
    save_mask: Path | None = None
    """A PNG for the mask of the only photo, before it is widened."""
    copy_empty: bool = False
    """Write a photo as it is whose mask is empty; else that is an error."""
    copy_missing: bool = False
    """The same for a photo without a mask."""
    nodata: float | None = None
    """The value of pixels without data. None: what the file declares."""
    sample: Path | None = None
    """Mask, or folder of masks, of where texture may be taken from."""
    avoid: Path | None = None
    """The same for where it may not."""
    force: bool = False
    """Complete more than half of a photo, too, where a mask says so."""
    lossless_outside: bool = False
    """Change nothing outside the hole in a JPEG either; see `write_losslessly`."""
    transfer: Transfer | None = None
    """For photos that are elsewhere."""


@dataclass(slots=True)
class Outcome:
    """The outcome of one photo."""

    job: Job
    status: Literal["pending", "completed", "copied", "skipped", "failed"] = "pending"
    """Completed and copied from when the file is written; copied: as it is, since there was nothing to complete."""
    error: str | None = None
    size: tuple[int, int] = (0, 0)
    """Height and width in pixels."""
    hole_pixels: int = 0
    """Pixels that were completed: those of the mask, and those that it was widened by."""
    report: Report = field(default_factory=Report)

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        values: dict[str, Any] = {
            "photo": self.job.photo_called,
            "out": self.job.out_called,
            "status": self.status,
        }
        if self.status == "failed":
            return values | {"error": self.error}
        if self.status in ("copied", "skipped"):
            return values | ({"warnings": self.report.warnings} if self.report.warnings else {})
        report = self.report
        return values | {
            "width": self.size[1],
            "height": self.size[0],
            "hole_pixels": self.hole_pixels,
            "widened": sorted(report.widened),
            "runtime": report.runtime,
            "windows": report.windows,
            "window_pixels": report.window_pixels,
            "scales": sorted(report.scales),
            "texture": report.texture,
            "seconds": {stage: round(seconds, 4) for stage, seconds in report.seconds.items()},
            "warnings": report.warnings,
        }
