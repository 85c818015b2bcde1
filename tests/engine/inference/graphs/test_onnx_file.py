"""ONNX files written by hand are what the onnx package writes."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from engine.inference.graphs import onnx_file

numbers = st.integers(-(2**63), 2**63 - 1)
attributes = st.one_of(numbers, st.text(), st.lists(numbers, min_size=1))


@given(st.text(), st.lists(st.text()), st.text(min_size=1), st.dictionaries(st.text(), attributes))
def test_a_node_is_the_onnx_packages(operator, inputs, output, values):
    found = onnx.NodeProto.FromString(onnx_file.node(operator, inputs, output, values))
    expected = helper.make_node(operator, inputs, [output], name=output)
    expected.attribute.extend(helper.make_attribute(name, value) for name, value in values.items())
    assert found == expected


@pytest.mark.parametrize("values", [
    np.array(0.25, np.float32),
    np.arange(-6, 300, dtype=np.float32).reshape(2, 3, 51)[:, :, ::2],
    np.array([1, -(2**63), 2**63 - 1]),
    np.array([[1.5], [np.inf]], np.float16),
    np.array([1.5, -2.0], ">f4"),
])  # fmt: skip
def test_a_tensor_is_the_onnx_packages(values):
    found = onnx.TensorProto.FromString(onnx_file.tensor("name", values))
    assert found.name == "name"
    read = numpy_helper.to_array(found)
    assert read.dtype == values.dtype.newbyteorder("=")
    np.testing.assert_array_equal(read, values)


@given(st.lists(st.one_of(st.integers(1, 2**62), st.text(min_size=1))))
def test_a_value_is_the_onnx_packages(shape):
    found = onnx.ValueInfoProto.FromString(onnx_file.value_info("holed", shape))
    assert found == helper.make_tensor_value_info("holed", onnx.TensorProto.FLOAT, shape)


def test_a_file_is_a_model():
    graph = onnx_file.Graph()
    half = graph.constant(np.array(0.5, np.float32))
    graph.add("Mul", graph.add("Neg", "x"), half, output="y")
    content = graph.file(onnx_file.value_info("x", ("N", 3)), onnx_file.value_info("y", ("N", 3)), 18, {"a": "b"})
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert [(node.op_type, *node.input) for node in model.graph.node] == [("Neg", "x"), ("Mul", "Neg_0", "constant_0")]
    assert [(entry.key, entry.value) for entry in model.metadata_props] == [("a", "b")]
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
