"""Weights trained with other implementations of the paper, as this engine's networks.

Three layouts are known: GLCIC-PyTorch's `model_cn` files, MMagic's Global&Local checkpoints, and the Torch7 files of
the paper's authors. They differ in names, in the order of norm and activation, in value range, channel order and
output. Nothing in a file is executed: PyTorch files are read with `weights_only`.
"""

import hashlib
import pickle
import struct
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from engine.networks import CompletionNetwork
from engine.spec import BATCH_NORM_EPS, COMPLETION_LAYERS, OUTPUT_LAYER, CompletionSpec, Layer
from engine.torch7 import TorchObject, read_t7

Layout = Literal["GLCIC-PyTorch", "MMagic Global&Local", "Torch7"]
Tensors = dict[str, Tensor]
RGB = tuple[float, float, float]

EXPECTED = """\
  GLCIC-PyTorch: a PyTorch file with conv1.weight, bn1.weight, ... deconv13.weight, ... conv17.bias
  MMagic Global&Local: a PyTorch file with generator.encoder.enc1.conv.weight, ... generator.decoder.dec7.conv.bias
  the paper's authors: a Torch7 binary file with the table {model = nn.Sequential, mean = three values}"""
"""The layouts that can be imported, for error messages."""

PUBLISHED_UNDER: dict[Layout, str] = {
    "GLCIC-PyTorch": "MIT",
    "MMagic Global&Local": "Apache-2.0",
    "Torch7": "CC BY-NC-SA 4.0",
}
"""The licence of the repository that publishes weights of each layout; weights that others trained have their own."""

LOAD_ERRORS = (
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    struct.error,
)
"""The errors of torch.load for damaged files: it checks little in those of before PyTorch 1.6, which are no zip
files."""

NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")
NORM = ("norm", "ReLU")
ROLES = {
    "SpatialConvolution": "convolution",
    "SpatialDilatedConvolution": "convolution",
    "SpatialFullConvolution": "deconvolution",
    "SpatialBatchNormalization": "norm",
    "ReLU": "ReLU",
    "Sigmoid": "Sigmoid",
}
"""Modules of Torch7's `nn` and `cudnn` by their place in a network."""


