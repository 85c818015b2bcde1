"""Weights of torchvision's networks, which measure and teach: read from files that the user has, never downloaded."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn


def load_into(network: nn.Module, path: Path, kind: str) -> None:
    """Load torchvision's state dict (.pth, or .safetensors) of a `kind` ("VGG-16") that has the network's names.

    Tensors that the network lacks are left out. ValueError if the file is missing, unreadable or of another network.
    """
    if not path.is_file():
        raise ValueError(f"there is no file of {kind} weights at {path}; nothing is downloaded")
    tensors = read_tensors(path)
    expected = network.state_dict()
    wrong = [name for name, tensor in expected.items() if getattr(tensors.get(name), "shape", None) != tensor.shape]
    if wrong:
        raise ValueError(
            f"{path} does not hold {kind} with torchvision's names; wrong or missing: {', '.join(wrong[:4])}"
        )
    network.load_state_dict({name: tensors[name] for name in expected})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors in a .safetensors or torch file. ValueError if there are none to be read."""
    try:
        tensors = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except Exception as error:  # an unpickler may end in any, by what the bytes tell it to do
        raise ValueError(f"{path} is no readable file of weights: {type(error).__name__}: {error}") from error
    if not isinstance(tensors, dict):
        raise ValueError(f"{path} holds a {type(tensors).__name__}; it must be a state dict, names and tensors")
    return tensors
