"""Torch7 files, written here as Torch7 does, come back; damaged ones are refused."""

import struct
from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.torch7 import TorchObject, read_t7
from tests.engine.made_torch7 import t7

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
