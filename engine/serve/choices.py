"""The options that a request to /complete brings: texts of its form, in place of those of engine-serve itself."""

from typing import Any, NamedTuple

from fastapi import HTTPException

from engine.inference.completer import check_options
from engine.inference.holes.mask import Box, parse_box
from engine.inference.holes.scales import parse_scale
from engine.inference.options import MOST_PIXELS, CompletionOptions
from engine.inference.photos.formats.registry import CONTAINERS
from engine.serve.bodies import refusing
from engine.serve.texture import check_drawn

FORMATS = {ending.removeprefix("."): name for ending, name in CONTAINERS.items()}
"""The values of `format`, and the names of the formats."""

CHOICES = ("hole", "dilate", "blend", "feather", "scale", "texture", "seed", "format")
"""The texts."""


class Choices(NamedTuple):
    """The options of a request."""

    options: CompletionOptions
    holes: tuple[Box, ...]
    """Rectangles that are completed in place of a mask."""
    container: str | None
    """The format of the result; None: the photo's own."""


def chosen(options: CompletionOptions, texts: dict[str, str], files: list[str]) -> Choices:
    """The server's options with what the texts of a form choose; `files` are the names of those that it has.

    HTTPException 422 if a value is none that the option has, or they contradict each other.
    """
    holes: tuple[Box, ...] = ()
    if "hole" in texts:
        with refusing(422):
            holes = tuple(parse_box("hole", box) for box in texts["hole"].split() or [texts["hole"]])
    if bool(holes) == ("mask" in files):
        both = "mask and hole are both given" if holes else "neither mask nor hole is given"
        raise HTTPException(422, f"{both}; send one: -F mask=@mask.png or -F hole=X,Y,WIDTH,HEIGHT")
    if holes and "label" in texts:
        raise HTTPException(422, "hole and label are both given, and only masks have labels; leave one out")
    container = FORMATS.get(texts.get("format", "").lower())
    if "format" in texts and container is None:
        raise HTTPException(422, f"format is {texts['format'][:100]!r}; it must be one of: {', '.join(FORMATS)}")
    given: dict[str, Any] = {name: texts[name] for name in ("blend", "texture") if name in texts}
    given |= {name: number(name, texts[name]) for name in ("dilate", "feather") if name in texts}
    if "seed" in texts:
        given["seed"] = number("seed", texts["seed"], most=None)
    with refusing(422):
        if "scale" in texts:
            given["octaves"] = parse_scale("scale", texts["scale"])
        options = options._replace(**given)
        check_options(options)
    for name in files:
        if name != "mask":
            check_drawn(options, f"{name} is given", f"leave {name} out, or send texture=auto")
    return Choices(options, holes, container)


def number(name: str, text: str, most: int | None = MOST_PIXELS) -> int:
    """A whole number from 0 on. HTTPException 422 if it is none, or more than the most."""
    limit = "0 or more" if most is None else f"0 to {most}"
    try:
        value = int(text)
    except ValueError:  # of thousands of digits, too
        value = -1
    if value < 0 or (most is not None and value > most):
        raise HTTPException(422, f"{name} is {text[:100]!r}; it must be a whole number, {limit}")
    return value
