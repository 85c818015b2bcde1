"""NumPy arrays and PyTorch tensors alike: what the patch operations and the texture ask of either.

PyTorch is imported for an array that is to go to a device alone.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = Any
"""A NumPy array, or a PyTorch tensor on any device: both have the array API, once `namespace` is asked for it."""


def namespace(*arrays: Array) -> Any:
    """The module of the array API for arrays: NumPy itself, or array_api_compat's for tensors. TypeError for a mixture.

    That of array_api_compat for NumPy imports all of NumPy, f2py and its tests included, which takes 50 ms.
    """
    if all(isinstance(array, np.ndarray) for array in arrays):
        return np
    from array_api_compat import array_namespace

    return array_namespace(*arrays)


def is_tensor(array: Array) -> bool:
    """True if it is PyTorch's."""
    return not isinstance(array, np.ndarray)


def on_device(array: NDArray[Any], name: str) -> Array:
    """The array itself for "cpu"; a tensor of the same values for a device such as "cuda:0"."""
    if name == "cpu":
        return array
    import torch

    return torch.from_numpy(array).to(name)


def beside(array: NDArray[Any], like: Array) -> Array:
    """A NumPy array as what `like` is: itself, or a tensor of the same values on the same device."""
    return namespace(like).asarray(array, device=like.device)


def on_host(array: Array) -> NDArray[Any]:
    """The values as a NumPy array."""
    return array.cpu().numpy() if is_tensor(array) else array


def runs_in_triton(op: str, array: Array) -> bool:
    """True if `op` runs as a Triton kernel on such an array, as `kernels.launch` says; a NumPy array never does."""
    if not is_tensor(array):
        return False
    from kernels.launch import use_triton

    return use_triton(op, array.device)


def check_same(name: str, array: Array, like_name: str, like: Array) -> None:
    """ValueError unless shape and device are the same."""
    if array.shape != like.shape:
        raise ValueError(f"{name} has shape {tuple(array.shape)}, {like_name} {tuple(like.shape)}; they must be equal")
    check_device(name, array, like_name, like)


def check_device(name: str, array: Array, like_name: str, like: Array) -> None:
    """ValueError unless the device is the same."""
    if array.device != like.device:
        raise ValueError(f"{name} is on {array.device}, {like_name} on {like.device}; move one to the other's device")
