"""The completion network against the paper's table: size, cost, reach."""

import copy
import json
from dataclasses import asdict

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from engine.networks import CompletionNetwork
from engine.spec import RESIDUAL_MARGIN, CompletionSpec


def test_the_papers_completion_network_has_its_size_and_cost():
    network = CompletionNetwork(CompletionSpec()).eval()
    assert sum(parameter.numel() for parameter in network.parameters()) == 6_072_131
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.rand(1, 4, 256, 256))
    assert counter.get_total_flops() / 1e9 == pytest.approx(65.1, abs=0.05)


@pytest.mark.parametrize(("height", "width"), [(4, 4), (4, 64), (28, 52), (100, 36)])
def test_output_has_the_inputs_size_and_range(height, width):
    for output in ("sigmoid", "clip"):
        network = CompletionNetwork(CompletionSpec(base_width=4, output=output))
        generated = network(10 * torch.randn(2, 4, height, width))
        assert generated.shape == (2, 3, height, width)
        assert generated.min() >= 0
        assert generated.max() <= 1


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_residual_networks_fill_goes_through_the_logit(layout):
    network = CompletionNetwork(CompletionSpec(base_width=4, output="residual"))
    filled_N3HW = torch.linspace(-0.5, 1.5, 2 * 3 * 20 * 36).reshape(2, 3, 20, 36).contiguous(memory_format=layout)
    filled_N3HW.requires_grad_()
    added, expected = network.add_to_fill(torch.zeros(()), filled_N3HW), torch.logit(filled_N3HW, eps=RESIDUAL_MARGIN)
    torch.testing.assert_close(added, expected, rtol=1e-6, atol=1e-6)
    gradients = [torch.autograd.grad(result.sum(), filled_N3HW)[0] for result in (added, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-6)


def test_a_residual_network_begins_as_its_fill_and_learns_from_there():
    network = CompletionNetwork(CompletionSpec(base_width=4, output="residual"))
    holed = 0.1 + 0.8 * torch.rand(2, 4, 16, 16)
    generated = network(holed)
    torch.testing.assert_close(generated, holed[:, :3])
    generated.sum().backward()
    assert network.to_rgb.weight.grad.abs().max() > 0


def test_a_learned_fill_begins_as_the_mean_pixel_and_learns_through_the_completion_network():
    mean_pixel = (0.3, 0.5, 0.7)
    network = CompletionNetwork(CompletionSpec(base_width=4, fill="learned", mean_pixel=mean_pixel))
    holed = torch.rand(2, 4, 16, 16)
    holed[:, 3] = holed[:, 3].round()
    filled = network.fill(holed)
    mean = torch.tensor(mean_pixel).view(3, 1, 1)
    torch.testing.assert_close(filled[:, :3], torch.where(holed[:, 3:] == 1, mean, holed[:, :3]))
    assert torch.equal(filled[:, 3], holed[:, 3])
    network(holed).square().sum().backward()
    assert network.fill.to_rgb.weight.grad.abs().max() > 0
    assert sum("fill." in name for name in network.state_dict()) > 0


def test_the_halo_is_exactly_the_reach_of_the_network():
    """Noise further away than the halo changes nothing; noise just within it does."""
    assert CompletionSpec().halo == 152 <= 156
    torch.manual_seed(1)  # what crosses the whole halo is faint, and some weights let none through
    network = CompletionNetwork(CompletionSpec(base_width=4)).double().eval()
    halo, inside, border = 152, 8, 24
    side = inside + 2 * (halo + border)
    image = torch.rand(1, 4, side, side, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    middle = slice(halo + border, halo + border + inside)

    def changed_by_noise_outside(distance: int) -> bool:
        noisy = torch.rand_like(image)
        kept = slice(middle.start - distance, middle.stop + distance)
        noisy[..., kept, kept] = image[..., kept, kept]
        with torch.no_grad():
            difference = network(noisy)[..., middle, middle] - network(image)[..., middle, middle]
        return bool(difference.abs().max() > 0)

    assert not changed_by_noise_outside(halo)
    assert changed_by_noise_outside(halo - 4)


def test_the_two_norm_orders_differ_where_they_should():
    torch.manual_seed(0)
    before = CompletionNetwork(CompletionSpec(base_width=4, norm_order="norm_act"))
    after = CompletionNetwork(CompletionSpec(base_width=4, norm_order="act_norm"))
    after.load_state_dict(before.state_dict())
    x = torch.rand(1, 4, 16, 16)
    assert not torch.equal(before(x), after(x))
    block = after.blocks[0].eval()
    block.norm.bias.data.fill_(-1.0)
    assert block(x).min() < 0  # the activation does not come last
    assert before.blocks[0](x).min() >= 0


def test_input_shift_and_scale_are_applied_to_rgb_and_not_to_the_mask():
    shifted = CompletionNetwork(CompletionSpec(base_width=4, input_shift=(0.1, 0.2, 0.3), input_scale=2.0))
    plain = CompletionNetwork(CompletionSpec(base_width=4))
    plain.load_state_dict(shifted.state_dict())
    x = torch.rand(2, 4, 16, 16)
    moved = x.clone()
    moved[:, :3] = (x[:, :3] - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) * 2
    torch.testing.assert_close(copy.deepcopy(shifted)(x), plain(moved))


def test_spec_survives_json_and_refuses_what_it_does_not_know():
    spec = CompletionSpec(base_width=16, mean_pixel=(0.1, 0.2, 0.3), provenance={"photos": 7})
    assert CompletionSpec.from_json(json.loads(json.dumps(asdict(spec)))) == spec
    with pytest.raises(ValueError, match="colour"):
        CompletionSpec.from_json({"colour": "bgr"})


@pytest.mark.parametrize(
    "wrong",
    [{"base_width": 3}, {"norm_order": "both"}, {"output": "tanh"}, {"fill": "best"}, {"mean_pixel": (0.1, 0.2, 30.0)}],
)
def test_spec_names_the_wrong_value(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CompletionSpec(**wrong)
