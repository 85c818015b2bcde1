"""A photo and a mask become the completed photo: exact windows, scales, little memory; and what is refused."""

import copy
import subprocess
import sys
import tracemalloc

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.inference.completer import Completer
from engine.inference.holes import mask
from engine.inference.holes.mask import widen
from engine.inference.report import Report
from engine.inference.runtimes.torch_runtime import TorchRuntime, fast_precision
from engine.inference.windows.layer_plan import NO_MARGINS
from tests.engine.inference.conftest import random_network


def completer(base_width=4, memory=1 << 30, **options) -> Completer:
    return Completer.of(random_network(base_width), device="cpu", memory=memory, **options)


def noise(height, width, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (height, width, 3), dtype)


def mask_with(size, *boxes):
    mask_HW = np.zeros(size, bool)
    for top, left, height, width in boxes:
        mask_HW[top : top + height, left : left + width] = True
    return mask_HW


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])  # each example runs a network
@given(
    st.integers(1, 620),
    st.integers(1, 620),
    st.lists(st.tuples(*[st.floats(0, 1)] * 2, *[st.integers(1, 120)] * 2), min_size=1, max_size=5),
    st.sampled_from(["none", "feather", "poisson"]),
    st.sampled_from([np.uint8, np.uint16]),
    st.sampled_from(["fp32", "bf16"]),
)
def test_windows_equal_the_full_frame_bit_for_bit(height, width, holes, blend, dtype, precision):
    photo_HW3 = noise(height, width, dtype)
    mask_HW = mask_with((height, width), *((int(y * height), int(x * width), h, w) for y, x, h, w in holes))
    if mask_HW.all():
        mask_HW[0, 0] = False
    if not mask_HW.any():
        mask_HW[0, 0] = True
    if mask_HW.all():  # a photo of one pixel
        return
    options = {"blend": blend, "octaves": 0, "texture": "none"}
    lite = completer(16, memory=400 << 20, precision=precision)
    windowed_HW3 = lite.complete(photo_HW3, mask_HW, **options)
    whole_HW3 = lite.complete(photo_HW3, mask_HW, full_frame=True, **options)
    if precision == "bf16" and torch.cpu._is_amx_tile_supported():  # whose order of summation depends on the size
        assert abs(windowed_HW3.astype(int) - whole_HW3).max() <= np.iinfo(dtype).max / 100
    else:
        np.testing.assert_array_equal(windowed_HW3, whole_HW3)
    outside_HW = ~(widen(mask_HW, 4) if blend == "feather" else mask_HW)
    assert windowed_HW3.dtype == dtype
    np.testing.assert_array_equal(windowed_HW3[outside_HW], photo_HW3[outside_HW])


@pytest.mark.parametrize("size", [(1, 2), (2, 1), (1, 300), (300, 1), (5, 7), (63, 66), (301, 130)])
@pytest.mark.parametrize("octaves", [None, 1])
def test_odd_sizes(size, octaves):
    photo_HW3, mask_HW = noise(*size), mask_with(size, (0, 0, 1, 1))
    before = photo_HW3.copy(), mask_HW.copy()
    completed_HW3 = completer().complete(photo_HW3, mask_HW, octaves=octaves)
    assert completed_HW3.shape == photo_HW3.shape
    np.testing.assert_array_equal(completed_HW3[~mask_HW], photo_HW3[~mask_HW])
    np.testing.assert_array_equal(photo_HW3, before[0])
    np.testing.assert_array_equal(mask_HW, before[1])


