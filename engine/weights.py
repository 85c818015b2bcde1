"""A completion network on disk: one safetensors file with the weights and, in its metadata, the spec to run them."""

import json
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from data.files import write_atomically
from engine.inference.options import DEFAULT, DEFAULT_WEIGHTS
from engine.networks import CompletionNetwork
from engine.spec import CompletionSpec

SPEC_KEY = "glcic_engine_spec"
FORMAT = 1
"""Of weights files, written beside the spec's fields: to be raised whenever their content changes, with what reads the
one before and a file of the new one in tests/engine/kept. A file or a spec that lacks a field has its default."""


def save_weights(path: str | Path, network: CompletionNetwork, spec: CompletionSpec | None = None) -> None:
    """Write `network` to `path` whole or not at all, with `spec` (the network's own if not given)."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    # One entry alone: safetensors writes several in an order that changes from call to call.
    metadata = {SPEC_KEY: json.dumps({"format": FORMAT} | asdict(spec or network.spec))}
    write_atomically(Path(path), save(tensors, metadata=metadata))


EXPORTED = (".xml", ".onnx", ".engine")
"""Endings of what engine-export writes."""


def load_weights(path: str | Path) -> CompletionNetwork:
    """The network in `path`, or `DEFAULT`, in fp32 and eval mode on the CPU; its `spec` attribute says how to run it.

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
    network = CompletionNetwork(spec)
    expected = network.state_dict()
    wrong = sorted(
        name
        for name in expected.keys() | tensors.keys()
        if name not in tensors or name not in expected or tensors[name].shape != expected[name].shape
    )
    if wrong:
        raise ValueError(f"{path} does not hold the network that its spec describes; wrong or missing: {wrong[:4]}")
    network.load_state_dict({name: tensor.to(expected[name].dtype) for name, tensor in tensors.items()})
    network.file = path
    return network.eval()


def _read(path: Path) -> tuple[CompletionSpec, dict[str, Tensor]]:
    if not path.is_file():
        raise ValueError(f"there is no weights file at {path}")
    if path.suffix in EXPORTED:
        raise ValueError(
            f"{path} is an exported graph, for other programs: give the .safetensors that it was made from, which "
            "engine-infer --runtime openvino, onnx or tensorrt runs from its own copy of the graph"
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a readable safetensors file: {error}") from error
    if SPEC_KEY not in metadata:
        raise ValueError(f"{path} has no completion spec in its metadata, so it was not written by this engine")
    fields = json.loads(metadata[SPEC_KEY])
    if (found := fields.pop("format", 1)) != FORMAT:
        raise ValueError(f"{path} has weights format {found}, and this version reads {FORMAT}: upgrade")
    return CompletionSpec.from_json(fields), tensors
