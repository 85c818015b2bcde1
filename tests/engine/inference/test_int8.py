"""int8: what is rounded, what it costs on photographs, and that nothing uncalibrated or too lossy is ever run."""

import logging
from copy import deepcopy

import numpy as np
import onnx
import pytest

from engine.inference import calibration
from engine.inference.calibration import Sample, calibrate, judged, network_inputs
from engine.inference.completer import Completer
from engine.inference.graphs import int8
from engine.inference.graphs.engine_cache import entry_path
from engine.inference.graphs.export import GRAPHS, cached_onnx
from engine.inference.graphs.int8 import (
    cached_int8,
    calibration_file,
    insert_rounding,
    int8_key,
    quantised,
    read_calibration,
    save_calibration,
)
from engine.inference.graphs.runners import open_in_onnxruntime, open_in_openvino, openvino_has_bf16
from engine.inference.runtimes import open_runtime
from engine.inference.runtimes.picking import pick_runtime
from engine.weights import NetworkWeights, load_weights
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
def net(tmp_path_factory):
    network = deepcopy(random_network(6, "norm_act", "residual"))  # it is other tests', too
    network.file = tmp_path_factory.mktemp("weights") / "small.safetensors"
    return network


@pytest.fixture(scope="module")
def calibrated(net, samples):
    """Its calibration, which also lies beside its weights."""
    found = judged(net, calibrate(net, samples[:2]), samples[2:])
    save_calibration(calibration_file(net.file), net, found)
    return found


@pytest.fixture
def file(calibrated, net):
    """The calibration's file, which the test may change."""
    path = calibration_file(net.file)
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


@pytest.mark.parametrize("graph", GRAPHS)
def test_all_convolutions_are_rounded_but_the_first(calibrated, net, graph):
    model = onnx.load_from_string(quantised(net, graph, calibrated.ranges))
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


def test_wrong_ranges_cost_what_is_measured(calibrated, net, samples):
    narrow = [(low / 50, high / 50) for low, high in calibrated.ranges]
    reference = cached_onnx(net, "fp32", "padded")
    lossy = calibration.measure_loss(net, "padded", reference, quantised(net, "padded", narrow), samples)
    assert lossy.int8_psnr_to_fp32_db < calibrated.loss.int8_psnr_to_fp32_db - 10
    same = calibration.measure_loss(net, "padded", reference, reference, samples)
    assert (same.int8_loss_db, same.int8_psnr_to_fp32_db, same.int8_photos) == (0, 100, 4)


def test_a_calibration_is_read_as_it_was_measured(calibrated, net, samples):
    assert read_calibration(net) == calibrated
    measured = [
        calibration.measure_loss(
            net, graph, cached_onnx(net, "fp32", graph), quantised(net, graph, calibrated.ranges), samples[2:]
        )
        for graph in GRAPHS
    ]
    assert calibrated.loss == pytest.approx(max(measured), abs=1e-3)
    assert calibrated.loss.int8_photos == 2


@pytest.mark.parametrize("loss", [0.31, float("nan")])
def test_a_calibration_that_lost_too_much_is_neither_made_nor_used(file, calibrated, net, samples, loss, monkeypatch):
    save_calibration(file, net, calibrated._replace(loss=calibrated.loss._replace(int8_loss_db=loss)))
    with pytest.raises(ValueError, match=r"more than 0.3: use --precision fp32 or bf16"):
        open_runtime("openvino", NetworkWeights.of(net), precision="int8")
    monkeypatch.setattr(int8, "LIMIT_DB", -100.0)
    with pytest.raises(ValueError, match=r"more than -100\.0"):
        judged(net, calibrated.ranges, samples[1:])


@pytest.mark.parametrize(("change", "why"), [
    (lambda text: text[:-30], "cannot be read"),
    (lambda text: text.replace('"ranges"', '"others"'), "cannot be read"),
    (lambda text: text.replace('"calibration": 2', '"calibration": 0'), "is the calibration of another version"),
    (lambda text: text.replace('"weights": "', '"weights": "0'), "is the calibration of other weights"),
])  # fmt: skip
def test_a_calibration_of_something_else_is_refused_with_the_remedy(file, net, change, why):
    file.write_text(change(file.read_text()))
    remedy = r"engine-export .*small\.safetensors --to openvino --precision int8 --photos DIR"
    with pytest.raises(ValueError, match=rf"small\.int8\.json {why}.*: {remedy}"):
        open_runtime("openvino", NetworkWeights.of(net), precision="int8")


def test_without_a_calibration_the_remedy_is_named(net):
    other = deepcopy(net)
    other.file = net.file.with_name("other.safetensors")
    with pytest.raises(ValueError, match=r"not been calibrated for int8 \(no .*other\.int8\.json\): engine-export"):
        open_runtime("openvino", NetworkWeights.of(other), precision="int8")


def test_a_damaged_graph_in_the_cache_is_made_again(calibrated, net):
    whole = cached_int8(net, "padded", calibrated.ranges)
    path = entry_path(int8_key(net, "padded", calibrated.ranges))
    cached = path.read_bytes()
    path.write_bytes(cached[:-200] + bytes([cached[-200] ^ 1]) + cached[-199:])
    assert cached_int8(net, "padded", calibrated.ranges) == whole


def test_the_weights_that_come_with_the_engine_are_calibrated():
    found = read_calibration(load_weights("default"))
    assert found.loss.int8_loss_db < 0.01
    assert len(found.ranges) == 17


def test_a_photo_through_openvino_in_int8_and_where_the_cpu_has_it_bf16(calibrated, net, astronaut_HW3, caplog):
    mask_HW = np.zeros(astronaut_HW3.shape[:2], bool)
    mask_HW[230:280, 240:300] = True  # an interior window
    mask_HW[:30, 5:40] = True  # a window at the photo's corner
    expected_HW3 = Completer.of(net, "torch", "fp32", "cpu", 1 << 28).complete(astronaut_HW3, mask_HW, texture="none")
    unasked = Completer.of(net, "auto", device="cpu", memory=1 << 28)
    assert unasked.runtime.precision != "int8"
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
        open_runtime("openvino", NetworkWeights.of(net), precision="bf16")
    assert pick_runtime(NetworkWeights.of(random_network(2)), "fp16", "cpu", once=False)[0] == "torch"
