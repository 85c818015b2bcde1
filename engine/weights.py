"""A completion network on disk: one safetensors file with the weights and, in its metadata, the spec to run them.

Read as arrays, without PyTorch, which is loaded where the network itself is asked for.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize, safe_open

from data.files import write_atomically
from engine.inference.options import DEFAULT, DEFAULT_WEIGHTS
from engine.spec import CompletionSpec, tensor_shapes

if TYPE_CHECKING:
    from engine.networks import CompletionNetwork

SPEC_KEY = "glcic_engine_spec"
FORMAT = 1
"""Of weights files, written beside the spec's fields: to be raised whenever their content changes, with what reads the
one before and a file of the new one in tests/engine/kept. A file or a spec that lacks a field has its default."""

EXPORTED = (".xml", ".onnx", ".engine")
"""Endings of what engine-export writes."""

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8"}
"""The types of numbers that files have, and how numpy reads them; bfloat16 is the upper half of a float32."""


@dataclass(slots=True)
class NetworkWeights:
    """The weights of a completion network, for any runtime."""

    spec: CompletionSpec
    tensors: Mapping[str, NDArray[Any]]
    """By their names in `CompletionNetwork.state_dict()`: fp32, and int64 where they count batches."""
    file: Path | None = None
    """The file that they were read from."""
    built: "CompletionNetwork | None" = field(default=None, repr=False)

    @classmethod
    def of(cls, network: "CompletionNetwork") -> Self:
        """Those of a network in memory, with which they may share it."""
        state = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
        tensors = {name: (held.float() if held.is_floating_point() else held).numpy() for name, held in state.items()}
        return cls(network.spec, tensors, network.file, network)

    @property
    def network(self) -> "CompletionNetwork":
        """The network in PyTorch, in fp32 and eval mode on the CPU: always the same one. ValueError without PyTorch."""
        if self.built is None:
            from engine.packages import import_optional

            torch = import_optional("torch")
            from engine.networks import CompletionNetwork

            network = CompletionNetwork(self.spec)
            kinds = {name: tensor.dtype for name, tensor in network.state_dict().items()}
            network.load_state_dict(
                {name: torch.from_numpy(tensor).to(kinds[name]) for name, tensor in self.tensors.items()}
            )
            network.file = self.file
            self.built = network.eval()
        return self.built


def save_weights(path: str | Path, network: "CompletionNetwork", spec: CompletionSpec | None = None) -> None:
    """Write `network` to `path` whole or not at all, with `spec` (the network's own if not given)."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    # One entry alone: safetensors writes several in an order that changes from call to call.
    metadata = {SPEC_KEY: json.dumps({"format": FORMAT} | asdict(spec or network.spec))}
    write_atomically(Path(path), save(tensors, metadata=metadata))


def load_weights(path: str | Path) -> "CompletionNetwork":
    """The network in `path` in PyTorch, as `NetworkWeights.network`; its `spec` attribute says how to run it."""
    return read_weights(path).network


def read_weights(path: str | Path) -> NetworkWeights:
    """The weights in `path`, or `DEFAULT`.

    ValueError if the file is missing, unreadable or not one of `save_weights`.
    """
    path = Path(path)
    if path == DEFAULT:
        path = DEFAULT_WEIGHTS
        if not path.is_file():
            raise ValueError(
                f"this installation has no weights of its own (no {path}): train some with engine-train, or name a file"
            )
    spec, tensors = _read(path)
    expected = tensor_shapes(spec)
    wrong = sorted(
        name
        for name in expected.keys() | tensors.keys()
        if name not in tensors or name not in expected or tensors[name].shape != expected[name]
    )
    if wrong:
        raise ValueError(f"{path} does not hold the network that its spec describes; wrong or missing: {wrong[:4]}")
    return NetworkWeights(spec, tensors, path)


def _read(path: Path) -> tuple[CompletionSpec, dict[str, NDArray[Any]]]:
    if not path.is_file():
        raise ValueError(f"there is no weights file at {path}")
    if path.suffix in EXPORTED:
        raise ValueError(
            f"{path} is an exported graph, for other programs: give the .safetensors that it was made from, which "
            "engine-infer --runtime openvino, onnx or tensorrt runs from its own copy of the graph"
        )
    metadata, tensors = read_tensors(path)
    if SPEC_KEY not in metadata:
        raise ValueError(f"{path} has no completion spec in its metadata, so it was not written by this engine")
    fields = json.loads(metadata[SPEC_KEY])
    if (found := fields.pop("format", 1)) != FORMAT:
        raise ValueError(f"{path} has weights format {found}, and this version reads {FORMAT}: upgrade")
    return CompletionSpec.from_json(fields), tensors


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """The metadata and the tensors of a safetensors file: fp32, or int64 where they count. ValueError if it is none."""
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
        return metadata, {name: _as_array(tensor) for name, tensor in deserialize(path.read_bytes())}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a readable safetensors file: {error}") from error
    except KeyError as error:
        raise ValueError(f"{path} has numbers of type {error}; this version reads {', '.join(TYPES)}") from error


def _as_array(tensor: dict[str, Any]) -> NDArray[Any]:
    """A tensor of `safetensors.deserialize`: fp32, or int64 where it counts. KeyError if its type is none of TYPES."""
    values = np.frombuffer(tensor["data"], TYPES[tensor["dtype"]])
    if tensor["dtype"] == "BF16":
        values = (values.astype("<u4") << 16).view("<f4")
    return values.astype(np.int64 if tensor["dtype"] == "I64" else np.float32).reshape(tensor["shape"])
