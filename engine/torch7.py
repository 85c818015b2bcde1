"""Reading Torch7's binary files (`torch.save` of Lua's Torch, .t7) without Lua and without running anything in them.

A file is one object. An object is a 32-bit type, then its content: numbers are doubles, strings and byte counts have
32-bit lengths, tables are counted pairs of objects. Tables and Torch objects carry an index, by which they are named
when they come again. Tensors are sizes, strides and an offset into a storage; any other Torch object (the modules of
`nn`) is its class name and a table of its fields. Little-endian, with 64-bit `long`, as Torch7 wrote on x86-64.
"""

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor


class Kind(IntEnum):
    """The 32-bit type that every object begins with."""

    NIL = 0
    NUMBER = 1
    STRING = 2
    TABLE = 3
    TORCH = 4
    BOOLEAN = 5
    OLD_FUNCTION = 7
    FUNCTION = 8


ELEMENTS = {
    "Float": np.float32,
    "Cuda": np.float32,
    "Double": np.float64,
    "CudaDouble": np.float64,
    "CudaHalf": np.float16,
    "Half": np.float16,
    "Long": np.int64,
    "CudaLong": np.int64,
    "Int": np.int32,
    "Short": np.int16,
    "Char": np.int8,
    "Byte": np.uint8,
}
"""The types that torch.<name>Storage holds and torch.<name>Tensor shows."""


@dataclass(slots=True)
class TorchObject:
    """A Torch object that is no tensor and no storage, such as a module of `nn`."""

    name: str
    """Its class, such as "nn.SpatialConvolution"."""
    fields: dict[Any, Any] = field(default_factory=dict)


def read_t7(path: Path) -> Any:
    """The object in a Torch7 binary file: None, float, str, bool, dict (tables; keys 1, 2, ... are int), Tensor, or
    TorchObject. Functions are read over and become None.

    ValueError if the file is cut short, damaged or of another format.
    """
    reader = Reader(path.read_bytes(), path)
    try:
        return reader.read_object()
    except RecursionError:
        reader.fail("its tables are nested too deeply")


class Reader:
    """A position in a file's bytes, and what was read before it."""

    def __init__(self, content: bytes, path: Path) -> None:
        self.content, self.path, self.position = content, path, 0
        self.known: dict[int, Any] = {}

    def fail(self, reason: str) -> NoReturn:
        """Say where the file is not what it should be."""
        raise ValueError(f"{self.path} is no readable Torch7 binary file: {reason} (byte {self.position})")

    def read_bytes(self, count: int) -> bytes:
        if not 0 <= count <= len(self.content) - self.position:
            self.fail(f"{count} bytes should follow and {len(self.content) - self.position} do")
        self.position += count
        return self.content[self.position - count : self.position]

    def read_int(self) -> int:
        return int(struct.unpack("<i", self.read_bytes(4))[0])

    def read_longs(self, count: int) -> list[int]:
        return list(struct.unpack(f"<{count}q", self.read_bytes(8 * count)))

    def read_string(self) -> str:
        return self.read_bytes(self.read_int()).decode("latin-1")

    def read_object(self) -> Any:
        kind = self.read_int()
        match kind:
            case Kind.NIL:
                return None
            case Kind.NUMBER:
                return float(struct.unpack("<d", self.read_bytes(8))[0])
            case Kind.STRING:
                return self.read_string()
            case Kind.BOOLEAN:
                return self.read_int() == 1
            case Kind.TABLE | Kind.TORCH | Kind.FUNCTION | Kind.OLD_FUNCTION:
                index = self.read_int()
                if index not in self.known:
                    self.read_indexed(kind, index)
                return self.known[index]
        self.fail(f"no object has the type {kind}")

    def read_indexed(self, kind: int, index: int) -> None:
        """Read an object into `known`. A table is known before it is full: it may hold itself."""
        if kind == Kind.TABLE:
            table = self.known[index] = {}
            self.read_table_into(table)
        elif kind == Kind.TORCH:
            self.read_torch_object(index)
        else:
            self.known[index] = None
            self.read_string()  # the byte code, which is never run
            self.read_object()  # what the function had closed over

    def read_table_into(self, table: dict[Any, Any]) -> None:
        for _ in range(self.read_int()):
            key = self.read_object()
            if isinstance(key, float) and key.is_integer():
                key = int(key)
            if not isinstance(key, str | int | float | bool):
                self.fail(f"a table has a key of type {type(key).__name__}")
            table[key] = self.read_object()

    def read_torch_object(self, index: int) -> None:
        name = self.read_string()
        if name.startswith("V "):  # the class's version; files older than versions go straight to the name
            name = self.read_string()
        package, _, kind = name.partition(".")
        if package == "torch" and kind.removesuffix("Storage") in ELEMENTS and kind.endswith("Storage"):
            self.known[index] = self.read_storage(np.dtype(ELEMENTS[kind.removesuffix("Storage")]))
        elif package == "torch" and kind.removesuffix("Tensor") in ELEMENTS and kind.endswith("Tensor"):
            self.known[index] = self.read_tensor(np.dtype(ELEMENTS[kind.removesuffix("Tensor")]))
        else:
            made = self.known[index] = TorchObject(name)
            fields = self.read_object()
            if not isinstance(fields, dict):
                self.fail(f"{name} should be a table of its fields")
            made.fields = fields

    def read_storage(self, dtype: np.dtype[Any]) -> Tensor:
        (count,) = self.read_longs(1)
        content = self.read_bytes(count * dtype.itemsize)
        return torch.from_numpy(np.frombuffer(content, dtype.newbyteorder("<")).astype(dtype))

    def read_tensor(self, dtype: np.dtype[Any]) -> Tensor:
        dimensions = self.read_int()
        sizes, strides = self.read_longs(dimensions), self.read_longs(dimensions)
        offset = self.read_longs(1)[0] - 1
        storage = self.read_object()
        if storage is None or not sizes:
            return torch.from_numpy(np.empty(0, dtype))
        last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        fits = isinstance(storage, Tensor) and last < len(storage) and prod(sizes) <= len(storage)
        if not fits or min(sizes) < 0 or min(strides) < 0 or offset < 0:
            self.fail(f"a tensor of sizes {sizes} and strides {strides} does not lie in its storage")
        return storage.as_strided(sizes, strides, offset)
