"""Checkpoints of earlier versions of this engine, in the form of this one: the only place that knows of them."""

import ast
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.training.config import TrainConfig

log = logging.getLogger(__name__)

FORMAT = 3
"""Of checkpoints: to be raised whenever their content changes, with a step in `migrate` from the one before and a file
of the new one in tests/engine/kept."""


def migrate(state: dict[str, Any], path: Path) -> dict[str, Any]:
    """A checkpoint's `state` brought to FORMAT, in place. ValueError if it is too old, or of a later version.

    Its options are those of this version: one that it lacks has its default, and one that there is no longer is left
    out, which the log says.
    """
    if state["format"] == 2:  # options were Python's texts of their values
        state["config"] = {name: value_of(text) for name, text in state["config"].items()}
        state["format"] = 3
    if state["format"] != FORMAT:
        raise ValueError(f"{path} has checkpoint format {state['format']}; this version reads 2 to {FORMAT}")
    defaults = TrainConfig().as_json()
    if gone := sorted(state["config"].keys() - defaults.keys()):
        log.info("%s was trained with options that there are no longer: %s", path, ", ".join(gone))
    state["config"] = {name: state["config"].get(name, default) for name, default in defaults.items()}
    return state


def value_of(text: str) -> Any:
    """The value that Python writes as `text`, as JSON has it; the text itself if it is that of a text or a path."""
    with suppress(ValueError, SyntaxError):
        value = ast.literal_eval(text)
        return list(value) if isinstance(value, tuple) else value
    return text
