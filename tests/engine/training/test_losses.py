"""The adversarial losses against torch's binary cross entropy, and where that would fail; blending as in inference;
patterns counted pixel by pixel."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.inference.holes.blend import join
from engine.training.losses import adversarial_loss, blended, discriminator_loss, pattern_loss, stride_pattern

REAL, FAKE = torch.tensor([[0.3], [2.0], [-1.0]]), torch.tensor([[1.0], [-0.5], [0.2]])


def test_the_losses_are_binary_cross_entropies():
    ones, zeros = torch.ones(3, 1), torch.zeros(3, 1)
    bce = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(discriminator_loss(REAL, FAKE), bce(REAL, ones) + bce(FAKE, zeros))
    torch.testing.assert_close(adversarial_loss(FAKE), bce(FAKE, ones))


def test_they_do_not_saturate_where_a_sigmoid_does():
    logits = torch.tensor([[-200.0]], requires_grad=True)
    adversarial_loss(logits).backward()
    assert logits.grad.item() == -1.0  # 1 - sigmoid: a discriminator that is sure still gives a gradient
    assert adversarial_loss(torch.tensor([[-200.0]])) == 200.0


def test_they_are_computed_in_fp32():
    assert discriminator_loss(REAL.bfloat16(), FAKE.bfloat16()).dtype == torch.float32
    assert adversarial_loss(FAKE.half()).dtype == torch.float32


def a_hole():
    """An image, a completion of it that is off by a slope, and a mask of 24x20 in 64x64."""
    rows, columns = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 64), indexing="ij")
    image_13SS = torch.stack((rows, columns, rows * columns))[None] * 0.5 + 0.2
    mask_11SS = torch.zeros(1, 1, 64, 64)
    mask_11SS[..., 16:40, 24:44] = 1
    return image_13SS, image_13SS + 0.2 * rows - 0.1, mask_11SS


def test_blended_is_what_inference_blends():
    image_13SS, generated_13SS, mask_11SS = a_hole()
    photo_HW3, generated_HW3 = ((t[0].permute(1, 2, 0)).numpy() for t in (image_13SS, generated_13SS))
    hole_HW = mask_11SS[0, 0].numpy() > 0
    photo_HW3 = np.rint(photo_HW3 * 65535).astype(np.uint16)
    expected_HW3 = join(photo_HW3, generated_HW3, hole_HW, hole_HW, "poisson", 0)[hole_HW] / 65535
    result_HW3 = blended(generated_13SS, image_13SS, mask_11SS)[0].permute(1, 2, 0).numpy()
    assert abs(result_HW3[hole_HW] - expected_HW3).max() < 0.004  # of a correction of up to 0.06
    assert abs(generated_HW3[hole_HW] - expected_HW3).max() > 0.03
    torch.testing.assert_close(torch.from_numpy(result_HW3[~hole_HW]), image_13SS[0].permute(1, 2, 0)[~hole_HW])


def test_blended_forgives_the_same_shift_everywhere():
    image_13SS, generated_13SS, mask_11SS = a_hole()
    shift = torch.zeros((), requires_grad=True)
    result_13SS = blended(generated_13SS + shift, image_13SS, mask_11SS)
    (result_13SS * torch.randn(result_13SS.shape)).sum().backward()
    assert abs(shift.grad) < 1e-3
    leaf_13SS = generated_13SS.clone().requires_grad_()
    blended(leaf_13SS, image_13SS, mask_11SS).square().sum().backward()
    assert leaf_13SS.grad[0, 0, 20, 30] != 0  # in the hole
    assert leaf_13SS.grad[0, 0, 15, 30] != 0  # beside it


def plain_pattern(image_3SS, mask_SS):
    """Pixel by pixel, as the docstring says: 3x3 cells of 4x4 pixels at a time, those that lie in the hole."""
    image_3SS, side = image_3SS.double().numpy(), mask_SS.shape[-1]
    wide_3SS = np.pad(image_3SS, ((0, 0), (2, 2), (2, 2)), mode="edge")
    weights = np.array([1, 2, 2, 2, 1]) / 8
    fine_3SS = image_3SS - sum(
        weights[y] * weights[x] * wide_3SS[:, y : y + side, x : x + side] for y in range(5) for x in range(5)
    )
    cells = side // 4
    inside = np.array(
        [[mask_SS[4 * i : 4 * i + 4, 4 * j : 4 * j + 4].all() for j in range(cells)] for i in range(cells)]
    )
    total = weight = 0.0
    for i in range(cells - 2):
        for j in range(cells - 2):
            found = [
                fine_3SS[:, 4 * (i + k) : 4 * (i + k) + 4, 4 * (j + m) : 4 * (j + m) + 4]
                for k in range(3)
                for m in range(3)
                if inside[i + k, j + m]
            ]
            if found:
                total += len(found) * np.square(np.mean(found, axis=0)).mean()
                weight += len(found)
    return total / weight


def with_pattern(image_N3SS, mask_N1SS, strength):
    """The image with a pattern of period 4 in the hole."""
    places = torch.arange(image_N3SS.shape[-1])
    wave = torch.cos(places * torch.pi / 2)[:, None] * torch.ones(len(places))
    return image_N3SS + strength * wave * mask_N1SS


def test_the_pattern_is_what_repeats_from_cell_to_cell():
    image_13SS, _, mask_11SS = a_hole()
    noisy_13SS = image_13SS + 0.1 * torch.randn(image_13SS.shape, generator=torch.Generator().manual_seed(0))
    for one_13SS in (noisy_13SS, with_pattern(noisy_13SS, mask_11SS, 0.05)):
        expected = plain_pattern(one_13SS[0], mask_11SS[0, 0] > 0)
        torch.testing.assert_close(stride_pattern(one_13SS, mask_11SS).double(), torch.tensor([expected]).double())


def test_a_pattern_is_found_by_its_energy_and_ramps_are_none():
    image_13SS, _, mask_11SS = a_hole()
    assert stride_pattern(image_13SS, mask_11SS) < 1e-6  # slopes alone
    found = stride_pattern(with_pattern(image_13SS, mask_11SS, 0.05), mask_11SS)
    assert found.item() == pytest.approx(0.05**2 / 2, rel=0.35)  # but for the hole's border, half of a cosine's square
    noise_13SS = image_13SS + 0.05 * torch.randn(image_13SS.shape, generator=torch.Generator().manual_seed(0))
    assert stride_pattern(noise_13SS, mask_11SS) < 0.5 * found  # twice as much energy, of all periods


def test_the_pattern_loss_compares_with_the_photos_own():
    image_13SS, _, mask_11SS = a_hole()
    photo_13SS = (image_13SS * 255).round().byte()
    losses = [pattern_loss(with_pattern(image_13SS, mask_11SS, s), photo_13SS, mask_11SS) for s in (0, 0.02, 0.1)]
    assert losses[0] < 0.1 < losses[1] < losses[2]
    own_13SS = (with_pattern(image_13SS, mask_11SS, 0.1) * 255).round().byte()
    torch.testing.assert_close(
        pattern_loss(own_13SS / 255, own_13SS, mask_11SS), torch.tensor(2.0).log(), rtol=0.02, atol=0
    )
