"""The lines that engine-infer prints of each photo, and at the end: for people, or as JSON."""

import json
import sys
from collections import Counter

from engine.inference.folders.jobs import told_passed_over
from engine.inference.folders.options import Outcome
from engine.inference.holes.mask import in_pixels


def print_outcome(outcome: Outcome, as_json: bool) -> None:
    """One line for a photo, and one for each warning."""
    if as_json:
        print(json.dumps(outcome.as_json()), flush=True)
        return
    if outcome.status == "failed":
        photo = outcome.job.photo_called
        named = "" if photo in str(outcome.error) else f"{photo}: "
        print(f"engine-infer: {named}{outcome.error}", file=sys.stderr, flush=True)
    elif outcome.status == "skipped":
        print(f"{outcome.job.out_called}: there already, skipped", flush=True)
    elif outcome.status == "copied":
        print(f"{outcome.job.out_called}: nothing to complete, copied as it is", flush=True)
    else:
        report = outcome.report
        share = outcome.hole_pixels / (outcome.size[0] * outcome.size[1])
        widened = f" (widened by {in_pixels(report.widened)})" if report.widened else ""
        scales = f" from 1/{max(report.scales)} of the resolution up" if report.scales != {1} else ""
        drawn = f", texture of {report.texture['photo']} hole(s) from the photo" if report.texture.get("photo") else ""
        drawn += f", {report.texture['smooth']} thin hole(s) filled smoothly" if report.texture.get("smooth") else ""
        stages = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in report.seconds.items())
        print(
            f"{outcome.job.out_called}: {share:.2%} of {outcome.size[1]}x{outcome.size[0]} completed{widened}{scales}"
            f"{drawn} by {report.runtime} in {sum(report.seconds.values()):.2f} s ({stages})",
            flush=True,
        )
        for warning in report.warnings:
            print(f"  note: {warning}", flush=True)


def print_summary(counts: Counter[str], as_json: bool) -> None:
    """Print the number of photos of each outcome."""
    photos = {status: counts[status] for status in ("completed", "copied", "skipped", "failed")}
    if as_json:
        print(json.dumps({"summary": photos}), flush=True)
    else:
        print(", ".join(f"{count} {status}" for status, count in photos.items() if count), flush=True)


def print_passed_over(pictures: Counter[str]) -> None:
    """Say how many pictures, by their ending, are none that can be completed."""
    for line in told_passed_over(pictures):
        print(line, file=sys.stderr)


def exit_status(counts: Counter[str]) -> int:
    """0 if no photo failed, 3 if all of several did, and else 1."""
    if not counts["failed"]:
        return 0
    return 3 if counts["failed"] == counts.total() > 1 else 1
