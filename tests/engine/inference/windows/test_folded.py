"""Layers folded from a weights file's tensors: what PyTorch's blocks do, to rounding."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.inference.windows.folded import fold_network
from engine.weights import NetworkWeights
from tests.engine.inference.conftest import random_network


@pytest.mark.parametrize("norm_order", ["norm_act", "act_norm"])
@pytest.mark.parametrize("fill", ["mean", "learned"])
@torch.inference_mode()
def test_each_layer_does_what_pytorchs_block_does(norm_order, fill):
    network = random_network(4, norm_order, "residual", fill)
    folded = fold_network(network.spec, NetworkWeights.of(network).tensors)
    for layers, one in ((folded.completion, network), (folded.fill, network.fill)):
        if one is None:
            assert layers == ()
            continue
        *blocks, last = layers
        for (layer, *arrays), block in zip(blocks, one.blocks, strict=True):
            weight, bias_C, scale_shift_2C = (None if array is None else torch.from_numpy(array) for array in arrays)
            assert (scale_shift_2C is None) == (norm_order == "norm_act")
            x = torch.rand(2, weight.shape[0 if layer.up else 1], 12, 16) - 0.5
            convolve = F.conv_transpose2d if layer.up else F.conv2d
            found = convolve(x, weight, bias_C, layer.stride, layer.padding, dilation=layer.dilation).relu()
            if scale_shift_2C is not None:
                scale_C11, shift_C11 = scale_shift_2C[..., None, None]
                found = found * scale_C11 + shift_C11
            torch.testing.assert_close(found, block(x), rtol=1e-5, atol=1e-6)
        assert np.array_equal(last.weight, one.to_rgb.weight.numpy())
        assert np.array_equal(last.bias_C, one.to_rgb.bias.numpy())


def test_tensors_in_fp16_are_taken_as_they_are():
    network = random_network(4)
    halves = {name: tensor.half().numpy() for name, tensor in network.state_dict().items()}
    as_singles = {name: tensor.astype(np.float32) for name, tensor in halves.items()}
    for one, other in zip(*(fold_network(network.spec, t).completion for t in (halves, as_singles)), strict=True):
        assert np.array_equal(one.weight, other.weight)
        assert np.array_equal(one.bias_C, other.bias_C)
    with pytest.raises(KeyError, match=r"blocks\.3\.conv\.weight"):
        fold_network(network.spec, {name: half for name, half in halves.items() if name != "blocks.3.conv.weight"})
