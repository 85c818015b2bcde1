"""Torch7 files, written here as Torch7 does, come back; damaged ones are refused."""

import io
import struct
from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.torch7 import TorchObject, read_t7


class T7Writer:
    """Writes objects as Torch7 does: tables from dicts, modules from TorchObject, tensors from torch's."""

    def __init__(self):
        self.out = io.BytesIO()
        self.indices = {}
        self.kept = []

    def int(self, value):
        self.out.write(struct.pack("<i", value))

    def longs(self, *values):
        self.out.write(struct.pack(f"<{len(values)}q", *values))

    def text(self, text):
        self.int(len(text))
        self.out.write(text.encode())

    def known(self, kind, thing, key):
        """Begin an object that can come again; True if it has come before."""
        self.kept.append(thing)  # so that its id stays its own
        self.int(kind)
        before = key in self.indices
        self.int(self.indices.setdefault(key, len(self.indices) + 1))
        return before

    def write(self, thing):
        if thing is None:
            self.int(0)
        elif isinstance(thing, bool):
            self.int(5)
            self.int(int(thing))
        elif isinstance(thing, int | float):
            self.int(1)
            self.out.write(struct.pack("<d", thing))
        elif isinstance(thing, str):
            self.int(2)
            self.text(thing)
        elif isinstance(thing, dict):
            if not self.known(3, thing, id(thing)):
                self.int(len(thing))
                for key, value in thing.items():
                    self.write(key)
                    self.write(value)
        elif isinstance(thing, TorchObject):
            if not self.known(4, thing, id(thing)):
                self.text("V 1")
                self.text(thing.name)
                self.write(dict(thing.fields))
        elif isinstance(thing, torch.Tensor):
            self.tensor(thing)
        else:
            raise TypeError(thing)
        return self.out.getvalue()

    def tensor(self, tensor):
        name = {torch.float32: "Float", torch.float64: "Double", torch.int64: "Long", torch.uint8: "Byte"}[tensor.dtype]
        if self.known(4, tensor, id(tensor)):
            return
        self.text("V 1")
        self.text(f"torch.{name}Tensor")
        self.int(tensor.ndim)
        self.longs(*tensor.shape)
        self.longs(*tensor.stride())
        self.longs(tensor.storage_offset() + 1)
        storage = tensor.untyped_storage()
        if self.known(4, storage, storage.data_ptr()):
            return
        self.text("V 1")
        self.text(f"torch.{name}Storage")
        self.longs(storage.nbytes() // tensor.element_size())
        self.out.write(bytes(storage))


def t7(thing):
    return T7Writer().write(thing)


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(st.characters(max_codepoint=126), max_size=9),
    lambda inner: st.dictionaries(st.integers(1, 99) | st.text("abc", min_size=1), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_t7_objects_come_back(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("t7") / "value.t7"
    path.write_bytes(t7(value))
    assert read_t7(path) == value


def test_t7_tensors_and_what_they_share(tmp_path):
    whole = torch.arange(24, dtype=torch.float32)
    tensors = [whole.view(2, 3, 4).transpose(0, 2), whole[5:9], torch.arange(3, dtype=torch.float64), torch.zeros(0)]
    table = {i + 1: tensor for i, tensor in enumerate(tensors)} | {5: tensors[0]}
    table[6] = table  # a table may hold itself
    (tmp_path / "tensors.t7").write_bytes(t7(table))
    found = read_t7(tmp_path / "tensors.t7")
    for i, tensor in enumerate(tensors):
        assert torch.equal(found[i + 1], tensor)
        assert found[i + 1].dtype == tensor.dtype
    assert found[5] is found[1]
    assert found[6] is found


def test_t7_functions_are_read_over(tmp_path):
    function = struct.pack("<iii", 8, 7, 3) + b"\x1bLJ" + struct.pack("<iii", 3, 8, 0)
    content = struct.pack("<iii", 3, 1, 2) + t7("f") + function + t7("after") + t7(1.5)
    (tmp_path / "function.t7").write_bytes(content)
    assert read_t7(tmp_path / "function.t7") == {"f": None, "after": 1.5}


@settings(max_examples=300)
@given(st.data())
def test_damaged_t7_files_are_refused_or_read_but_never_crash(tmp_path_factory, data):
    tensor = torch.arange(6, dtype=torch.float32).view(2, 3)
    content = bytearray(t7({"mean": tensor, "model": TorchObject("nn.ReLU", {"inplace": True, "name": "x"})}))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.sampled_from([0, 1, 3, 4, 8, 127, 255]))
    path = tmp_path_factory.mktemp("t7") / "damaged.t7"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with suppress(ValueError):
        read_t7(path)


def test_t7_nested_too_deeply_is_refused(tmp_path):
    deep = b"".join(struct.pack("<iiiid", 3, i, 1, 1, 1.0) for i in range(100_000))
    (tmp_path / "deep.t7").write_bytes(deep)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_t7(tmp_path / "deep.t7")


@pytest.mark.parametrize("view", [(7, 1, 1), (6, 1, 2), (6, 2, 1), (6, -1, 1), (6, 1, 0), (2**40, 0, 1)])
def test_t7_tensor_beyond_its_storage_is_refused(tmp_path, view):
    content = t7({"mean": torch.arange(6, dtype=torch.float32)})
    size_stride_offset = struct.pack("<i3q", 1, 6, 1, 1)
    assert size_stride_offset in content
    (tmp_path / "beyond.t7").write_bytes(content.replace(size_stride_offset, struct.pack("<i3q", 1, *view)))
    with pytest.raises(ValueError, match="does not lie in its storage"):
        read_t7(tmp_path / "beyond.t7")
