"""Ways to complete compared with each other on the same photos: one's measures minus another's."""

from collections.abc import Sequence
from math import isnan, nan
from statistics import fmean, stdev
from typing import NamedTuple

from engine.evaluation import RIVALS, Case
from engine.metrics import BETTER

COMPARED = ("psnr_hole", "feature_distance")
"""The measures that are compared: what a blur pleases, and what people see."""

DEFAULT = "default"
"""The name of the weights that come with the engine."""


class Difference(NamedTuple):
    """The mean over the same photos of one way's measure minus another's, and how sure it is."""

    mean: float
    standard_error: float


def difference(cases: Sequence[Case], name: str, ours: str, other: str) -> Difference | None:
    """The measure `name` (a score, or one of looks) of `ours` minus that of `other`; None if not two photos tell."""
    each = [value_of(case, name, ours) - value_of(case, name, other) for case in cases]
    told = [value for value in each if not isnan(value)]
    return Difference(fmean(told), stdev(told) / len(told) ** 0.5) if len(told) > 1 else None


def value_of(case: Case, name: str, way: str) -> float:
    """The measure `name` of one way's completion; NaN if it was not taken."""
    taken = case.scores[way] if hasattr(case.scores[way], name) else case.looks.get(way)
    value: float = getattr(taken, name, nan)
    return value


def compared(cases: Sequence[Case]) -> dict[str, dict[str, Difference]]:
    """The measures of a way minus those of each other one, under "this minus that".

    The way is the first but for the engine's own weights, which others are compared with. Of one photo nothing is said.
    """
    ways = list(cases[0].scores)
    ours = next((way for way in ways if way not in (DEFAULT, *RIVALS)), ways[0])
    found = {}
    for other in ways:
        if other != ours:
            each = {name: difference(cases, name, ours, other) for name in COMPARED}
            found[f"{ours} minus {other}"] = {name: value for name, value in each.items() if value is not None}
    return found


def in_words(name: str, mean: float, error: float) -> str:
    """One of the measures that ways are compared by, in words."""
    if name == "psnr_hole":
        return f"PSNR in the hole {mean:+.2f} ± {error:.2f} dB"
    return f"{name.replace('_', ' ')} {mean:+.2f} ± {error:.2f}"


def verdict(name: str, mean: float, error: float) -> str:
    """What a difference with this standard error says of one of the measures that ways are compared by."""
    if abs(mean) <= 2 * error:
        return "no difference that could not be chance"
    return "better" if (mean > 0) == BETTER[name].startswith("higher") else "worse"
