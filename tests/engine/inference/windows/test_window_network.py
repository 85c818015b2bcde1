"""The network on windows: without padding and folded, it gives what the whole network gives on the whole photo."""

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from engine.inference.windows.folded import as_pixel_shuffle
from engine.inference.windows.layer_plan import MIN_REGION, Margins, multiply_adds
from engine.inference.windows.network import WindowNetwork, relu_with_zeros
from engine.spec import STRIDE
from tests.engine.inference.conftest import random_network


def window_network(*arguments) -> WindowNetwork:
    return WindowNetwork(random_network(*arguments)).to(memory_format=torch.channels_last)


def channels_last(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("norm_order", ["norm_act", "act_norm"])
@pytest.mark.parametrize("output", ["sigmoid", "clip"])
@pytest.mark.parametrize(
    ("size", "margins"),
    [
        ((4, 4), Margins()),  # the smallest photo
        ((8, 64), Margins()),
        ((400, 316), Margins(152, 152, 152, 152)),  # 12 px kept, no zeros added anywhere
        ((200, 320), Margins(0, 152, 152, 152)),  # at the upper border
        ((220, 180), Margins(30, 10, 61, 0)),  # margins smaller than the halo, and odd
    ],
)
@torch.inference_mode()
def test_equals_the_padded_network(norm_order, output, size, margins):
    holed_N4HW = torch.rand(2, 4, *size)
    expected = margins.cut(random_network(8, norm_order, output)(holed_N4HW))
    got = window_network(8, norm_order, output)(holed_N4HW, margins)
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


def test_folding_leaves_the_network_alone():
    network = random_network(4)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    WindowNetwork(network)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@torch.inference_mode()
def test_transposed_convolution_as_pixel_shuffle():
    torch.manual_seed(0)
    conv = torch.nn.ConvTranspose2d(5, 3, kernel_size=4, stride=2, padding=1).requires_grad_(False)
    x = torch.rand(2, 5, 7, 9)
    weight, bias = map(torch.from_numpy, as_pixel_shuffle(conv.weight.numpy(), conv.bias.numpy()))
    got = F.pixel_shuffle(F.conv2d(F.pad(x, (1, 1, 1, 1)), weight, bias), 2)
    torch.testing.assert_close(got[:, :, 1:-1, 1:-1], conv(x))


sides = st.integers(MIN_REGION // STRIDE, 90).map(lambda quarters: STRIDE * quarters)


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate])  # each example runs a network
@given(height=sides, width=sides, data=st.data(), batch=st.integers(1, 3), base_width=st.sampled_from([16, 32]))
@torch.inference_mode()
def test_windows_are_bit_identical_to_the_whole(height, width, data, batch, base_width):
    """Whatever the size of the photo, the size and place of the region, and the batch."""
    halo, network = 152, window_network(base_width)
    region_height, region_width = min(data.draw(sides), height), min(data.draw(sides), width)
    top = STRIDE * data.draw(st.integers(0, (height - region_height) // STRIDE), "top")
    left = STRIDE * data.draw(st.integers(0, (width - region_width) // STRIDE), "left")
    bottom, right = top + region_height, left + region_width
    y0, x0, y1, x1 = max(top - halo, 0), max(left - halo, 0), min(bottom + halo, height), min(right + halo, width)

    photo_14HW = channels_last(torch.rand(1, 4, height, width))
    window_N4HW = photo_14HW[:, :, y0:y1, x0:x1].repeat(batch, 1, 1, 1)
    got = network(channels_last(window_N4HW), Margins(top - y0, y1 - bottom, left - x0, x1 - right))
    whole = network(photo_14HW)[:, :, top:bottom, left:right]
    for one in got:
        assert torch.equal(one, whole[0])


@torch.inference_mode()
def test_windows_are_bit_identical_at_the_papers_width():
    network = window_network(64)
    photo_14HW = channels_last(torch.rand(1, 4, 480, 540))
    whole = network(photo_14HW)
    middle = network(channels_last(photo_14HW[:, :, 48:448, 64:464]), Margins(152, 152, 152, 152))
    assert torch.equal(middle, whole[:, :, 200:296, 216:312])
    corner = network(channels_last(photo_14HW[:, :, :216, :280]), Margins(0, 152, 0, 152))
    assert torch.equal(corner, whole[:, :, :64, :128])


@torch.inference_mode()
def test_a_smaller_halo_would_show():
    """So that the tests above can fail."""
    network = window_network(16)
    photo_14HW = channels_last(torch.rand(1, 4, 480, 540))
    narrow = network(channels_last(photo_14HW[:, :, 52:444, 64:464]), Margins(148, 148, 152, 152))
    assert not torch.equal(narrow, network(photo_14HW)[:, :, 200:296, 216:312])


@pytest.mark.parametrize(("region", "fewer"), [(64, 2.3), (128, 2.1), (256, 1.8), (512, 1.5)])
def test_multiply_adds(region, fewer):
    """The counted saving, and the count itself against torch's counter."""
    side, halo = region + 304, 152
    padded, windowed = (multiply_adds(side, side, Margins(*[margin] * 4), 64) for margin in (0, halo))
    assert padded / windowed == pytest.approx(fewer, abs=0.05)

    network = WindowNetwork(random_network(64)).to("meta")
    counter = FlopCounterMode(display=False)
    with counter:
        network(torch.empty(1, 4, side, side, device="meta"), Margins(halo, halo, halo, halo))
    # The 2x2 convolutions also compute the few outputs that are dropped.
    assert counter.get_total_flops() == pytest.approx(2 * windowed, rel=0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("zeros", [None, (0, 0, 2, 0), (1, 3, 2, 4)])
def test_an_activation_among_zeros_is_the_relu_padded(zeros, dtype):
    x = torch.randn(2, 8, 5, 7).to(dtype, memory_format=torch.channels_last)
    expected = torch.relu(x) if zeros is None else F.pad(torch.relu(x), zeros)
    found = relu_with_zeros(x.clone(), zeros)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(found, expected)
