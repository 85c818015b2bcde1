"""int8: what is rounded, what it costs on photographs, and that nothing uncalibrated or too lossy is ever run."""

import logging

import numpy as np
import onnx
import pytest
import torch

from engine.inference.completer import Completer
from engine.inference import calibration
from engine.inference.graphs import int8
from engine.inference.calibration import Sample, calibrate, network_inputs, quantised
from engine.inference.graphs.engine_cache import entry_path, store
from engine.inference.graphs.export import GRAPHS, cached_onnx
from engine.inference.graphs.int8 import check_loss, insert_rounding, int8_key, load_int8, read_loss
from engine.inference.graphs.runners import open_in_onnxruntime, open_in_openvino, openvino_has_bf16
from engine.inference.runtimes import open_runtime, pick_runtime
from engine.inference.runtimes.torch_runtime import fast_precision
from tests.engine.inference.conftest import random_network

SIDE = 256


@pytest.fixture(scope="module")
def samples(astronaut_HW3):
    """Four crops of a photograph, with a hole each."""
    found = []
    for place in range(4):
        y, x = divmod(place, 2)
        hole_HW = np.zeros((SIDE, SIDE), bool)
        hole_HW[60 + 10 * place : 160, 80 : 180 - 5 * place] = True
        found.append(Sample(astronaut_HW3[SIDE * y : SIDE * (y + 1), SIDE * x : SIDE * (x + 1)], hole_HW))
    return found


@pytest.fixture(scope="module")
def net():
    return random_network(6, "norm_act", "residual")


@pytest.fixture(scope="module")
def contents(net, samples):
    """Both graphs in int8, and for these tests in the cache."""
    ranges = calibrate(net, samples[:2])
    found = {graph: quantised(net, graph, ranges, samples[2:]) for graph in GRAPHS}
    for graph, content in found.items():
        store(int8_key(net, graph), content)
    yield found
    for graph in GRAPHS:  # other tests' "auto" would take them
        entry_path(int8_key(net, graph)).unlink()


@pytest.mark.parametrize("graph", GRAPHS)
def test_all_convolutions_are_rounded_but_the_first(contents, graph):
    model = onnx.load_from_string(contents[graph])
    made_by = {name: node for node in model.graph.node for name in node.output}
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type in int8.CONVOLUTIONS]
    assert len(convolutions) == 17
    assert types[convolutions[0].input[1]] == onnx.TensorProto.FLOAT
    for node in convolutions[1:]:
        weight = made_by[node.input[1]]
        assert weight.op_type == made_by[node.input[0]].op_type == "DequantizeLinear"
        assert types[weight.input[0]] == onnx.TensorProto.INT8
    scales = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    assert list(scales["weight_scale_3"]) == [24]
    assert list(scales["scale_3"]) == []


def test_close_to_pytorch_in_both_runtimes(samples):
    """With negative activations, and behind a learned fill, which is not rounded."""
    network = random_network(6, "act_norm", "sigmoid", "learned")
    ranges = calibrate(network, samples[:1])
    assert len(ranges) == 17
    content = insert_rounding(cached_onnx(network, "fp32", "padded"), ranges).SerializeToString()
    holed_N4HW = next(network_inputs(network, samples[:1]))
    expected_N3HW = network(holed_N4HW).numpy()
    for run in (open_in_onnxruntime(content), open_in_openvino(content)):
        difference = np.abs(run(holed_N4HW.contiguous().numpy()) - expected_N3HW)
        assert 0 < difference.max() < 0.1
        assert difference.mean() < 0.01


def test_wrong_ranges_cost_what_is_measured(contents, net, samples):
    narrow = [(low / 50, high / 50) for low, high in calibrate(net, samples[:2])]
    reference = cached_onnx(net, "fp32", "padded")
    rounded = insert_rounding(reference, narrow).SerializeToString()
    lossy = calibration.measure_loss(net, "padded", reference, rounded, samples)
    good = read_loss(contents["padded"])
    assert lossy.int8_psnr_to_fp32_db < good.int8_psnr_to_fp32_db - 10
    same = calibration.measure_loss(net, "padded", reference, reference, samples)
    assert (same.int8_loss_db, same.int8_psnr_to_fp32_db, same.int8_photos) == (0, 100, 4)


