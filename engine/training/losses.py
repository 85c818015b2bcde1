"""The adversarial half of the paper's loss (equation 4), on logits in fp32. The other is `kernels.masked_mse`."""

import torch.nn.functional as F
from torch import Tensor


def discriminator_loss(real_logits_N1: Tensor, fake_logits_N1: Tensor) -> Tensor:
    """-[log D(real) + log(1 - D(fake))], each averaged over the batch; a scalar in fp32."""
    # log(1 - sigmoid(z)) = -softplus(z): no logarithm of a rounded probability, so no saturation.
    return F.softplus(-real_logits_N1.float()).mean() + F.softplus(fake_logits_N1.float()).mean()


def adversarial_loss(fake_logits_N1: Tensor) -> Tensor:
    """-log D(fake), the non-saturating form of the generator's term; a scalar in fp32."""
    return F.softplus(-fake_logits_N1.float()).mean()
