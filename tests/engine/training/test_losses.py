"""The adversarial losses against torch's binary cross entropy, and where that would fail."""

import torch
import torch.nn.functional as F

from engine.training.losses import adversarial_loss, discriminator_loss

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
