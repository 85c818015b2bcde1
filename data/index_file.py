"""The index file: named arrays and a little JSON in the safetensors format, written whole, read mapped."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from data.files import write_atomically

_VERSION = "1"
_NO_INDEX = (
    "is no index of photographs. Make one with engine-data index FOLDER, after removing what is damaged; if it is a "
    "list of photographs, with engine-data index FOLDER --list {path} --out FILE"
)
_KINDS = {"U8": np.uint8, "I32": np.int32, "I64": np.int64}


def write(path: Path, columns: dict[str, NDArray[Any]], about: dict[str, Any]) -> None:
    """Write the arrays and `about` (anything JSON can hold) to `path`, whole or not at all. OSError if it cannot be."""
    # Not by save_file, which a kill has leave a file of its own naming behind.
    write_atomically(path, save(columns, {"glcic_catalog": _VERSION, "about": json.dumps(about)}))


def read(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays, mapped read-only, and `about`. ValueError if `path` is no index file, or not whole."""
    with open(path, "rb") as file:
        start, there = file.read(8), os.fstat(file.fileno()).st_size
        size = int.from_bytes(start, "little")
        if len(start) < 8 or size > there:
            raise ValueError(f"{path} {_NO_INDEX.format(path=path)}")
        try:
            header = json.loads(file.read(size))
        except ValueError:
            header = {}
    about = header.pop("__metadata__", {}) if isinstance(header, dict) else {}
    if about.get("glcic_catalog") != _VERSION:
        raise ValueError(f"{path} {_NO_INDEX.format(path=path)}")
    whole = 8 + size + max(tensor["data_offsets"][1] for tensor in header.values())
    if there != whole:
        raise ValueError(
            f"{path} is a damaged index, {there} bytes of {whole}: "
            "remove it and make another with engine-data index FOLDER"
        )
    mapped = np.memmap(path, np.uint8, "r", offset=8 + size)
    columns = {}
    for name, tensor in header.items():
        first, last = tensor["data_offsets"]
        columns[name] = mapped[first:last].view(_KINDS[tensor["dtype"]]).view(np.ndarray)
    return columns, json.loads(about["about"])
