"""The start of every command: quickly, and with an error in one line even where its modules cannot be loaded."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import engine
from engine.commands.ending import ends_in_a_line
from engine.packages import EXTRAS, install_line

SPINS = "10000"
"""Turns for which OpenMP's threads wait busily for their next piece of work, and then sleep. By default they go on for
milliseconds: with two other programs on two cores, a photo of 512x512 with four holes took 1.40 s so, and 0.55 s with
10,000 turns (0.60 with none); on an idle machine 0.33 s both (0.35 with none)."""


def start(command: str, module: str) -> None:
    """Load the command's module and run its `main`.

    What the modules leave behind, most of it torch's, lasts to the end. Python's garbage collector would look through
    it again and again while they load, and once more at the end: 0.6 of the 1.6 s that importing torch takes in all.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # read when torch loads its libgomp
    with ends_in_a_line(command):
        for package in ("data", "kernels"):
            check_beside_engine(package)
        with modules_kept():
            loaded = load(module)
    loaded.main()


def load(module: str) -> ModuleType:
    """The command's module. ValueError with what to install if it needs a package that is not there."""
    try:
        return import_module(f"engine.commands.{module}")
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        raise ValueError(f"{error.name} is needed: {install_line(error.name)}") from error


@contextmanager
def modules_kept() -> Iterator[None]:
    """Keep what the block imports from the garbage collector: see `start`."""
    before = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before:
            gc.freeze()
        gc.enable()


@contextmanager
def without_typeguard() -> Iterator[None]:
    """Have tyro take it that the defaults of options are of their types in the block, as mypy has checked.

    It would load typeguard for that, and with it unittest and asyncio: a tenth of what completing a photo takes.
    """
    stand_in = ModuleType("typeguard")
    stand_in.__dict__.update(check_type=lambda value, _: value, TypeCheckError=TypeError)
    loaded = sys.modules.get("typeguard")
    sys.modules["typeguard"] = loaded or stand_in
    try:
        yield
    finally:
        if loaded is None:
            del sys.modules["typeguard"]


def check_beside_engine(package: str) -> None:
    """ValueError if another project's package of this name would be imported instead of the engine's own."""
    spec = find_spec(package)
    home = Path(engine.__file__).parent.parent
    if spec is None or spec.origin is None or Path(spec.origin).parent != home / package:
        found = "is missing" if spec is None else f"is another project's: {spec.origin or package}"
        raise ValueError(
            f"the package {package!r} {found}; the engine's own lies in {home}. "
            "Install the engine into an environment of its own"
        )


data = partial(start, "engine-data", "data")
train = partial(start, "engine-train", "train")
infer = partial(start, "engine-infer", "infer")
export = partial(start, "engine-export", "export")
evaluate = partial(start, "engine-evaluate", "evaluate")
import_weights = partial(start, "engine-import", "import_weights")
serve = partial(start, "engine-serve", "serve")