def test_the_measured_loss_is_in_the_file(contents, net, samples):
    reference = cached_onnx(net, "fp32", "interior")
    measured = calibration.measure_loss(net, "interior", reference, contents["interior"], samples[2:])
    assert read_loss(contents["interior"]) == pytest.approx(measured, abs=1e-3)
    assert check_loss(contents["padded"]).int8_photos == 2


def with_loss(content: bytes, loss: str) -> bytes:
    model = onnx.load_from_string(content)
    (entry,) = [entry for entry in model.metadata_props if entry.key == "int8_loss_db"]
    entry.value = loss
    return model.SerializeToString()


@pytest.mark.parametrize("loss", ["0.31", "nan"])
def test_a_file_that_lost_too_much_is_neither_made_nor_loaded(contents, net, samples, loss, monkeypatch):
    lossy = with_loss(contents["padded"], loss)
    with pytest.raises(ValueError, match=r"more than 0.3: use --precision fp32 or bf16"):
        check_loss(lossy)
    store(int8_key(net, "padded"), lossy)
    with pytest.raises(ValueError, match="has not been calibrated for int8"):
        open_runtime("openvino", net, precision="int8")
    store(int8_key(net, "padded"), contents["padded"])
    monkeypatch.setattr(int8, "LIMIT_DB", -100.0)
    with pytest.raises(ValueError, match=r"more than -100\.0"):
        quantised(net, "padded", calibrate(net, samples[:1]), samples[1:])


def test_damage_is_found_and_the_remedy_named(contents, net):
    path = entry_path(int8_key(net, "padded"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-200] + bytes([whole[-200] ^ 1]) + whole[-199:])
    with pytest.raises(ValueError, match="engine-export WEIGHTS --to openvino --precision int8 --photos DIR"):
        load_int8(net, "padded")
    path.write_bytes(whole)
    assert load_int8(net, "padded") == contents["padded"]


def test_a_photo_through_openvino_in_int8_and_where_the_cpu_has_it_bf16(contents, net, astronaut_HW3, caplog):
    mask_HW = np.zeros(astronaut_HW3.shape[:2], bool)
    mask_HW[230:280, 240:300] = True  # an interior window
    mask_HW[:30, 5:40] = True  # a window at the photo's corner
    expected_HW3 = Completer.of(net, "torch", "fp32", "cpu", 1 << 28).complete(astronaut_HW3, mask_HW, texture="none")
    unasked = Completer.of(net, "auto", device="cpu", memory=1 << 28)
    assert unasked.runtime.precision == fast_precision(torch.device("cpu"))
    with caplog.at_level(logging.DEBUG, logger="engine"):
        chosen = Completer.of(net, "auto", "int8", "cpu", 1 << 28)
    assert (chosen.runtime.name, chosen.runtime.precision) == ("openvino", "int8")
    assert "measured on 2 photos" in caplog.text
    in_bf16 = [Completer.of(net, "openvino", "bf16", memory=1 << 28)] if openvino_has_bf16() else []
    for completer in (chosen, *in_bf16):
        completed_HW3 = completer.complete(astronaut_HW3, mask_HW, texture="none")
        assert np.array_equal(completed_HW3[~mask_HW], astronaut_HW3[~mask_HW])
        difference_P3 = np.abs(completed_HW3[mask_HW].astype(int) - expected_HW3[mask_HW])
        assert difference_P3.max() <= 12
        assert difference_P3.mean() < 2
        assert completer.runtime.precision != "fp32"


def test_bf16_needs_the_cpus(net, monkeypatch):
    import engine.inference.runtimes.openvino_runtime as runtime

    monkeypatch.setattr(runtime, "openvino_has_bf16", lambda: False)
    with pytest.raises(ValueError, match="this CPU does not compute in bf16"):
        open_runtime("openvino", net, precision="bf16")
    assert pick_runtime(random_network(2), "fp16", "cpu")[0] == "torch"
