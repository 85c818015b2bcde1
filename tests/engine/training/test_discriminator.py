"""The discriminators against the paper's table: sizes, depth."""

import pytest
import torch

from engine.training.discriminator import ContextDiscriminator, Discriminator


@pytest.mark.parametrize(
    ("image", "patch", "millions"),
    [(256, 128, 45.06), (160, 96, 39.56), (64, 32, 17.93)],  # the paper's, its CelebA variant, the small one
)
def test_discriminator_sizes(image, patch, millions):
    network = ContextDiscriminator(image, patch)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert parameters / 1e6 == pytest.approx(millions, abs=0.01)
    assert network(torch.rand(2, 3, patch, patch), torch.rand(2, 3, image, image)).shape == (2, 1)


def test_the_global_branch_of_the_face_variant_is_one_layer_shallower():
    def depth(size):
        return sum(isinstance(layer, torch.nn.Conv2d) for layer in Discriminator(size, 8).convolutions)

    assert (depth(256), depth(160), depth(128), depth(96)) == (6, 5, 5, 5)


@pytest.mark.parametrize("size", [16, 22, 34, 50, 130])  # even, but no power of two
def test_discriminators_take_any_even_side(size):
    assert Discriminator(size, 4, 8)(torch.rand(2, 3, size, size)).shape == (2, 8)


def test_discriminators_refuse_odd_sides():
    with pytest.raises(ValueError, match="33"):
        Discriminator(33)


def test_leaky_relu_lets_negative_values_through():
    assert any(isinstance(m, torch.nn.LeakyReLU) for m in Discriminator(32, 4, 8, leak=0.2).modules())
    assert not any(isinstance(m, torch.nn.LeakyReLU) for m in Discriminator(32, 4, 8).modules())
