"""What the gate compares: work small enough to be done dozens of times in a job, and things to count.

Each entry is a function that prepares: of TIMED it returns the call that is timed (10 ms and more on one core), of
COUNTED it returns the numbers, less of which is better.
"""

import functools
import io
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import torch

from bench.counting import compilations, count
from bench.setups import (
    SMALL_WIDTH,
    scene_of,
    small_training_step,
    smooth_photo,
    square_holes,
    untrained,
    untrained_completer,
)
from data.masks import HoleConfig, draw_holes
from engine.training.checkpoint import load_newest, save_checkpoint
from engine.training.phases import Phase
from kernels.fill_holes import fill_holes
from kernels.masked_mse import masked_mse
from kernels.paste_crop import paste_crop


def completion() -> Callable[[], object]:
    """Three holes in a photograph of 384x512: windows, network, blending."""
    completer = untrained_completer(SMALL_WIDTH)
    # Of smooth surroundings nothing would be left to the network.
    photo_HW3, mask_HW = scene_of("astronaut")[:384, :512], np.zeros((384, 512), bool)
    mask_HW[40:80, 60:90] = mask_HW[200:230, 400:450] = mask_HW[300:316, 100:130] = True
    return lambda: completer.complete(photo_HW3, mask_HW, octaves=0, texture="none")


def texture() -> Callable[[], object]:
    """One hole of 48x48, drawn again from patches of a photograph of 192x192 and given its grain."""
    completer = untrained_completer(SMALL_WIDTH)
    photo_HW3, mask_HW = scene_of("astronaut")[:192, :192], square_holes((192, 192), 48)
    return lambda: completer.complete(photo_HW3, mask_HW, octaves=0, texture="photo")


def texture_of_tensors() -> Callable[[], object]:
    """The same, drawn by PyTorch as on a GPU: NumPy tells nobody of its operations, which are the same ones."""
    draw = texture()

    def work() -> None:
        # Commits of before drew by PyTorch everywhere, and have no such function.
        with patch("engine.inference.texture.pyramid.on_device", lambda array, _: torch.from_numpy(array), create=True):
            draw()

    return work


def lite_step() -> Callable[[], object]:
    """The completion phase as the presets for a CPU have it: from the smooth fill, judged as it will be blended."""
    options = {"fill": "smooth", "output": "residual", "reduction": "log_mean", "blended_loss": True}
    return small_training_step(Phase.COMPLETION, **options)


def fused_kernels() -> Callable[[], object]:
    """The plain versions of the fused kernels, forward and backward."""
    torch.manual_seed(0)
    batch, side, patch_side = 4, 256, 128
    image_N3HW = torch.randint(0, 256, (batch, 3, side, side), dtype=torch.uint8)
    mask_N1HW = torch.zeros(batch, 1, side, side, dtype=torch.bool)
    mask_N1HW[..., 64:160, 80:190] = True
    generated_N3HW = torch.rand(batch, 3, side, side, requires_grad=True)
    centres_N2 = torch.full((batch, 2), 120)

    def work() -> None:
        fill_holes(image_N3HW, mask_N1HW, torch.full((3,), 0.5), torch.float32)
        completed, patches = paste_crop(generated_N3HW, image_N3HW, mask_N1HW, centres_N2, patch_side)
        loss = masked_mse(generated_N3HW, image_N3HW, mask_N1HW, mask_N1HW.sum())
        loss = loss + completed.mean() + patches.mean()
        torch.autograd.grad(loss, generated_N3HW)

    return work


def crops() -> Callable[[], object]:
    """Crops of JPEGs, from the encoded bytes."""
    from data.decode import decode_crop
    from data.sampler import Crop

    encoded = cv2.imencode(".jpg", smooth_photo(512, 768))[1].tobytes()
    out_HW3 = np.empty((256, 256, 3), np.uint8)
    crop = Crop(photo=0, x=100, y=50, side=300, flip=False)

    def work() -> None:
        for _ in range(10):
            decode_crop(encoded, crop, (768, 512), 1, out_HW3)

    return work


def holes() -> Callable[[], object]:
    """Boxes and strokes for a batch."""

    def work() -> None:
        for kind in ("box", "freeform"):
            draw_holes(HoleConfig(kind=kind), 0, 0, np.arange(384), 256)

    return work


def checkpoint() -> Callable[[], object]:
    """Saving and loading the state of a run of 8 MB."""
    folder = tempfile.TemporaryDirectory()
    state = {"weights": {str(i): torch.randn(256, 256) for i in range(32)}}

    def work() -> None:
        save_checkpoint(Path(folder.name), 1, state, keep=1)
        assert load_newest(Path(folder.name)) is not None

    return work


def compiled(phase: Phase) -> dict[str, float]:
    """Of one phase's step."""
    torch._dynamo.reset()
    with patch("torch.compile", functools.partial(torch.compile, backend="eager")):
        return compilations(small_training_step(phase, compile=True))


def onnx_nodes() -> dict[str, float]:
    """Of both exported graphs."""
    import onnx

    from engine.inference.graphs.export import GRAPHS, export_onnx

    network = untrained(SMALL_WIDTH)
    graphs = {graph: onnx.load(io.BytesIO(export_onnx(network, graph=graph))).graph for graph in GRAPHS}
    return {f"nodes, {name}": len(graph.node) for name, graph in graphs.items()}


def imports() -> dict[str, float]:
    """Modules of other projects: those that each command has imported before it reads its options, and those of a call
    that has completed a photo."""
    told = "print(sum(name.split('.')[0] not in ('engine', 'kernels', 'data') for name in sys.modules))"
    commands = ("infer", "train", "export", "evaluate", "data")
    programs = {command: f"import sys, engine.commands.{command}; {told}" for command in commands}
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.png"
        cv2.imwrite(str(photo), scene_of("astronaut")[:160, :160])
        programs["a photo"] = (
            f"import sys; from engine.commands.infer import main; sys.argv += ['{photo}', '--hole', '60,60,40,40']\n"
            f"try: main()\nexcept SystemExit as end: assert not end.code\n{told}"
        )
        return {name: int(printed(program).splitlines()[-1]) for name, program in programs.items()}


def printed(program: str) -> str:
    """The standard output of a program in a new process."""
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout


TIMED: dict[str, Callable[[], Callable[[], object]]] = {
    "completion": completion,
    "texture": texture,
    "completion step": lambda: small_training_step(Phase.COMPLETION),
    "discriminator step": lambda: small_training_step(Phase.DISCRIMINATOR),
    "joint step": lambda: small_training_step(Phase.JOINT),
    "lite step": lite_step,
    "kernels": fused_kernels,
    "crops": crops,
    "holes": holes,
    "checkpoint": checkpoint,
}

COUNTED: dict[str, Callable[[], dict[str, float]]] = {
    "completion": lambda: count(completion()),
    "texture": lambda: count(texture_of_tensors()),
    "completion step": lambda: count(small_training_step(Phase.COMPLETION)),
    "discriminator step": lambda: count(small_training_step(Phase.DISCRIMINATOR)),
    "joint step": lambda: count(small_training_step(Phase.JOINT)),
    "lite step": lambda: count(lite_step()),
    "completion step, compiled": lambda: compiled(Phase.COMPLETION),
    "discriminator step, compiled": lambda: compiled(Phase.DISCRIMINATOR),
    "joint step, compiled": lambda: compiled(Phase.JOINT),
    "exported graph": onnx_nodes,
    "imports at start-up": imports,
}
