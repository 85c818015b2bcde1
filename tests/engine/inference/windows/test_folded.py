"""Layers folded from a weights file's tensors: PyTorch's, to rounding."""

import numpy as np
import pytest
import torch

from engine.inference.windows.folded import fold_network
from engine.inference.windows.folding import ScaleShift, fold_batch_norm
from engine.networks import ConvBlock
from tests.engine.inference.conftest import random_network


@pytest.mark.parametrize("norm_order", ["norm_act", "act_norm"])
@pytest.mark.parametrize("fill", ["mean", "learned"])
def test_layers_are_those_that_pytorch_folds(norm_order, fill):
    network = random_network(4, norm_order, "residual", fill)
    folded = fold_network(network.spec, {name: tensor.numpy() for name, tensor in network.state_dict().items()})
    expected = fold_batch_norm(network)
    for layers, one in ((folded.completion, expected), (folded.fill, expected.fill)):
        if one is None:
            assert layers == ()
            continue
        blocks = [block for block in one.blocks if isinstance(block, ConvBlock)]
        assert len(layers) == len(blocks) + 1
        for layer, conv in zip(layers, [*(block.conv for block in blocks), one.to_rgb], strict=True):
            np.testing.assert_allclose(layer.weight, conv.weight.numpy(), rtol=1e-6)
            np.testing.assert_allclose(layer.bias_C, conv.bias.numpy(), rtol=1e-6, atol=1e-6)
        for layer, block in zip(layers, blocks, strict=False):
            assert (layer.scale_shift_2C is None) == (norm_order == "norm_act")
            if isinstance(block.norm, ScaleShift):
                scale_shift_2C = torch.stack((block.norm.scale, block.norm.shift)).flatten(1).numpy()
                np.testing.assert_allclose(layer.scale_shift_2C, scale_shift_2C, rtol=1e-6, atol=1e-6)
        assert all(array.dtype == np.float32 for layer in layers for array in layer[1:] if array is not None)


def test_tensors_in_fp16_are_taken_as_they_are():
    network = random_network(4)
    halves = {name: tensor.half().numpy() for name, tensor in network.state_dict().items()}
    as_singles = {name: tensor.astype(np.float32) for name, tensor in halves.items()}
    for one, other in zip(*(fold_network(network.spec, t).completion for t in (halves, as_singles)), strict=True):
        assert np.array_equal(one.weight, other.weight)
        assert np.array_equal(one.bias_C, other.bias_C)
    with pytest.raises(KeyError, match=r"blocks\.3\.conv\.weight"):
        fold_network(network.spec, {name: half for name, half in halves.items() if name != "blocks.3.conv.weight"})