def import_weights(
    path: Path,
    mean_pixel: RGB | None = None,
    crop_size: int | None = None,
    hole_size: tuple[int, int] | None = None,
) -> CompletionNetwork:
    """The completion network in a foreign file, in fp32 and eval mode on the CPU, with the spec that runs it.

    `mean_pixel` (RGB in [0, 1]) is what holes were filled with; GLCIC-PyTorch keeps it, like the side in pixels of the
    crops and the smallest and largest of the holes, in config.json beside the weights. The other layouts hold or imply
    theirs. ValueError if the file is missing, damaged or none of the three, or `mean_pixel` is missing or not wanted.
    """
    if not path.is_file():
        raise ValueError(f"there is no file at {path}")
    layout, content = read_foreign(path)
    if layout == "GLCIC-PyTorch":
        if mean_pixel is None:
            raise ValueError(
                f"{path} is of GLCIC-PyTorch, which keeps the mean pixel that holes are filled with in config.json "
                "beside the weights: give that file with --config, or the value with --mean R,G,B"
            )
        tensors = from_glcic_pytorch(content)
        conventions: dict[str, Any] = {"norm_order": "act_norm", "mean_pixel": mean_pixel}
        conventions |= {"crop_size": crop_size or 160, "hole_size": hole_size or (48, 96)}
    elif mean_pixel or crop_size or hole_size:
        raise ValueError(f"{path} is of {layout}, whose mean pixel and sizes are known: leave --mean and --config out")
    elif layout == "MMagic Global&Local":
        tensors = from_mmagic(content)
        # Trained on (x - 127.5) / 127.5 with holes at 0, that is at grey.
        conventions = {"output": "clip", "input_shift": (0.5, 0.5, 0.5), "input_scale": 2.0}
        conventions |= {"mean_pixel": (0.5, 0.5, 0.5), "hole_size": (108, 128)}
    else:
        tensors, mean = from_torch7(content)
        conventions = {"input_shift": mean, "mean_pixel": mean}
    provenance = {"layout": layout, "file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    provenance["published_under"] = PUBLISHED_UNDER[layout]
    network = build(path, tensors, conventions | {"provenance": {"imported_from": provenance}})
    if layout == "MMagic Global&Local":
        exchange_red_and_blue(network)
    return network


def read_foreign(path: Path) -> tuple[Layout, Any]:
    """The file's content, and the project that wrote it. ValueError names what was expected and what was found."""
    with open(path, "rb") as file:
        start = file.read(9)
    if start[:4] in (b"\x03\0\0\0", b"\x04\0\0\0"):  # a table or a Torch object, in Torch7's binary format
        return "Torch7", read_t7(path)
    if start[:2] not in (b"PK", b"\x80\x02"):
        found = "a safetensors file" if start[8:] == b"{" else f"a file that begins with the bytes {start[:8].hex(' ')}"
        raise unknown(path, found)
    tensors = read_pytorch(path)
    if "deconv13.weight" in tensors:
        return "GLCIC-PyTorch", tensors
    if "generator.decoder.dec7.conv.weight" in tensors:
        return "MMagic Global&Local", tensors
    raise unknown(path, f"a PyTorch file with {', '.join(list(tensors)[:6]) or 'no tensors'}")


def unknown(path: Path, found: str) -> ValueError:
    return ValueError(f"{path} cannot be imported. Expected one of\n{EXPECTED}\nfound {found}")


def read_pytorch(path: Path) -> Tensors:
    """The tensors of a PyTorch file, those under `state_dict` if it has one."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} holds more than tensors, which is not read since it could run code: {str(error).splitlines()[0]} "
            "If you trust it, save its tensors alone with the PyTorch that wrote it: "
            "torch.save(torch.load(FILE)['state_dict'], NEW_FILE)"
        ) from error
    except LOAD_ERRORS as error:
        raise ValueError(f"{path} is not a whole PyTorch file: {str(error) or type(error).__name__}") from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise unknown(path, f"a PyTorch file with a {type(content).__name__}")
    return {str(name): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}


def from_glcic_pytorch(foreign: Tensors) -> Tensors:
    """conv1 and bn1 to conv17, with `deconv` for the transposed ones."""
    tensors: Tensors = {}
    for i, layer in enumerate(COMPLETION_LAYERS):
        copy(foreign, f"{'deconv' if layer.up else 'conv'}{i + 1}", tensors, f"blocks.{i}.conv", ("weight", "bias"))
        copy(foreign, f"bn{i + 1}", tensors, f"blocks.{i}.norm", NORM_TENSORS)
    copy(foreign, "conv17", tensors, "to_rgb", ("weight", "bias"))
    return tensors


def from_mmagic(foreign: Tensors) -> Tensors:
    """Encoder, dilation neck and decoder, still for BGR; convolutions before a norm have no bias."""
    names = [f"encoder.enc{i}" for i in range(1, 7)]
    names += [f"dilation_neck.dilation_convs.{i}" for i in range(4)]
    names += [f"decoder.dec{i}" for i in range(1, 7)]
    tensors: Tensors = {}
    for i, name in enumerate(names):
        copy(foreign, f"generator.{name}.conv", tensors, f"blocks.{i}.conv", ("weight",))
        copy(foreign, f"generator.{name}.bn", tensors, f"blocks.{i}.norm", NORM_TENSORS)
        tensors[f"blocks.{i}.conv.bias"] = torch.zeros_like(tensors[f"blocks.{i}.norm.bias"])
    copy(foreign, "generator.decoder.dec7.conv", tensors, "to_rgb", ("weight", "bias"))
    return tensors


def exchange_red_and_blue(network: CompletionNetwork) -> None:
    """Make a network for BGR one for RGB, in place: the first layer reads the colours, the last one writes them."""
    state = network.state_dict()
    state["blocks.0.conv.weight"] = state["blocks.0.conv.weight"][:, [2, 1, 0, 3]]
    state["to_rgb.weight"], state["to_rgb.bias"] = state["to_rgb.weight"][[2, 1, 0]], state["to_rgb.bias"][[2, 1, 0]]
    network.load_state_dict(state)


def copy(foreign: Tensors, foreign_name: str, tensors: Tensors, name: str, kinds: tuple[str, ...]) -> None:
    """The tensors of one layer under our name. ValueError if one is missing."""
    for kind in kinds:
        if f"{foreign_name}.{kind}" not in foreign:
            raise ValueError(f"the file has no {foreign_name}.{kind}, so its network is not the paper's")
        tensors[f"{name}.{kind}"] = foreign[f"{foreign_name}.{kind}"]


def from_torch7(content: Any) -> tuple[Tensors, RGB]:
    """The table {model, mean}: convolution, norm and ReLU 16 times, a convolution and a sigmoid."""
    if not isinstance(content, dict) or not isinstance(content.get("model"), TorchObject) or "mean" not in content:
        found = ", ".join(map(str, content)) if isinstance(content, dict) else getattr(content, "name", content)
        raise ValueError(f"expected a Torch7 table with model and mean; found {found or 'an empty table'}")
    modules = list(flattened(content["model"]))
    expected = [role for layer in COMPLETION_LAYERS for role in ("deconvolution" if layer.up else "convolution", *NORM)]
    expected += ["convolution", "Sigmoid"]
    roles = [ROLES.get(module.name.partition(".")[2], module.name) for module in modules]
    if roles != expected:
        i, (found, wanted) = next((i, pair) for i, pair in enumerate(zip_longest(roles, expected)) if len({*pair}) == 2)
        raise ValueError(
            f"the Torch7 network is not the paper's: its module {i + 1} is {found or 'missing'} "
            f"and should be {wanted or 'missing: it is the last'}"
        )
    tensors: Tensors = {}
    for i, layer in enumerate(COMPLETION_LAYERS):
        convolution, norm = modules[3 * i : 3 * i + 2]
        check_geometry(convolution, layer, i + 1)
        take(convolution, tensors, f"blocks.{i}.conv", ("weight", "bias"))
        take(norm, tensors, f"blocks.{i}.norm", NORM_TENSORS)
        # Exact for any epsilon of theirs: only the sum of variance and epsilon counts.
        name, epsilon = f"blocks.{i}.norm.running_var", norm.fields.get("eps", BATCH_NORM_EPS)
        tensors[name] = tensors[name] + (epsilon - BATCH_NORM_EPS)
    check_geometry(modules[-2], OUTPUT_LAYER, len(COMPLETION_LAYERS) + 1)
    take(modules[-2], tensors, "to_rgb", ("weight", "bias"))
    return tensors, three_values(content["mean"])


def flattened(module: TorchObject) -> Iterator[TorchObject]:
    """The modules of a Sequential, and those of the Sequentials in it, in their order."""
    if module.name != "nn.Sequential":
        yield module
        return
    parts = module.fields.get("modules", {})
    for i in range(1, len(parts) + 1):
        if not isinstance(parts.get(i), TorchObject):
            raise ValueError(f"the Torch7 network is not the paper's: a Sequential has no module {i}")
        yield from flattened(parts[i])


def check_geometry(module: TorchObject, layer: Layer, number: int) -> None:
    """ValueError unless the module's kernel, stride, padding and dilation are the paper's: shapes do not tell."""
    sides = {"k": layer.kernel, "d": layer.stride, "pad": layer.padding, "dilation": layer.dilation}
    for key, expected in ((name + axis, side) for name, side in sides.items() for axis in "WH"):
        found = module.fields.get(key, 1 if key.startswith("dilation") else None)
        if found != expected:
            raise ValueError(
                f"the Torch7 network is not the paper's: {key} of layer {number} is {found}, not {expected}"
            )


def take(module: TorchObject, tensors: Tensors, name: str, kinds: tuple[str, ...]) -> None:
    """The tensors among a module's fields under our name. ValueError if one is missing."""
    for kind in kinds:
        tensor = module.fields.get(kind)
        if not isinstance(tensor, Tensor):
            raise ValueError(f"the Torch7 network's {module.name} has no {kind}")
        tensors[f"{name}.{kind}"] = tensor


def three_values(mean: Any) -> RGB:
    """A mean pixel that is a tensor or a table."""
    values = mean.flatten().tolist() if isinstance(mean, Tensor) else mean
    values = [values[i] for i in (1, 2, 3) if i in values] if isinstance(values, dict) else values
    if not isinstance(values, list) or len(values) != 3 or not all(isinstance(value, float) for value in values):
        raise ValueError(f"the Torch7 file's mean should be three values; found {mean}")
    return values[0], values[1], values[2]


def build(path: Path, tensors: Tensors, conventions: dict[str, Any]) -> CompletionNetwork:
    """The network of these weights; its width is told by the first layer. ValueError if a shape is not the paper's."""
    shape = tuple(tensors["blocks.0.conv.weight"].shape)
    if len(shape) != 4:
        raise ValueError(f"{path} does not hold the paper's network: the first convolution's weight is {shape}")
    network = CompletionNetwork(CompletionSpec(base_width=shape[0], **conventions))
    for name, own in network.state_dict().items():
        if name.endswith("num_batches_tracked"):  # decides nothing once training is over
            tensors[name] = own
        elif tensors[name].shape != own.shape:
            raise ValueError(
                f"{path} does not hold the paper's network: {name} would be {tuple(own.shape)} "
                f"and is {tuple(tensors[name].shape)}"
            )
    network.load_state_dict(tensors)
    return network.eval()
