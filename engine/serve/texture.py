"""The texture options of a request: which texture, and from where in the photo it is taken."""

from typing import NamedTuple

from fastapi import HTTPException

from engine.inference.completer import CompletionOptions
from engine.inference.holes.mask import Mask
from engine.inference.report import Report

AREAS = ("sample", "avoid")
"""Masks of the photo's size: where alone texture may be taken from, and where it may not."""


class Texturing(NamedTuple):
    """The options of completion for a request."""

    options: CompletionOptions
    sample_HW: Mask | None = None
    avoid_HW: Mask | None = None


def check_drawn(options: CompletionOptions, asked: str, remedy: str) -> None:
    """HTTPException 422, with what was asked for and what to do, if no texture is drawn."""
    if options.texture == "none":
        raise HTTPException(422, f"{asked} and texture is none, so that no texture is taken; {remedy}")


def variant_of(options: CompletionOptions, variant: int, areas: list[str]) -> CompletionOptions:
    """The options of one of several completions, as engine-infer --variants numbers them, from 0 on.

    `areas` are the names of those that are given. HTTPException 422 if no texture is drawn, and one of them or another
    variant is asked for.
    """
    for asked in (*(["another variant is asked for"] if variant else []), *(f"{area} is given" for area in areas)):
        check_drawn(options, asked, "start engine-serve with --texture auto")
    return options._replace(seed=options.seed + variant)


def notes_of_variant(variant: int, report: Report) -> list[str]:
    """A note on a variant that may look as the others do."""
    if variant and not report.texture.get("photo"):
        return ["no hole is drawn with texture of the photo, and nothing else varies but the grain"]
    return []
