"""The adversarial losses against torch's binary cross entropy, and where that would fail; blending as in inference."""

import numpy as np
import torch
import torch.nn.functional as F

from engine.inference.blend import join
from engine.training.losses import adversarial_loss, blended, discriminator_loss

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
