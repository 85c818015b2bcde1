"""ONNX files written by hand: the few fields of their protocol buffers that a graph of convolutions needs.

The `onnx` package would do, too, but takes 31 MB on disk, and 60 ms to import where a session opens in 5.
Field numbers are those of onnx.proto.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

IR_VERSION = 10
"""Of the file format: the first that has opset 22."""

FLOAT, INT64, FLOAT16, BFLOAT16 = 1, 7, 10, 16
"""ONNX's numbers for types."""

TENSOR_TYPES = {"float32": FLOAT, "int64": INT64, "float16": FLOAT16, "uint16": BFLOAT16}
"""By those of the arrays: uint16 stands for the bits of bfloat16, which numpy does not have."""

Value = int | str | bytes

Attribute = int | str | Sequence[int]


def varint(value: int) -> bytes:
    """A number below 2**63, in groups of seven bits; negative ones as their two's complement."""
    value &= 2**64 - 1
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes((*groups, value))


def field(number: int, value: Value) -> bytes:
    """One field: a number as it is, all else as bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def fields(number: int, values: Iterable[Value]) -> bytes:
    """A repeated field."""
    return b"".join(field(number, value) for value in values)


def attribute(name: str, value: Attribute) -> bytes:
    """An AttributeProto."""
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    if isinstance(value, str):
        return field(1, name) + field(4, value) + field(20, 3)
    return field(1, name) + fields(8, value) + field(20, 7)


def node(operator: str, inputs: Sequence[str], output: str, attributes: Mapping[str, Attribute]) -> bytes:
    """A NodeProto, named after its output."""
    names = fields(1, inputs) + field(2, output) + field(3, output) + field(4, operator)
    return names + fields(5, (attribute(name, value) for name, value in attributes.items()))


def tensor(name: str, values: NDArray[Any]) -> bytes:
    """A TensorProto."""
    kind = TENSOR_TYPES[values.dtype.name]
    little = values.astype(values.dtype.newbyteorder("<"), order="C")
    return fields(1, values.shape) + field(2, kind) + field(8, name) + field(9, little.tobytes())


def value_info(name: str, shape: Sequence[int | str]) -> bytes:
    """A ValueInfoProto of fp32; a side's name stands for any number."""
    sides = (field(1, side) if isinstance(side, int) else field(2, side) for side in shape)
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, fields(1, sides))))


class Graph:
    """The nodes and constants of a graph, in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.tensors: list[bytes] = []

    def constant(self, values: NDArray[Any]) -> str:
        """The name of a new constant."""
        name = f"constant_{len(self.tensors)}"
        self.tensors.append(tensor(name, values))
        return name

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Attribute) -> str:
        """The name of a new node's output, `output` or a new one."""
        name = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(node(operator, inputs, name, attributes))
        return name

    def file(self, input_: bytes, output: bytes, opset: int, about: Mapping[str, str]) -> bytes:
        """The content of an ONNX file of this graph with one input and one output, of `value_info`; `about` is its
        metadata."""
        ends = field(11, input_) + field(12, output)
        graph = fields(1, self.nodes) + field(2, "completion") + fields(5, self.tensors) + ends
        entries = fields(14, (field(1, key) + field(2, value) for key, value in about.items()))
        return field(1, IR_VERSION) + field(7, graph) + field(8, field(1, "") + field(2, opset)) + entries
