"""python -m engine.commands.demo: the main job from end to end, in a minute, on photographs that scikit-image ships.

Trains the `demo` preset, completes two holes in a photograph with it, and checks that nothing else changed.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from engine.commands.ending import ends_in_a_line
from engine.packages import install_line

RUN = Path("runs/make-demo")
"""Emptied each time; runs/demo is where `engine-train --preset demo` leaves its run."""
TRAINING_PHOTOS = ("chelsea.png", "coffee.png", "motorcycle_left.png", "motorcycle_right.png", "rocket.jpg")
TILE = 128
"""Side in pixels."""

PHOTO = "astronaut.png"
HOLES = ((300, 120, 40, 48), (96, 300, 48, 40))
"""x, y, width, height in pixels of the photo."""


@ends_in_a_line("make demo")
def main() -> None:
    try:
        import skimage
    except ImportError as error:
        raise SystemExit(f"the demo needs scikit-image's photographs: {install_line('skimage')}") from error
    shipped = Path(skimage.__file__).parent / "data"
    shutil.rmtree(RUN, ignore_errors=True)
    photos = RUN / "photos"
    photos.mkdir(parents=True)
    for name in TRAINING_PHOTOS:
        cut_into_tiles(shipped / name, photos)
    photo = RUN / PHOTO  # not one of those that the network is trained on
    shutil.copy(shipped / PHOTO, photo)

    run("train", "--preset", "demo", "--photos", str(photos), "--out", str(RUN / "training"))
    say_what_was_left_out(RUN / "training" / "metrics.jsonl")
    completed, pictures = RUN / "completed.png", RUN / "input-holed-completed.png"
    holes = [word for hole in HOLES for word in ("--hole", ",".join(map(str, hole)))]
    weights = RUN / "training" / "weights.safetensors"
    run(
        "infer",
        str(photo),
        *holes,
        *("--weights", str(weights), "--out", str(completed), "--side-by-side", str(pictures)),
    )
    check_outside(photo, completed)
    print(f"\nThe photo outside the holes is as it was. Look at:\n  {completed}\n  {pictures}")
    print("Your own photo next, with the weights that come with the engine, which have seen far more:")
    print("  .venv/bin/engine-infer PHOTO --hole X,Y,WIDTH,HEIGHT")


def cut_into_tiles(path: Path, folder: Path) -> None:
    """Write the photo's whole tiles into `folder`: a few photos become enough for a batch."""
    photo = Image.open(path).convert("RGB")
    for y in range(0, photo.height - TILE + 1, TILE):
        for x in range(0, photo.width - TILE + 1, TILE):
            photo.crop((x, y, x + TILE, y + TILE)).save(folder / f"{path.stem}-{y}-{x}.png")


def run(command: str, *arguments: str) -> None:
    """Show one of the project's commands and run it; exit with its status if it fails."""
    print(f"\n$ engine-{command} {' '.join(arguments)}", flush=True)
    # So small a network gains nothing from a second thread, and loses a lot where another program has that core.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", f"engine.commands.{command}", *arguments]
    status = subprocess.run(words, env=environment, check=False).returncode
    if status:
        raise SystemExit(f"engine-{command} failed with status {status}")


def say_what_was_left_out(metrics: Path) -> None:
    """Say so if the time limit came before the third phase, as it does on a busy machine."""
    last = json.loads(metrics.read_text().splitlines()[-1])
    if last["phase"] != "joint":
        print(f"\nIn its minute this machine came to iteration {last['iteration']} only, in the {last['phase']} phase:")
        print("the completion will be less than it could be.")


def check_outside(photo: Path, completed: Path) -> None:
    """Exit unless the two are equal but for the holes, with the margin that infer widens them by."""
    before, after = (np.asarray(Image.open(path).convert("RGB")) for path in (photo, completed))
    margin = 16
    outside = np.ones(before.shape[:2], dtype=np.bool_)
    for x, y, width, height in HOLES:
        outside[y - margin : y + height + margin, x - margin : x + width + margin] = False
    if before.shape != after.shape or not np.array_equal(before[outside], after[outside]):
        raise SystemExit(f"{completed} differs from {photo} outside the holes")
    if np.array_equal(before, after):
        raise SystemExit(f"{completed} is the same as {photo}: nothing was completed")


if __name__ == "__main__":
    main()