@pytest.mark.parametrize("octaves", [0, 2])
@pytest.mark.parametrize("blend", ["none", "feather", "poisson"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_grey_photo_is_completed_in_grey(octaves, blend, dtype):
    size = (420, 300)
    photo_HW3 = noise(*size, dtype)[..., :1].repeat(3, 2)
    mask_HW = mask_with(size, (100, 60, 120, 140), (5, 5, 30, 30))
    photo_HW3[mask_HW] = (1, 200, 90)  # what is under the mask does not count
    completed_HW3 = completer().complete(photo_HW3, mask_HW, blend=blend, octaves=octaves)
    assert completed_HW3.dtype == dtype
    assert (completed_HW3 == completed_HW3[..., :1]).all()
    assert completed_HW3[mask_HW].std() > 0
    photo_HW3[415, 295] = (7, 8, 9)  # farther than the network sees
    completed_HW3 = completer().complete(photo_HW3, mask_HW, blend="none", octaves=0)
    coloured_HW = (completed_HW3 != completed_HW3[..., :1]).any(2)
    coloured_HW[415, 295] = False
    assert not coloured_HW.any()
    photo_HW3[230, 210] = (7, 8, 9)  # the network, which sees it, may draw in colour; what is copied is grey
    completed_HW3 = completer().complete(photo_HW3, mask_HW, blend="none", octaves=0, texture="none")
    assert (completed_HW3[mask_HW] != completed_HW3[mask_HW][:, :1]).any()


@pytest.mark.parametrize("octaves", [0, 2])
@pytest.mark.parametrize("blend", ["none", "feather", "poisson"])
def test_what_is_under_the_mask_is_never_read(octaves, blend):
    photo_HW3, mask_HW = noise(400, 300), mask_with((400, 300), (100, 60, 250, 200), (0, 280, 20, 20), (5, 5, 30, 30))
    other_HW3 = np.where(mask_HW[..., None], 255 - photo_HW3, photo_HW3)
    one, other = (
        completer().complete(photo, mask_HW, octaves=octaves, blend=blend) for photo in (photo_HW3, other_HW3)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("octaves", [0, 2])
@pytest.mark.parametrize("blend", ["none", "feather", "poisson"])
@pytest.mark.parametrize("fill", ["mean", "smooth"])
def test_what_is_hidden_is_neither_read_nor_changed(octaves, blend, fill):
    """Beside a hole, at the photo's border, and where it is all that the network sees of the photo."""
    model = Completer.of(random_network(4, fill=fill), device="cpu", memory=1 << 30)
    photo_HW3, mask_HW = (
        noise(700, 300)[..., :1].repeat(3, 2),
        mask_with((700, 300), (60, 60, 90, 120), (640, 290, 9, 10)),
    )
    hidden_HW = mask_with((700, 300), (100, 140, 70, 100), (160, 0, 20, 90), (450, 0, 250, 300))
    outside_HW = hidden_HW & ~mask_HW
    one, other = (
        model.complete(photo, mask_HW, octaves=octaves, blend=blend, feather=12, hidden_HW=hidden_HW)
        for photo in (photo_HW3, np.where(hidden_HW[..., None], (1, 200, 90), photo_HW3).astype(np.uint8))
    )
    np.testing.assert_array_equal(one[~outside_HW], other[~outside_HW])
    np.testing.assert_array_equal(one[outside_HW], photo_HW3[outside_HW])
    assert (other[outside_HW] == (1, 200, 90)).all()
    shown_HW3 = other[:450][~outside_HW[:450]]
    assert (shown_HW3 == shown_HW3[:, :1]).all(), "as grey as all that is seen"
    as_bytes_HW = hidden_HW.astype(np.uint8) * 255
    windowed_HW3 = model.complete(photo_HW3, mask_HW, octaves=0, blend=blend, hidden_HW=as_bytes_HW)
    whole_HW3 = model.complete(photo_HW3, mask_HW, octaves=0, blend=blend, hidden_HW=hidden_HW, full_frame=True)
    assert abs(windowed_HW3.astype(int) - whole_HW3).max() <= 1  # so narrow a network differs in the last bit


def test_with_all_hidden_but_the_hole_nothing_is_left():
    mask_HW = mask_with((60, 70), (20, 20, 10, 10))
    with pytest.raises(
        ValueError, match=r"all of the photo that is neither fully transparent nor.*make the hole smaller"
    ):
        completer().complete(noise(60, 70), mask_HW, hidden_HW=~mask_HW)
    with pytest.raises(ValueError, match="must be the same size"):
        completer().complete(noise(60, 70), mask_HW, hidden_HW=~mask_HW[1:])


@pytest.mark.parametrize("dilate", [0, 3])
def test_only_the_widened_mask_and_the_feather_change(dilate):
    photo_HW3, mask_HW = noise(200, 220), mask_with((200, 220), (50, 60, 40, 50))
    completed_HW3 = completer().complete(photo_HW3, mask_HW, dilate=dilate, blend="feather", feather=5)
    changed_HW = (completed_HW3 != photo_HW3).any(2)
    assert not changed_HW[~widen(widen(mask_HW, dilate), 5)].any()
    assert changed_HW[widen(mask_HW, dilate + 2)].mean() > 0.9  # noise, so nearly every pixel


def test_large_holes_are_completed_from_coarse_to_fine(astronaut_HW3):
    mask_HW = mask_with((512, 512), (60, 40, 420, 430), (10, 480, 20, 20))
    report = Report()
    completed_HW3 = completer().complete(astronaut_HW3, mask_HW, report=report)
    np.testing.assert_array_equal(completed_HW3[~mask_HW], astronaut_HW3[~mask_HW])
    assert report.scales == {1, 2, 4}  # 420 / (1.25 * 128) = 2.6
    assert len(report.warnings) == 1  # of what fits the network's training nothing is said; of so large a share it is
    assert "an inverted mask is a common reason" in report.warnings[0]
    native = Report()
    completer().complete(astronaut_HW3, mask_HW, octaves=0, report=native)
    assert native.scales == {1}
    assert "expect a blurred inside" in native.warnings[0]
    assert "an inverted mask is a common reason" in native.warnings[1]
    half = Report()
    completer().complete(astronaut_HW3, mask_HW, octaves=1, report=half)
    assert half.scales == {1, 2}
    assert "completed at 1/2 of the resolution as asked" in half.warnings[0]


def test_a_hole_at_the_border_is_warned_about_and_met_without_a_slope():
    """A constant photo with a network that knows nothing is completed to the constant, by Poisson, up to the border."""
    photo_HW3 = np.full((200, 300, 3), 77, np.uint8)
    flat = completer()
    report = Report()
    for box in ((0, 0, 200, 40), (0, 100, 30, 60), (150, 250, 50, 50)):
        mask_HW = mask_with((200, 300), box)
        generated = flat.complete(photo_HW3, mask_HW, blend="none", texture="none")[mask_HW].astype(int)
        joined = flat.complete(photo_HW3, mask_HW, blend="poisson", report=report, texture="none")[mask_HW].astype(int)
        assert abs(joined - 77).mean() < abs(generated - 77).mean() / 2
    assert any("at the photo's border" in warning for warning in report.warnings)


@pytest.mark.parametrize(("box", "most"), [
    ((0, 0, 1, 300), 0.01), ((0, 0, 12, 300), 0.02), ((188, 0, 12, 300), 0.02), ((0, 0, 200, 5), 0.01),
    ((0, 268, 32, 32), 0.02),
])  # fmt: skip
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_holes_at_the_border_go_on_smoothly(box, most, dtype):
    """A sky that gets darker: the network's zeros beyond the border, which make 0.012 to 0.06, are not to be seen."""
    largest = np.iinfo(dtype).max
    levels_HW = np.linspace(0.9, 0.7, 200)[:, None] * largest + np.zeros((200, 300))
    sky_HW3 = np.repeat(levels_HW[..., None], 3, axis=2).astype(dtype)
    mask_HW = mask_with((200, 300), box)
    completed_HW3 = Completer.load(runtime="torch", precision="fp32", device="cpu").complete(
        sky_HW3, mask_HW, texture="none"
    )
    assert completed_HW3.shape == sky_HW3.shape
    assert np.array_equal(completed_HW3[~mask_HW], sky_HW3[~mask_HW])
    assert abs(completed_HW3.astype(float) - sky_HW3)[mask_HW].max() < most * largest


def test_a_hole_at_the_border_costs_two_copies_of_the_photo():
    """The mirrored photo, which is completed in place, and what is cut out of it."""
    photo_HW3, mask_HW = noise(3000, 4000), mask_with((3000, 4000), (0, 2000, 20, 20))
    tracemalloc.start()
    completer().complete(photo_HW3, mask_HW)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2.7 * photo_HW3.nbytes + 2**24  # with the masks, and what is around the hole


@pytest.mark.parametrize("octaves", [None, 1])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_hole_in_a_page_of_one_colour_gets_that_colour(dtype, octaves):
    page_HW3 = np.full((300, 300, 3), (200, 100, 7), dtype)
    page_HW3[:85], page_HW3[215:] = 0, 7  # beyond what is around the holes
    mask_HW = mask_with((300, 300), (90, 110, 120, 60), (90, 200, 90, 30))
    completed_HW3 = completer().complete(page_HW3, mask_HW, octaves=octaves)
    assert (completed_HW3[mask_HW] == page_HW3[150, 10]).all()
    page_HW3[212, 130] = 0
    completed_HW3 = completer().complete(page_HW3, mask_HW, octaves=octaves)
    assert (completed_HW3[90:180, 200:230] == page_HW3[150, 10]).all(), "the other hole has nothing to do with it"
    assert np.ptp(completed_HW3[90:210, 110:170], axis=(0, 1)).max() > 0, "no page of one colour"


@pytest.mark.parametrize(("thickness", "blend", "most"), [(8, "poisson", 1), (8, "feather", 1), (60, "poisson", 2)])
def test_a_long_thin_hole_is_completed_in_pieces_as_it_would_be_whole(monkeypatch, thickness, blend, most):
    photo_HW3 = cv2.resize(skimage.data.coffee(), (1500, 1000), interpolation=cv2.INTER_CUBIC)
    line_HW = np.zeros((1000, 1500), np.uint8)
    cv2.line(line_HW, (50, 100), (1400, 900), 1, thickness)
    model = Completer.load(runtime="torch", device="cpu")
    in_pieces_HW3 = model.complete(photo_HW3, line_HW > 0, blend=blend, texture="none")
    monkeypatch.setattr(mask, "LONG", 2**30)
    whole_HW3 = model.complete(photo_HW3, line_HW > 0, blend=blend, texture="none")
    difference = abs(in_pieces_HW3.astype(int) - whole_HW3)
    assert 0 < difference[line_HW > 0].mean() < most
    assert not difference[widen(line_HW > 0, 4) == 0].any()


class SmallDevice(TorchRuntime):
    """A device with less memory than it seemed to have."""

    holds = 400 * 400

    def run(self, holed_N4HW, margins=NO_MARGINS):
        if holed_N4HW.shape[0] * holed_N4HW.shape[2] * holed_N4HW.shape[3] > self.holds:
            raise torch.OutOfMemoryError("no")
        return super().run(holed_N4HW, margins)


def test_runs_out_of_memory_then_takes_smaller_windows(caplog):
    photo_HW3, mask_HW = noise(600, 600), mask_with((600, 600), (200, 200, 200, 200))
    network = random_network(16)
    small = Completer(SmallDevice(network, precision="fp32", device="cpu", memory=1 << 30))
    whole = Completer.of(network, "torch", precision="fp32", device="cpu", memory=1 << 30)
    expected = whole.complete(photo_HW3, mask_HW, octaves=0, texture="none")
    np.testing.assert_array_equal(small.complete(photo_HW3, mask_HW, octaves=0, texture="none"), expected)
    assert "ran out of memory" in caplog.text


def test_no_room_for_the_smallest_window_is_told_with_what_can_be_done(caplog):
    network = random_network(16)
    small = Completer(SmallDevice(network, device="cpu", memory=1 << 30))
    small.runtime.holds = 1000
    with pytest.raises(ValueError, match=r"cpu has no room for a window of 135424 pixels.*free some.*another --device"):
        small.complete(noise(600, 600), mask_with((600, 600), (200, 200, 200, 200)))
    assert "with 135424 pixels" not in caplog.text, "there is nothing smaller to be tried"


class Overflowing(TorchRuntime):
    """A runtime whose output for bright windows is beyond its precision."""

    def run(self, holed_N4HW, margins=NO_MARGINS):
        self.precision = "fp16"
        generated_N3HW = super().run(holed_N4HW, margins)
        bright_N = holed_N4HW[:, 3:].eq(0).mul(holed_N4HW[:, :3]).amax((1, 2, 3)) > 0.9
        return generated_N3HW.masked_fill(bright_N[:, None, None, None], torch.inf)


def test_windows_that_are_not_finite_are_computed_in_fp32(caplog):
    photo_HW3 = 100 + noise(900, 400) // 32  # no plain page, which needs no network
    photo_HW3[:400] += 148
    mask_HW = mask_with((900, 400), (180, 180, 32, 32), (700, 180, 32, 32))
    network = random_network(4)
    overflowing = Completer(Overflowing(network, precision="fp32", device="cpu"))
    completed_HW3 = overflowing.complete(photo_HW3, mask_HW, texture="none")
    in_fp32 = Completer.of(network, "torch", precision="fp32", device="cpu")
    assert np.array_equal(completed_HW3, in_fp32.complete(photo_HW3, mask_HW, texture="none"))
    assert "1 window(s) are not finite in fp16; PyTorch computes them in fp32" in caplog.messages


def test_weights_that_are_not_finite_are_refused():
    network = copy.deepcopy(random_network(4))  # which other tests share
    network.to_rgb.bias.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="not finite in fp32: its weights are not usable"):
        Completer.of(network, "torch", device="cpu").complete(noise(300, 300), mask_with((300, 300), (100, 100, 9, 9)))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("output", ["sigmoid", "residual", "clip"])
def test_half_precision_is_less_than_half_a_level_off(precision, output, astronaut_HW3):
    photo_HW3, mask_HW = astronaut_HW3.astype(np.uint16) * 257, mask_with((512, 512), (200, 200, 60, 60))
    network = random_network(16, output=output)
    exact, near = (
        Completer.of(network, "torch", p, device="cpu", memory=1 << 30).complete(
            photo_HW3, mask_HW, blend="none", texture="none"
        )
        for p in ("fp32", precision)
    )
    assert 0 < abs(exact.astype(int) - near).max() <= 257 / 2


@pytest.mark.parametrize(
    ("has_bf16", "has_amx", "expected"), [(False, False, "fp32"), (True, False, "bf16"), (False, True, "bf16")]
)
def test_auto_computes_in_bf16_where_the_cpu_does(has_bf16, has_amx, expected, monkeypatch):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: has_amx)
    assert fast_precision("cpu") == expected
    assert Completer.of(random_network(4), "torch", device="cpu").runtime.precision == expected
    assert Completer.of(random_network(4), "torch", "fp32", device="cpu").runtime.precision == "fp32"


@pytest.mark.parametrize(
    ("photo_HW3", "mask_HW", "message"),
    [
        (noise(20, 30), np.zeros((20, 30), bool), "the mask is empty"),
        (noise(20, 30), np.ones((20, 30), bool), "covers the whole photo"),
        (noise(20, 30), np.ones((30, 20), bool), "the mask is 20x30 and the photo 30x20"),
        (noise(20, 30).astype(np.float32), np.ones((20, 30), bool), "the photo is float32"),
        (noise(20, 30)[..., 0], np.ones((20, 30), bool), "it must be uint8 or uint16"),
        (Image.fromarray(noise(20, 30)).convert("RGBA"), np.ones((20, 30), bool), r"the photo is uint8 of .*30, 4\)"),
        (noise(20, 30).tolist(), np.ones((20, 30), bool), r"the photo is int64 .* it must be uint8 or uint16"),
        (None, np.ones((20, 30), bool), "the photo is object"),
        (noise(20, 30), None, r"the mask is of shape \(\) and the photo 30x20"),
    ],
)
def test_wrong_arrays_are_named(photo_HW3, mask_HW, message):
    with pytest.raises(ValueError, match=message):
        completer().complete(photo_HW3, mask_HW)


def test_what_numpy_makes_an_array_of_is_completed_as_that_array():
    photo_HW3, mask_HW = noise(60, 70), mask_with((60, 70), (20, 20, 10, 10))
    expected_HW3 = completer().complete(photo_HW3, mask_HW)
    for mask_of_a_kind in (Image.fromarray(mask_HW), torch.from_numpy(mask_HW), mask_HW.tolist()):
        completed_HW3 = completer().complete(Image.fromarray(photo_HW3), mask_of_a_kind)
        np.testing.assert_array_equal(completed_HW3, expected_HW3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blend": "poison"}, "blend is 'poison'; it must be one of: none, feather, poisson"),
        ({"dilate": -3}, "dilate is -3; it must be 0 pixels or more"),
        ({"feather": -1, "blend": "feather"}, "feather is -1; it must be 0 pixels or more"),
        ({"octaves": -1}, r"octaves is -1; it must be 0 \(the photo's resolution\) or more, or None"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        completer().complete(noise(60, 70), mask_with((60, 70), (20, 20, 10, 10)), **options)


def test_a_mask_that_widening_makes_too_large_is_told_so():
    point_HW = mask_with((3, 3), (1, 1, 1, 1))
    with pytest.raises(ValueError, match=r"the mask, widened by 4 pixels \(--mask-dilate\), covers the whole photo"):
        completer().complete(noise(3, 3), point_HW, dilate=4)
    with pytest.raises(ValueError, match="the mask covers the whole photo"):
        completer().complete(noise(3, 3), np.ones((3, 3), bool), dilate=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runtime": "abacus"}, "no runtime 'abacus'; choose one of: auto, torch"),
        ({"precision": "fp3"}, "choose one of: fp32, fp16, bf16"),
        ({"device": "cuda:99"}, "CUDA devices are visible"),
        ({"device": "gpu"}, "auto, cpu, cuda or cuda:N"),
        ({"device": "mps", "runtime": "torch"}, "device is 'mps'; it must be auto, cpu, cuda or cuda:N"),
        ({"device": "meta", "runtime": "tensorrt"}, "device is 'meta'; it must be auto, cpu, cuda or cuda:N"),
    ],
)
def test_what_cannot_be_had_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Completer.of(random_network(4), **options)


PROGRAM = """
import cv2
import numpy as np
from bench.counting import resident
from engine.inference.completer import Completer
from tests.engine.inference.conftest import random_network
completer = Completer.of(random_network({width}), device="cpu", memory={memory})
def peak():  # not getrusage's, which counts the parent process until the program starts
    return resident("VmHWM") / 1e6
{body}
"""


def run_alone(body, width=16, memory=300 << 20) -> str:
    program = PROGRAM.format(width=width, memory=memory, body=body)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_100_megapixels_within_2_gb():
    body = """
photo = np.zeros((10000, 10000, 3), np.uint8); photo[::7] = 200
mask = np.zeros((10000, 10000), bool); mask[5000:5256, 5000:5256] = True; mask[20:60, 9900:] = True
completed = completer.complete(photo, mask)
print(peak())
for rows in range(0, 10000, 1000):
    part = slice(rows, rows + 1000)
    assert np.array_equal(completed[part][~mask[part]], photo[part][~mask[part]])
for hole in np.s_[5000:5256, 5000:5256], np.s_[20:60, 9900:]:
    assert (completed[hole] != photo[hole]).any()
"""
    assert float(run_alone(body)) < 2000


def test_200_photos_in_a_row_leave_memory_flat():
    """Of ever-changing sizes and holes, which is what fills the cache of compiled kernels: after 500, it is full."""
    body = """
random = np.random.default_rng(0)
def some(count):
    for _ in range(count):
        height, width = random.integers(40, 72, 2)
        photo = random.integers(0, 256, (height, width, 3), np.uint8)
        mask = np.zeros((height, width), bool)
        y, x = random.integers(0, height - 20), random.integers(0, width - 20)
        mask[y : y + random.integers(1, 60), x : x + random.integers(1, 60)] = True
        completer.complete(photo, mask)
some(80)
first = peak()
some(120)
print(peak() - first)
"""
    assert float(run_alone(body, width=4)) < 80
